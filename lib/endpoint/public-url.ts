import { BlockList, isIPv4 } from 'node:net';

const maxLength = 2048;

/**
 * Checks an address that somebody will send messages to: https, on a public host. What a name resolves to is known only
 * when it is used, so whoever sends checks the resolved address again.
 * @returns the URL in its normal form, which every parser reads alike, or what is wrong with it
 */
export function readPublicUrl(text: string): { url: string } | { problem: string } {
  // Parsers disagree on these, so that the host which is checked would not be the one that is called.
  if (/[\s\\\p{Cc}]/u.test(text)) return { problem: 'must not contain spaces, backslashes or control characters' };
  if (!URL.canParse(text)) return { problem: 'must be a URL' };
  const url = new URL(text);
  if (url.protocol !== 'https:') return { problem: 'must begin with https://' };
  if (url.username || url.password) return { problem: 'must not contain a user name or password' };
  if (url.href.includes('#')) return { problem: 'must not have a fragment' };
  if (url.href.length > maxLength) return { problem: `must have at most ${maxLength} characters` };
  if (!isPublicHost(url.hostname)) return { problem: 'must have a public host, not one of a private network' };
  return { url: url.href };
}

/** @param hostname as `URL` gives it: IPv4 in its one dotted form, IPv6 in brackets, names in ASCII and lower case */
function isPublicHost(hostname: string): boolean {
  if (hostname.startsWith('[')) return isPublicIpv6(hostname.slice(1, -1));
  if (isIPv4(hostname)) return !reserved.check(hostname, 'ipv4');
  return isPublicName(hostname.replace(/\.$/, ''));
}

/** IANA's special-purpose IPv4 addresses, and Azure's metadata service, which has a public one. */
const reserved = new BlockList();
for (const [network, prefix] of [
  ['0.0.0.0', 8],
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['127.0.0.0', 8],
  ['168.63.129.16', 32],
  ['169.254.0.0', 16],
  ['172.16.0.0', 12],
  ['192.0.0.0', 24],
  ['192.0.2.0', 24],
  ['192.88.99.0', 24],
  ['192.168.0.0', 16],
  ['198.18.0.0', 15],
  ['198.51.100.0', 24],
  ['203.0.113.0', 24],
  ['224.0.0.0', 3],
] as const) {
  reserved.addSubnet(network, prefix, 'ipv4');
}

/** All that is global unicast: neither loopback, link-local, unique-local, multicast, IPv4-mapped nor NAT64. */
const globalUnicast = new BlockList();
globalUnicast.addSubnet('2000::', 3, 'ipv6');

/** What is special within it: Teredo and other protocols, documentation, 6to4 (which wraps any IPv4 address). */
const specialIpv6 = new BlockList();
specialIpv6.addSubnet('2001::', 23, 'ipv6');
specialIpv6.addSubnet('2001:db8::', 32, 'ipv6');
specialIpv6.addSubnet('2002::', 16, 'ipv6');
specialIpv6.addSubnet('3fff::', 20, 'ipv6');

function isPublicIpv6(address: string): boolean {
  return globalUnicast.check(address, 'ipv6') && !specialIpv6.check(address, 'ipv6');
}

/** Top-level names that private networks and hosts use for themselves. */
const privateNames = ['arpa', 'corp', 'home', 'internal', 'intranet', 'lan', 'local', 'localdomain', 'localhost'];

/** At least two labels: a single one is looked up in the network of whoever sends. */
function isPublicName(name: string): boolean {
  const labels = name.split('.');
  const isName = labels.length > 1 && labels.every((label) => /^[a-z0-9_-]{1,63}$/.test(label));
  return isName && name.length <= 253 && !privateNames.includes(labels.at(-1) ?? '');
}
