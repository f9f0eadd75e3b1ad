// From a registry into the store.
import { ComposeError } from '../errors.ts';
import type { Context } from '../state/context.ts';
import { readDocuments } from './image.ts';
import { hasLayer, type Progress, whileAdding } from './ingest.ts';
import { installImage, type ManifestDocument, understand } from './install.ts';
import { decodeIndex, isIndexType } from './manifest.ts';
import { choosePlatform, formatPlatform, hostPlatform, parsePlatform, platformFits } from './platform.ts';
import { familiarReference, formatReference, parseReference, type Reference } from './reference.ts';
import { type RegistryClient, type Repository, withRegistries } from './registry.ts';
import { chainIds, hasBlob, readImages, type StoredImage, updateImages } from './store.ts';

export interface PullOptions {
  /** `os/architecture[/variant]`; that of this machine unless told. */
  readonly platform?: string | undefined;
  /** Connections that several pulls share; one is opened for this pull otherwise. */
  readonly registries?: RegistryClient | undefined;
  readonly offline?: boolean | undefined;
  /** Of layers at the same time. */
  readonly parallel?: number;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((progress: Progress) => void) | undefined;
}

export interface Pulled {
  readonly image: StoredImage;
  /** False when the registry had nothing that was not here. */
  readonly isNew: boolean;
  /** The name that was pulled, in its short form. */
  readonly name: string;
}

const ATTEMPTS = 2;

/**
 * Brings an image here and unpacks it, or finds that it is here already. ComposeError `image-not-found`, `registry`,
 * `digest-mismatch`, `image-invalid`, `disk-full`, `invalid-value`.
 */
export async function pullImage(ctx: Context, name: string, options: PullOptions = {}): Promise<Pulled> {
  const reference = parseReference(name);
  const present = findPulled(ctx, reference, options.platform);
  const short = familiarReference(reference);
  if ((reference.digest !== undefined || options.offline) && present !== undefined)
    return { image: present, isNew: false, name: short };
  if (options.offline)
    throw new ComposeError('registry', `cannot pull ${short} offline`, {
      hint: 'leave out --offline, or load it with `tscompose image load`',
    });
  return withRegistries(options.registries, async (registries) => {
    const repository = registries.repository(reference, 'pull');
    const found = await resolveRemote(repository, reference, options.signal);
    if (present !== undefined && present.target === found) {
      const image = await touch(ctx, present);
      return { image, isNew: false, name: short };
    }
    const image = await retryDamaged((isSecond) =>
      fetchImage(ctx, {
        repository: isSecond ? registries.repository(reference, 'pull', 'origin') : repository,
        reference,
        target: found,
        options,
      }),
    );
    return { image, isNew: true, name: short };
  });
}

/** The digest that a name stands for at its registry now. ComposeError `image-not-found`, `registry`. */
export async function remoteDigest(
  name: string,
  { registries, offline, signal }: Pick<PullOptions, 'registries' | 'offline' | 'signal'> = {},
): Promise<string> {
  const reference = parseReference(name);
  if (reference.digest !== undefined) return reference.digest;
  if (offline) throw new ComposeError('registry', `cannot ask for the digest of ${name} offline`);
  return withRegistries(registries, (client) =>
    resolveRemote(client.repository(reference, 'pull'), reference, signal),
  );
}

async function resolveRemote(
  repository: Repository,
  reference: Reference,
  signal: AbortSignal | undefined,
): Promise<string> {
  if (reference.digest !== undefined) return reference.digest;
  const found = await repository.resolve(reference, signal);
  if (found !== undefined) return found.digest;
  throw new ComposeError(
    'image-not-found',
    `no image ${familiarReference(reference)} at ${reference.registry}`,
    {
      hint: 'check its name and tag',
    },
  );
}

/** The image that a pull of this name gave last, when all of it is still here. */
function findPulled(
  ctx: Context,
  reference: Reference,
  platform: string | undefined,
): StoredImage | undefined {
  const want = platform === undefined ? hostPlatform() : parsePlatform(platform);
  const full = formatReference(reference);
  const named = readImages(ctx.layout).find((image) => {
    const isIt = image.name === full || (reference.digest !== undefined && image.repoDigests.includes(full));
    return isIt && platformFits(want, image.platform);
  });
  return named !== undefined && isWhole(ctx, named) ? named : undefined;
}

/** Whether everything that an image consists of is here. */
export function isWhole(ctx: Context, stored: StoredImage): boolean {
  if (!hasBlob(ctx.layout, stored.manifest.digest) || !hasBlob(ctx.layout, stored.id)) return false;
  const { manifest, config } = readDocuments(ctx, stored);
  return (
    chainIds(config.rootfs.diff_ids).every((chainId) => hasLayer(ctx, chainId)) &&
    manifest.layers.every((layer) => hasBlob(ctx.layout, layer.digest))
  );
}

async function touch(ctx: Context, present: StoredImage): Promise<StoredImage> {
  const touched = { ...present, time: new Date().toISOString() };
  const isIt = (image: StoredImage): boolean => image.name === present.name && image.id === present.id;
  await updateImages(ctx, (images) => images.map((image) => (isIt(image) ? touched : image)));
  return touched;
}

/** What was damaged on the way is gone from the store: a second attempt starts from nothing, and asks no mirror. */
async function retryDamaged<T>(fetch: (isSecond: boolean) => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await fetch(attempt > 1);
    } catch (error) {
      const damaged = error instanceof ComposeError && error.code === 'digest-mismatch';
      if (!damaged || attempt === ATTEMPTS) throw error;
    }
  }
}

interface Fetch {
  readonly repository: Repository;
  readonly reference: Reference;
  readonly target: string;
  readonly options: PullOptions;
}

async function fetchImage(
  ctx: Context,
  { repository, reference, target, options }: Fetch,
): Promise<StoredImage> {
  const { signal, onProgress, parallel } = options;
  const manifest = await fetchManifest(repository, { ...reference, digest: target }, options);
  const { registry, repository: path } = reference;
  const digests = [...new Set([target, manifest.descriptor.digest])];
  return whileAdding(ctx, signal, (sync) =>
    installImage(ctx, {
      manifest,
      sync,
      source: repository.blob,
      names: [formatReference(reference)],
      target,
      repoDigests: digests.map((digest) => `${registry}/${path}@${digest}`),
      signal,
      onProgress,
      ...(parallel === undefined ? {} : { parallel }),
    }),
  );
}

/** The manifest for one platform, through as many indexes as lead to it. */
export async function fetchManifest(
  repository: Repository,
  reference: Reference,
  { platform, signal }: Pick<PullOptions, 'platform' | 'signal'>,
): Promise<ManifestDocument> {
  const want = platform === undefined ? hostPlatform() : parsePlatform(platform);
  let document = await repository.manifest(reference, signal);
  for (let depth = 0; isIndexType(document.descriptor.mediaType) && depth < 4; depth++) {
    const text = Buffer.from(document.bytes).toString('utf8');
    const index = understand(document.descriptor.digest, () => decodeIndex(JSON.parse(text)));
    const chosen = choosePlatform(index.manifests, want);
    if (chosen === undefined) {
      const others = index.manifests.flatMap((entry) =>
        entry.platform ? [formatPlatform(entry.platform)] : [],
      );
      throw new ComposeError(
        'image-not-found',
        `no image for ${formatPlatform(want)} in ${familiarReference(reference)}`,
        {
          hint: `it has ${[...new Set(others)].join(', ') || 'none at all'}; \`platform\` of the service chooses one`,
        },
      );
    }
    document = await repository.manifest({ ...reference, digest: chosen.digest }, signal);
  }
  return document;
}
