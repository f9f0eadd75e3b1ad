// What is known of one image, in the words of `docker image inspect` and `docker history`.
import { ComposeError } from '../errors.ts';
import type { Context } from '../state/context.ts';
import { findImage, layerDirs, readDocuments, summaryOf } from './image.ts';
import { familiarReference, parseReference } from './reference.ts';
import { chainIds, layerDir, readImages, readLayerRecord, type StoredImage } from './store.ts';

/** Everything that is known of an image. ComposeError `image-not-found`. */
export function describeImage(ctx: Context, name: string): Readonly<Record<string, unknown>> {
  const { images, stored } = find(ctx, name);
  const { config } = readDocuments(ctx, stored);
  const names = images.filter((image) => image.id === stored.id).flatMap((image) => image.name ?? []);
  const chain = chainIds(config.rootfs.diff_ids);
  return {
    Id: stored.id,
    RepoTags: names
      .filter((each) => !each.includes('@'))
      .map((each) => familiarReference(parseReference(each))),
    RepoDigests: stored.repoDigests.map((each) => familiarReference(parseReference(each))),
    Created: config.created ?? '',
    Author: config.author ?? '',
    Config: config.config,
    Architecture: config.architecture,
    ...(config.variant === undefined ? {} : { Variant: config.variant }),
    Os: config.os,
    Size: summaryOf(ctx, stored).size,
    Manifest: stored.manifest,
    RootFS: { Type: 'layers', Layers: config.rootfs.diff_ids },
    GraphDriver: { Name: 'overlay', Data: { LowerDir: layerDirs(ctx, chain).join(':') } },
    Metadata: { LastTagTime: stored.time },
  };
}

export interface HistoryStep {
  /** The image's id for its last step, `<missing>` for the others. */
  readonly id: string;
  readonly created: string | undefined;
  readonly createdBy: string;
  /** Unpacked bytes that the step added. */
  readonly size: number;
  readonly comment: string;
}

/** The steps that made an image, last first. ComposeError `image-not-found`. */
export function historyOf(ctx: Context, name: string): HistoryStep[] {
  const { stored } = find(ctx, name);
  const { config } = readDocuments(ctx, stored);
  const sizes = chainIds(config.rootfs.diff_ids).map(
    (chainId) => readLayerRecord(layerDir(ctx.layout, chainId))?.bytes ?? 0,
  );
  const steps = config.history.map((entry) => ({
    id: '<missing>',
    created: entry.created,
    createdBy: entry.created_by ?? '',
    size: entry.empty_layer ? 0 : (sizes.shift() ?? 0),
    comment: entry.comment ?? '',
  }));
  const unexplained = sizes.map((size) => ({
    id: '<missing>',
    created: config.created,
    createdBy: '',
    size,
    comment: '',
  }));
  return [...steps, ...unexplained]
    .reverse()
    .map((step, index) => (index === 0 ? { ...step, id: stored.id } : step));
}

function find(ctx: Context, name: string): { images: readonly StoredImage[]; stored: StoredImage } {
  const images = readImages(ctx.layout);
  const stored = findImage(images, name);
  if (stored === undefined) throw new ComposeError('image-not-found', `no image ${name}`);
  return { images, stored };
}
