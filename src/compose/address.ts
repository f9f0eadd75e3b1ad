// Which texts are IP addresses. Node knows it too, but only together with everything else of `node:net`.

const OCTET = '(?:25[0-5]|2[0-4]\\d|1\\d\\d|[1-9]?\\d)';
const IPV4 = new RegExp(`^${OCTET}(?:\\.${OCTET}){3}$`);

/** The family of an IP address, with a zone or without; 0 for any other text. */
export function familyOf(text: string): 0 | 4 | 6 {
  if (IPV4.test(text)) return 4;
  const address = /^([\da-f:.]+)(?:%[^%]+)?$/i.exec(text)?.[1];
  return address !== undefined && URL.canParse(`http://[${address}]`) ? 6 : 0;
}
