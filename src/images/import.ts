// A plain file system in an archive becomes an image.
import type { Context } from '../state/context.ts';
import { authorImage } from './author.ts';
import { changeConfig } from './changes.ts';
import { parsePlatform } from './platform.ts';
import type { StoredImage } from './store.ts';
import { decompress } from './unpack.ts';

export interface ImportOptions {
  readonly name?: string | undefined;
  /** Instructions of a Dockerfile. */
  readonly changes: readonly string[];
  readonly message?: string | undefined;
  readonly platform?: string | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Makes an image of one layer. ComposeError `image-invalid`, `invalid-value`, `disk-full`. */
export async function importImage(
  ctx: Context,
  archive: AsyncIterable<Uint8Array>,
  { name, changes, message, platform, signal }: ImportOptions,
): Promise<StoredImage> {
  const config = changeConfig({}, changes);
  let image: StoredImage | undefined;
  await decompress(archive, signal, async (layer) => {
    image = await authorImage(ctx, {
      layer,
      config,
      name,
      history: { comment: message ?? 'Imported from an archive' },
      ...(platform === undefined ? {} : { platform: parsePlatform(platform) }),
      signal,
    });
  });
  if (image === undefined) throw new Error('the archive was not read');
  return image;
}
