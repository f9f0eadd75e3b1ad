// tscompose.lock: what each tag stood for, by platform, so that everybody runs the same bytes.
import { ComposeError } from '../errors.ts';
import { asDict, asObject, asString } from '../state/decode.ts';
import { readRecord, writeAtomically } from '../state/record.ts';
import { understand } from './install.ts';
import { decodeIndex, isIndexType } from './manifest.ts';
import { formatPlatform, hostPlatform, parsePlatform } from './platform.ts';
import { formatReference, parseReference, type Reference } from './reference.ts';
import type { RegistryClient, Repository } from './registry.ts';

/** Digests of manifests by platform. */
export type LockedImage = Readonly<Record<string, string>>;

export interface LockFile {
  readonly version: 1;
  /** By the complete name. */
  readonly images: Readonly<Record<string, LockedImage>>;
}

export const LOCK_FILE = 'tscompose.lock';

/** Reads a lock file; undefined when there is none. ComposeError `state-corrupt`. */
export function readLockFile(path: string): LockFile | undefined {
  return readRecord(path, (value) => {
    const object = asObject(value, 'lock file');
    const byPlatform = (entry: unknown, what: string): LockedImage => asDict(entry, what, asString);
    return { version: 1, images: asDict(object.images, 'images', byPlatform) };
  });
}

/** Writes a lock file, sorted so that changes are easy to read. */
export function writeLockFile(path: string, { images }: LockFile): void {
  const sorted = sortedEntries(images).map(([name, digests]) => [
    name,
    Object.fromEntries(sortedEntries(digests)),
  ]);
  const document = { version: 1, images: Object.fromEntries(sorted) };
  writeAtomically(path, `${JSON.stringify(document, null, 2)}\n`, { mode: 0o644 });
}

function sortedEntries<T>(dict: Readonly<Record<string, T>>): [string, T][] {
  return Object.entries(dict).sort(([a], [b]) => (a < b ? -1 : 1));
}

/** The name of exactly the image that was locked. ComposeError `image-not-found` when the lock file does not have it. */
export function frozenImage(lock: LockFile, image: string, platform?: string): string {
  const reference = parseReference(image);
  if (reference.digest !== undefined) return image;
  const wanted = formatPlatform(platform === undefined ? hostPlatform() : parsePlatform(platform));
  const digest = lock.images[formatReference(reference)]?.[wanted];
  if (digest === undefined)
    throw new ComposeError('image-not-found', `${LOCK_FILE} has no ${image} for ${wanted}`, {
      hint: 'run `tscompose lock update`',
    });
  return `${image}@${digest}`;
}

export interface LockWish {
  readonly image: string;
  readonly platform?: string | undefined;
}

/** Asks the registries what the images are now. Images named by a digest need no lock. */
export async function lockImages(
  wishes: readonly LockWish[],
  registries: RegistryClient,
  signal?: AbortSignal,
): Promise<LockFile> {
  const entries = await Promise.all(
    wishes.map(async ({ image, platform }) => {
      const reference = parseReference(image);
      if (reference.digest !== undefined) return [];
      const repository = registries.repository(reference, 'pull');
      return [
        [formatReference(reference), await digestsOf(repository, reference, { platform, signal })] as const,
      ];
    }),
  );
  const images: Record<string, LockedImage> = {};
  for (const [name, digests] of entries.flat()) images[name] = { ...images[name], ...digests };
  return { version: 1, images };
}

interface Wanted {
  readonly platform: string | undefined;
  readonly signal: AbortSignal | undefined;
}

async function digestsOf(
  repository: Repository,
  reference: Reference,
  { platform, signal }: Wanted,
): Promise<LockedImage> {
  const { descriptor, bytes } = await repository.manifest(reference, signal);
  if (!isIndexType(descriptor.mediaType)) {
    const only = platform === undefined ? hostPlatform() : parsePlatform(platform);
    return { [formatPlatform(only)]: descriptor.digest };
  }
  const text = Buffer.from(bytes).toString('utf8');
  const index = understand(descriptor.digest, () => decodeIndex(JSON.parse(text)));
  const images = index.manifests.filter(
    ({ annotations }) => annotations?.['vnd.docker.reference.type'] === undefined,
  );
  return Object.fromEntries(
    images.flatMap(({ platform: is, digest }) => (is ? [[nameOfPlatform(is), digest]] : [])),
  );
}

// What an index calls arm64/v8 is asked for as arm64.
function nameOfPlatform(platform: Parameters<typeof formatPlatform>[0]): string {
  const { variant, ...rest } = platform;
  const isUsual = platform.architecture === 'arm64' && variant === 'v8';
  return formatPlatform(isUsual ? rest : platform);
}
