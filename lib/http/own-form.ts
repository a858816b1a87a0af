import type { HttpEvent } from './types.ts';

/**
 * Whether a POST comes from a page of ours. Browsers say where a form was sent from by either header; neither may speak
 * against it. A page of another site could press a button for whoever visits it.
 * @see https://www.w3.org/TR/fetch-metadata/#sec-fetch-site-header
 */
export function isFromOwnPage({ headers }: HttpEvent, publicUrl: string): boolean {
  const { origin, 'sec-fetch-site': site } = headers;
  const saysOwnOrigin = origin === new URL(publicUrl).origin;
  const saysSameOrigin = site === 'same-origin';
  // A page that hides its address has the origin `null`, also towards itself.
  const saysNoOrigin = origin === undefined || origin === 'null';
  return (saysOwnOrigin && (saysSameOrigin || site === undefined)) || (saysNoOrigin && saysSameOrigin);
}
