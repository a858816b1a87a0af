import type { Answer, TestService } from './service.ts';

/** A person's browser, as far as a flow needs one: it keeps cookies, and says where a form was sent from. */
export type Visitor = ReturnType<typeof openBrowser>;

export function openBrowser(service: TestService) {
  const cookies = new Map<string, string>();
  async function request(method: string, address: string, headers: Record<string, string> = {}): Promise<Answer> {
    const cookie = [...cookies].map(([name, value]) => `${name}=${value}`).join('; ');
    const answer = await service.request(method, address, { headers: { ...(cookie && { cookie }), ...headers } });
    for (const line of answer.headers.getSetCookie()) {
      const [, name = '', value = '', age = ''] = /^([^=]+)=([^;]*).*?Max-Age=(\d+)/.exec(line) ?? [];
      if (age === '0') cookies.delete(name);
      else cookies.set(name, value);
    }
    return answer;
  }
  return {
    /** By name. */
    cookies,
    visit: (address: string) => request('GET', address),
    /** Presses Continue on the start page. */
    press: (startUrl: string, headers: Record<string, string> = { origin: new URL(startUrl).origin }) =>
      request('POST', startUrl, headers),
    /** The same, and gives the address at the provider that it leads to. */
    async proceed(startUrl: string): Promise<string> {
      const answer = await request('POST', startUrl, { 'sec-fetch-site': 'same-origin' });
      const location = answer.headers.get('location');
      if (answer.status !== 303 || location === null) throw new Error(`Continue was refused: ${answer.text}`);
      return location;
    },
  };
}
