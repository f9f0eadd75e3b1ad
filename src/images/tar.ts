// Tar headers: what we write ourselves, small archives made in memory and those of `image save`.

export interface TarEntry {
  readonly name: string;
  readonly type: 'file' | 'directory' | 'symlink';
  readonly mode: number;
  readonly size?: number;
  /** Seconds since 1970; 0 unless told. */
  readonly mtime?: number;
  readonly link?: string;
}

const BLOCK = 512;
const TYPES = { file: '0', symlink: '2', directory: '5' } as const;

/** The header of an entry, owned by root; a name that does not fit gets a PAX header before it. */
export function tarHeader(entry: TarEntry): Buffer {
  const fits = Buffer.byteLength(entry.name) <= 100 && (entry.size ?? 0) < 8 ** 11;
  return fits
    ? block(entry)
    : Buffer.concat([paxHeader(entry), block({ ...entry, name: 'long', size: 0 }, entry)]);
}

/** What follows `size` bytes of data. */
export function tarPadding(size: number): Buffer {
  return Buffer.alloc((BLOCK - (size % BLOCK)) % BLOCK);
}

/** The end of an archive. */
export function tarEnd(): Buffer {
  return Buffer.alloc(2 * BLOCK);
}

/** A whole archive of entries with their content. */
export function tarOf(entries: readonly (TarEntry & { readonly content?: Uint8Array })[]): Buffer {
  const parts = entries.flatMap(({ content, ...entry }) => {
    const size = content?.length ?? 0;
    return [tarHeader({ ...entry, size }), content ?? Buffer.alloc(0), tarPadding(size)];
  });
  return Buffer.concat([...parts, tarEnd()]);
}

function paxHeader(entry: TarEntry): Buffer {
  const content = Buffer.concat([paxRecord('path', entry.name), paxRecord('size', String(entry.size ?? 0))]);
  const header = block(
    { name: 'PaxHeaders/long', type: 'file', mode: 0o644, size: content.length },
    undefined,
    'x',
  );
  return Buffer.concat([header, content, tarPadding(content.length)]);
}

function paxRecord(key: string, value: string): Buffer {
  const rest = Buffer.byteLength(` ${key}=${value}\n`);
  let length = rest + String(rest).length;
  length = rest + String(length).length;
  return Buffer.from(`${length} ${key}=${value}\n`);
}

function block(entry: TarEntry, original: TarEntry = entry, type: string = TYPES[original.type]): Buffer {
  const header = Buffer.alloc(BLOCK);
  header.write(entry.name, 0, 100);
  writeOctal(header, 100, 8, original.mode);
  writeOctal(header, 108, 8, 0);
  writeOctal(header, 116, 8, 0);
  writeOctal(header, 124, 12, entry.size ?? 0);
  writeOctal(header, 136, 12, entry.mtime ?? 0);
  header.write(type, 156, 1);
  header.write(entry.link ?? '', 157, 100);
  header.write('ustar\x0000', 257);
  header.fill(' ', 148, 156);
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
  return header;
}

function writeOctal(header: Buffer, offset: number, width: number, value: number): void {
  header.write(`${value.toString(8).padStart(width - 1, '0')}\0`, offset, width);
}
