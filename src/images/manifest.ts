// The documents of images, as the OCI image specification and Docker's schema 2 have them, and their decoders.
import { asArray, asDict, asNumber, asObject, asString, type JsonObject, optional } from '../state/decode.ts';

export const MEDIA = {
  ociIndex: 'application/vnd.oci.image.index.v1+json',
  ociManifest: 'application/vnd.oci.image.manifest.v1+json',
  ociConfig: 'application/vnd.oci.image.config.v1+json',
  ociLayer: 'application/vnd.oci.image.layer.v1.tar',
  ociLayerGzip: 'application/vnd.oci.image.layer.v1.tar+gzip',
  ociLayerZstd: 'application/vnd.oci.image.layer.v1.tar+zstd',
  dockerIndex: 'application/vnd.docker.distribution.manifest.list.v2+json',
  dockerManifest: 'application/vnd.docker.distribution.manifest.v2+json',
} as const;

/** Every manifest type that a registry may answer with, best first. */
export const MANIFEST_TYPES: readonly string[] = [
  MEDIA.ociIndex,
  MEDIA.ociManifest,
  MEDIA.dockerIndex,
  MEDIA.dockerManifest,
];

export interface Platform {
  readonly os: string;
  readonly architecture: string;
  readonly variant?: string;
  readonly 'os.version'?: string;
}

export interface Descriptor {
  readonly mediaType: string;
  readonly digest: string;
  readonly size: number;
  readonly platform?: Platform;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly urls?: readonly string[];
}

export interface Index {
  readonly schemaVersion: 2;
  readonly mediaType?: string;
  readonly manifests: readonly Descriptor[];
  readonly annotations?: Readonly<Record<string, string>>;
}

export interface Manifest {
  readonly schemaVersion: 2;
  readonly mediaType?: string;
  readonly config: Descriptor;
  readonly layers: readonly Descriptor[];
  readonly annotations?: Readonly<Record<string, string>>;
}

/** Durations are nanoseconds. */
export interface ImageHealthcheck {
  readonly Test?: readonly string[];
  readonly Interval?: number;
  readonly Timeout?: number;
  readonly StartPeriod?: number;
  readonly StartInterval?: number;
  readonly Retries?: number;
}

/** What a container of the image runs, in the words of the specification. */
export interface ImageConfig {
  readonly User?: string;
  readonly Env?: readonly string[];
  readonly Entrypoint?: readonly string[];
  readonly Cmd?: readonly string[];
  readonly WorkingDir?: string;
  readonly ExposedPorts?: Readonly<Record<string, unknown>>;
  readonly Volumes?: Readonly<Record<string, unknown>>;
  readonly Labels?: Readonly<Record<string, string>>;
  readonly StopSignal?: string;
  readonly Healthcheck?: ImageHealthcheck;
  readonly Shell?: readonly string[];
  readonly ArgsEscaped?: boolean;
  readonly OnBuild?: readonly string[];
}

export interface HistoryEntry {
  readonly created?: string;
  readonly created_by?: string;
  readonly author?: string;
  readonly comment?: string;
  readonly empty_layer?: boolean;
}

/** The image configuration file; its digest is the id of the image. */
export interface ConfigFile extends Platform {
  readonly created?: string;
  readonly author?: string;
  readonly config: ImageConfig;
  readonly rootfs: { readonly type: string; readonly diff_ids: readonly string[] };
  readonly history: readonly HistoryEntry[];
}

export function isIndexType(mediaType: string): boolean {
  return mediaType === MEDIA.ociIndex || mediaType === MEDIA.dockerIndex;
}

export function decodeDescriptor(value: unknown, what: string): Descriptor {
  const object = asObject(value, what);
  return {
    mediaType: typeof object.mediaType === 'string' ? object.mediaType : '',
    digest: asString(object.digest, `${what}.digest`),
    size: asNumber(object.size, `${what}.size`),
    ...optional(object, 'platform', decodePlatform),
    ...optional(object, 'annotations', decodeStrings),
    ...optional(object, 'urls', (urls, name) => asArray(urls, name, asString)),
  };
}

export function decodeIndex(value: unknown): Index {
  const object = asObject(value, 'index');
  return {
    schemaVersion: 2,
    ...optional(object, 'mediaType', asString),
    manifests: asArray(object.manifests, 'manifests', decodeDescriptor),
    ...optional(object, 'annotations', decodeStrings),
  };
}

export function decodeManifest(value: unknown): Manifest {
  const object = asObject(value, 'manifest');
  if (object.schemaVersion !== 2) throw new TypeError('schemaVersion is not 2');
  return {
    schemaVersion: 2,
    ...optional(object, 'mediaType', asString),
    config: decodeDescriptor(object.config, 'config'),
    layers: asArray(object.layers, 'layers', decodeDescriptor),
    ...optional(object, 'annotations', decodeStrings),
  };
}

/** The kind of a document that came without a media type. */
export function mediaTypeOf(value: unknown): string {
  const object = asObject(value, 'manifest');
  if (typeof object.mediaType === 'string') return object.mediaType;
  return Array.isArray(object.manifests) ? MEDIA.ociIndex : MEDIA.ociManifest;
}

export function decodeConfigFile(value: unknown): ConfigFile {
  const object = asObject(value, 'image configuration');
  const rootfs = asObject(object.rootfs, 'rootfs');
  return {
    ...decodePlatform({ os: 'linux', architecture: 'unknown', ...object }, 'image configuration'),
    ...presentString(object, 'created'),
    ...presentString(object, 'author'),
    config: decodeImageConfig(object.config ?? {}),
    rootfs: { type: 'layers', diff_ids: asArray(rootfs.diff_ids ?? [], 'diff_ids', asString) },
    history: asArray(object.history ?? [], 'history', decodeHistory),
  };
}

function decodePlatform(value: unknown, what: string): Platform {
  const object = asObject(value, what);
  return {
    os: asString(object.os, 'os'),
    architecture: asString(object.architecture, 'architecture'),
    ...presentString(object, 'variant'),
    ...presentString(object, 'os.version'),
  };
}

// Docker writes null where nothing was said.
function decodeImageConfig(value: unknown): ImageConfig {
  const given = asObject(value, 'config');
  const object = Object.fromEntries(Object.entries(given).filter(([, entry]) => entry !== null));
  return {
    ...presentString(object, 'User'),
    ...optional(object, 'Env', asStrings),
    ...optional(object, 'Entrypoint', asStrings),
    ...optional(object, 'Cmd', asStrings),
    ...presentString(object, 'WorkingDir'),
    ...optional(object, 'ExposedPorts', asObject),
    ...optional(object, 'Volumes', asObject),
    ...optional(object, 'Labels', decodeStrings),
    ...presentString(object, 'StopSignal'),
    ...optional(object, 'Healthcheck', decodeHealthcheck),
    ...optional(object, 'Shell', asStrings),
    ...optional(object, 'ArgsEscaped', (flag) => flag === true),
    ...optional(object, 'OnBuild', asStrings),
  };
}

function decodeHealthcheck(value: unknown, what: string): ImageHealthcheck {
  const object = asObject(value, what);
  return {
    ...optional(object, 'Test', asStrings),
    ...optional(object, 'Interval', asNumber),
    ...optional(object, 'Timeout', asNumber),
    ...optional(object, 'StartPeriod', asNumber),
    ...optional(object, 'StartInterval', asNumber),
    ...optional(object, 'Retries', asNumber),
  };
}

function decodeHistory(value: unknown, what: string): HistoryEntry {
  const object = asObject(value, what);
  return {
    ...presentString(object, 'created'),
    ...presentString(object, 'created_by'),
    ...presentString(object, 'author'),
    ...presentString(object, 'comment'),
    ...(object.empty_layer === true ? { empty_layer: true } : {}),
  };
}

function asStrings(value: unknown, what: string): string[] {
  return asArray(value, what, asString);
}

function decodeStrings(value: unknown, what: string): Record<string, string> {
  return asDict(value ?? {}, what, asString);
}

function presentString<K extends string>(object: JsonObject, key: K): { readonly [P in K]?: string } {
  const value = object[key];
  return typeof value === 'string' && value !== ''
    ? ({ [key]: value } as { readonly [P in K]?: string })
    : {};
}
