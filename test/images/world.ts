// A store of its own for one test, and archives made entry by entry, also such as no archiver would write.
import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { openCore } from '../../core/index.ts';
import { MEDIA } from '../../src/images/manifest.ts';
import type { Context } from '../../src/state/context.ts';
import { PREFIX } from '../support/stack.ts';

export interface Entry {
  readonly name: string;
  /** One character as in the header: 0 file, 1 link, 2 symlink, 3 and 4 devices, 5 directory, 6 fifo, x PAX… */
  readonly type?: string;
  readonly mode?: number;
  readonly uid?: number;
  readonly gid?: number;
  readonly mtime?: number;
  readonly link?: string;
  readonly content?: Uint8Array | string;
  /** Records of a PAX header that precedes the entry. */
  readonly pax?: Readonly<Record<string, string>>;
  readonly major?: number;
  readonly minor?: number;
  /** Written over the header at these offsets, before its checksum is made. */
  readonly raw?: Readonly<Record<number, Uint8Array | string>>;
}

function octal(value: number, width: number): string {
  return `${value.toString(8).padStart(width - 1, '0')}\0`;
}

function header(entry: Entry, size: number): Buffer {
  const block = Buffer.alloc(512);
  block.write(entry.name, 0, 100);
  block.write(octal(entry.mode ?? 0o644, 8), 100);
  block.write(octal(entry.uid ?? 0, 8), 108);
  block.write(octal(entry.gid ?? 0, 8), 116);
  block.write(octal(size, 12), 124);
  block.write(octal(entry.mtime ?? 1_000_000_000, 12), 136);
  block.write(entry.type ?? '0', 156);
  block.write(entry.link ?? '', 157, 100);
  block.write('ustar\x0000', 257);
  block.write(octal(entry.major ?? 0, 8), 329);
  block.write(octal(entry.minor ?? 0, 8), 337);
  for (const [offset, bytes] of Object.entries(entry.raw ?? {}))
    block.set(Buffer.from(bytes), Number(offset));
  block.fill(' ', 148, 156);
  block.write(
    `${block
      .reduce((sum, byte) => sum + byte, 0)
      .toString(8)
      .padStart(6, '0')}\0 `,
    148,
  );
  return block;
}

function paxRecord(key: string, value: string): Buffer {
  const rest = Buffer.byteLength(` ${key}=${value}\n`);
  let length = rest + String(rest).length;
  length = rest + String(length).length;
  return Buffer.from(`${length} ${key}=${value}\n`);
}

function withContent(entry: Entry): Buffer {
  const content = Buffer.from(entry.content ?? '');
  return Buffer.concat([
    header(entry, content.length),
    content,
    Buffer.alloc((512 - (content.length % 512)) % 512),
  ]);
}

/** A tar archive of these entries. */
export function tar(...entries: readonly Entry[]): Buffer {
  const parts = entries.map((entry) => {
    if (entry.pax === undefined) return withContent(entry);
    const content = Buffer.concat(Object.entries(entry.pax).map(([key, value]) => paxRecord(key, value)));
    return Buffer.concat([withContent({ name: 'pax', type: 'x', content }), withContent(entry)]);
  });
  return Buffer.concat([...parts, Buffer.alloc(1024)]);
}

export function sha256(bytes: Uint8Array | string): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
}

/** A directory and a store in it; removed at the end of the test. */
export class World implements AsyncDisposable {
  readonly dir = mkdtempSync(join(tmpdir(), PREFIX));
  readonly ctx: Context = {
    core: openCore(),
    layout: { stateDir: join(this.dir, 'state'), runDir: join(this.dir, 'state/run') },
  };

  async [Symbol.asyncDispose](): Promise<void> {
    rmSync(this.dir, { recursive: true, force: true });
  }

  path(name: string): string {
    return join(this.dir, name);
  }

  /** An OCI image layout of one image; returns its directory. */
  layout(name: string, image: LayoutImage): string {
    const dir = this.path(name);
    mkdirSync(join(dir, 'blobs/sha256'), { recursive: true });
    const put = (bytes: Uint8Array): { digest: string; size: number } => {
      const digest = sha256(bytes);
      writeFileSync(join(dir, 'blobs/sha256', digest.slice(7)), bytes);
      return { digest, size: bytes.length };
    };
    const layers = image.layers.map((layer) => {
      const compress = image.compress ?? ((bytes: Uint8Array) => gzipSync(bytes));
      return { mediaType: image.layerType ?? MEDIA.ociLayerGzip, ...put(compress(layer)) };
    });
    const config = {
      os: 'linux',
      architecture: 'amd64',
      config: image.config ?? {},
      rootfs: { type: 'layers', diff_ids: image.diffIds ?? image.layers.map(sha256) },
      history: [],
    };
    const manifest = {
      schemaVersion: 2,
      mediaType: MEDIA.ociManifest,
      config: { mediaType: MEDIA.ociConfig, ...put(Buffer.from(JSON.stringify(config))) },
      layers,
    };
    const descriptor = { mediaType: MEDIA.ociManifest, ...put(Buffer.from(JSON.stringify(manifest))) };
    writeFileSync(join(dir, 'oci-layout'), '{"imageLayoutVersion":"1.0.0"}');
    writeFileSync(join(dir, 'index.json'), JSON.stringify({ schemaVersion: 2, manifests: [descriptor] }));
    return dir;
  }
}

export interface LayoutImage {
  /** Plain tar archives, base first. */
  readonly layers: readonly Uint8Array[];
  readonly compress?: (bytes: Uint8Array) => Uint8Array;
  readonly layerType?: string;
  readonly config?: unknown;
  readonly diffIds?: readonly string[];
}
