import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { readPublicUrl } from '../../../lib/endpoint/public-url.ts';

const privateHost = { problem: 'must have a public host, not one of a private network' };

describe('readPublicUrl', () => {
  it.each([
    ['https://hooks.slack.com/services/T0/B0/x', 'https://hooks.slack.com/services/T0/B0/x'],
    ['https://example.com:8443/a?b=c%20d', 'https://example.com:8443/a?b=c%20d'],
    ['HTTPS://Example.COM:443', 'https://example.com/'],
    ['https://bücher.example/', 'https://xn--bcher-kva.example/'],
    ['https://under_score.example.com./', 'https://under_score.example.com./'],
    ['https://localhost.example.com/', 'https://localhost.example.com/'],
    ['https://8.8.8.8/', 'https://8.8.8.8/'],
    ['https://0x08080808/', 'https://8.8.8.8/'],
    ['https://172.32.0.1/', 'https://172.32.0.1/'],
    ['https://223.255.255.255/', 'https://223.255.255.255/'],
    ['https://[2606:4700::1111]/', 'https://[2606:4700::1111]/'],
    ['https://example.com?@127.0.0.1/', 'https://example.com/?@127.0.0.1/'],
  ])('takes %s', (text, url) => {
    expect(readPublicUrl(text)).toEqual({ url });
  });

  it.each([
    ['', 'must be a URL'],
    ['/hook', 'must be a URL'],
    ['https://', 'must be a URL'],
    ['https://256.0.0.1/', 'must be a URL'],
    ['http://example.com/', 'must begin with https://'],
    ['ftp://example.com/', 'must begin with https://'],
    ['javascript:alert(1)', 'must begin with https://'],
    ['file:///etc/passwd', 'must begin with https://'],
    ['https://user@example.com/', 'must not contain a user name or password'],
    ['https://:secret@example.com/', 'must not contain a user name or password'],
    ['https://example.com/#part', 'must not have a fragment'],
    ['https://example.com/#', 'must not have a fragment'],
    ['https://example.com#@127.0.0.1/', 'must not have a fragment'],
    [' https://example.com/', 'must not contain spaces, backslashes or control characters'],
    ['https://exam\nple.com/', 'must not contain spaces, backslashes or control characters'],
    ['https://example.com\\@127.0.0.1/', 'must not contain spaces, backslashes or control characters'],
    [`https://example.com/${'x'.repeat(2048)}`, 'must have at most 2048 characters'],
  ])('refuses %s', (text, problem) => {
    expect(readPublicUrl(text)).toEqual({ problem });
  });

  it.each([
    'localhost',
    'LOCALHOST',
    'localhost.',
    'localhost..',
    'a.localhost',
    'printer.local',
    'db.internal',
    'metadata.google.internal',
    'metadata.google.internal.',
    'router.lan',
    'wiki.corp',
    'host.localdomain',
    'nas.home.arpa',
    'intranet',
    'a..example.com',
    'a!b.example.com',
    '%6c%6f%63alhost',
    'ⓛocalhost',
    `${'a.'.repeat(127)}com`,
  ])('refuses the host name %s', (host) => {
    expect(readPublicUrl(`https://${host}/`)).toEqual(privateHost);
  });

  it.each([
    '127.0.0.1',
    '127.1',
    '0',
    '0x7f.1',
    '0177.0.0.01',
    '2130706433',
    '１２７.０.０.１',
    '127.0.0.1.',
    '10.0.0.1',
    '100.64.0.1',
    '100.100.100.200',
    '168.63.129.16',
    '169.254.169.254',
    '169.254.170.2',
    '172.31.255.255',
    '192.0.0.192',
    '192.168.1.1',
    '198.18.0.1',
    '224.0.0.1',
    '239.255.255.250',
    '255.255.255.255',
    '[::]',
    '[::1]',
    '[::ffff:127.0.0.1]',
    '[::ffff:8.8.8.8]',
    '[::127.0.0.1]',
    '[::ffff:0:127.0.0.1]',
    '[64:ff9b::127.0.0.1]',
    '[64:ff9b::8.8.8.8]',
    '[64:ff9b:1::10.0.0.1]',
    '[fd00:ec2::254]',
    '[fc00::1]',
    '[fe80::1]',
    '[fec0::1]',
    '[ff02::1]',
    '[100::1]',
    '[2001::1]',
    '[2001:db8::1]',
    '[2002:7f00:1::]',
    '[3fff::1]',
    '[4000::1]',
  ])('refuses the address %s', (host) => {
    expect(readPublicUrl(`https://${host}/`)).toEqual(privateHost);
  });

  it('refuses every address of a private IPv4 network, however it is written', () => {
    const networks = fc.constantFrom<[number, number]>(
      [0x0a000000, 8],
      [0x7f000000, 8],
      [0xa9fe0000, 16],
      [0xac100000, 12],
      [0xc0a80000, 16],
      [0x64400000, 10],
      [0, 8],
      [0xe0000000, 3],
    );
    const forms = fc.constantFrom(
      (address: number) => String(address),
      (address: number) => `0x${address.toString(16)}`,
      (address: number) => `0${address.toString(8)}`,
      (address: number) => bytesOf(address).join('.'),
      (address: number) =>
        bytesOf(address)
          .map((byte) => `0x${byte.toString(16)}`)
          .join('.'),
      (address: number) => `${address >>> 24}.${address & 0xffffff}`,
      (address: number) => `[::ffff:${bytesOf(address).join('.')}]`,
      (address: number) => `[64:ff9b::${bytesOf(address).join('.')}]`,
      (address: number) => `[2002:${hexPair(address >>> 16)}:${hexPair(address & 0xffff)}::1]`,
    );

    fc.assert(
      fc.property(networks, fc.nat(0xffffffff), forms, ([network, prefix], host, form) => {
        const address = (network | (host & (2 ** (32 - prefix) - 1))) >>> 0;

        expect(readPublicUrl(`https://${form(address)}/`)).toEqual(privateHost);
      }),
    );
  });

  it('refuses every IPv6 address that is not global unicast', () => {
    const group = fc.nat(0xffff);
    const first = group.filter((value) => value >>> 13 !== 1);

    fc.assert(
      fc.property(first, fc.array(group, { minLength: 7, maxLength: 7 }), (head, tail) => {
        const address = [head, ...tail].map(hexPair).join(':');

        expect(readPublicUrl(`https://[${address}]/`)).toEqual(privateHost);
      }),
    );
  });

  it('gives for any text a problem, or a URL that it takes again as it is', () => {
    const url = fc.oneof(
      fc.webUrl({ validSchemes: ['https'], withQueryParameters: true }),
      fc.string().map((rest) => `https://${rest}`),
      fc.string(),
    );

    fc.assert(
      fc.property(url, (text) => {
        const read = readPublicUrl(text);

        if ('url' in read) expect(readPublicUrl(read.url)).toEqual(read);
        else expect(read.problem).toMatch(/^must /);
      }),
      { numRuns: 500 },
    );
  });
});

function bytesOf(address: number): number[] {
  return [24, 16, 8, 0].map((shift) => (address >>> shift) & 0xff);
}

function hexPair(value: number): string {
  return value.toString(16);
}
