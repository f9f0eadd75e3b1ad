// Volumes: named and anonymous ones, each a directory or something that mount(2) takes, with a record beside it.
import { randomBytes, randomInt } from 'node:crypto';
import { chmodSync, mkdirSync } from 'node:fs';
import type { Dict } from '../compose/project.ts';
import { ComposeError, type Position } from '../errors.ts';
import type { Context } from '../state/context.ts';
import { asBoolean, asDict, asObject, asString } from '../state/decode.ts';
import { listDirectory } from '../state/directory.ts';
import { volumeFiles, volumesDir } from '../state/layout.ts';
import { makePrivateDirectory, readRecord, writeRecord } from '../state/record.ts';

export interface VolumeRecord {
  readonly version: 1;
  readonly name: string;
  /** Empty for one that no project made. */
  readonly project: string;
  /** The volume's key in the compose file; empty for an anonymous one. */
  readonly key: string;
  readonly driver: string;
  readonly driverOpts: Dict<string>;
  readonly labels: Dict<string>;
  readonly anonymous: boolean;
  /** RFC 3339. */
  readonly created: string;
}

export interface VolumeWanted {
  readonly name: string;
  readonly project: string;
  readonly key: string;
  readonly driver?: string;
  readonly driverOpts?: Dict<string>;
  readonly labels?: Dict<string>;
  readonly anonymous?: boolean;
}

/** Where the content of a volume is, for the mount of a container. */
export type VolumeSource =
  | { readonly kind: 'directory'; readonly path: string }
  | { readonly kind: 'mount'; readonly type: string; readonly device: string; readonly options: string };

/** A name for an anonymous volume: 64 lower-case hex digits. */
export function anonymousVolumeName(): string {
  return randomBytes(32).toString('hex');
}

// The name is a directory: nothing that leaves its place can be one.
const NAME = /^[a-zA-Z0-9][a-zA-Z0-9_.-]*$/;

/** The volume of this name, made when it does not exist. An existing one stays as it is. */
export function ensureVolume(ctx: Context, wanted: VolumeWanted): VolumeRecord {
  const known = findVolume(ctx, wanted.name);
  if (known !== undefined) return known;
  checkWanted(wanted);
  const files = volumeFiles(ctx.layout, wanted.name);
  const record: VolumeRecord = {
    version: 1,
    name: wanted.name,
    project: wanted.project,
    key: wanted.key,
    driver: wanted.driver || 'local',
    driverOpts: wanted.driverOpts ?? {},
    labels: wanted.labels ?? {},
    anonymous: wanted.anonymous ?? false,
    created: new Date().toISOString(),
  };
  makePrivateDirectory(volumesDir(ctx.layout));
  mkdirSync(files.data, { recursive: true, mode: 0o711 });
  // The mode is that of the mount point inside, whatever the caller's umask.
  chmodSync(files.data, 0o755);
  limitSize(ctx, record);
  writeRecord(files.record, record);
  return record;
}

const SIZE = /^(\d+(?:\.\d+)?)\s*([kmgt]?)(?:i?b)?$/i;
const SUFFIX: Readonly<Record<string, number>> = { '': 1, k: 2 ** 10, m: 2 ** 20, g: 2 ** 30, t: 2 ** 40 };

/** Whether the volume is a directory that is limited: one that is mounted has `size` among the options of its mount. */
function isLimited({ driverOpts: { size, type, device } }: Pick<VolumeRecord, 'driverOpts'>): boolean {
  return Boolean(size) && !type && !device;
}

function limitSize({ core, layout }: Context, record: VolumeRecord): void {
  if (!isLimited(record)) return;
  const text = record.driverOpts.size ?? '';
  const [, number, unit = ''] = SIZE.exec(text.trim()) ?? [];
  const path = 'driver_opts.size';
  if (number === undefined) {
    throw new ComposeError('invalid-value', `volume ${record.name}: ${JSON.stringify(text)} is no size`, {
      path,
    });
  }
  const bytes = Math.round(Number(number) * (SUFFIX[unit.toLowerCase()] ?? 1));
  try {
    core.claimQuota([volumeFiles(layout, record.name).data], randomInt(0x4000_0000, 0x7fff_ffff), bytes);
  } catch (cause) {
    const message = `volume ${record.name} cannot be limited to ${text}: the file system of the state directory enforces no project quotas`;
    const hint = 'put it on xfs or ext4 that is mounted with prjquota, or use `type: tmpfs` with `o: size=…`';
    throw new ComposeError('unsupported', message, { hint, path, cause });
  }
}

function checkWanted({ name, driver, driverOpts }: VolumeWanted): void {
  if (!NAME.test(name)) {
    const hint = 'letters, digits, `_`, `.` and `-`, beginning with a letter or digit';
    throw new ComposeError('invalid-value', `${JSON.stringify(name)} cannot be the name of a volume`, {
      hint,
    });
  }
  if (driver && driver !== 'local') {
    const hint =
      'remove `driver:`, or mark the volume `external` and let its content be mounted by the machine';
    throw new ComposeError('unsupported', `volume ${name}: there is no driver ${driver}`, { hint });
  }
  const unknown = Object.keys(driverOpts ?? {}).filter(
    (option) => !['type', 'o', 'device', 'size'].includes(option),
  );
  if (unknown.length > 0) {
    const hint = 'the driver `local` knows type, o and device';
    throw new ComposeError('invalid-value', `volume ${name}: unknown driver option ${unknown.join(', ')}`, {
      hint,
    });
  }
}

/** The volume of this name, undefined when there is none. */
export function findVolume(ctx: Context, name: string): VolumeRecord | undefined {
  if (!NAME.test(name)) return undefined;
  return readRecord(volumeFiles(ctx.layout, name).record, decodeVolume);
}

/** An `external` volume; ComposeError `volume-not-found` when nobody made it. */
export function externalVolume(ctx: Context, name: string, at?: Position): VolumeRecord {
  const found = findVolume(ctx, name);
  if (found !== undefined) return found;
  throw new ComposeError('volume-not-found', `the external volume ${name} does not exist`, {
    hint: 'create it first, or remove `external: true`',
    ...(at === undefined ? {} : { at }),
  });
}

/** Every volume, by name. */
export function listVolumes(ctx: Context): readonly VolumeRecord[] {
  const names = [...listDirectory(volumesDir(ctx.layout))].sort();
  return names.flatMap((name) => findVolume(ctx, name) ?? []);
}

/** Removes a volume with its content; what a device or bind option points to stays. Whether it is in use is the caller's to know. */
export async function removeVolume(ctx: Context, name: string): Promise<void> {
  if (!NAME.test(name)) return;
  const record = findVolume(ctx, name);
  if (record !== undefined && isLimited(record)) ctx.core.releaseQuota(volumeFiles(ctx.layout, name).data);
  await ctx.core.removeTreeAsync(volumeFiles(ctx.layout, name).dir);
}

/** What a container mounts for this volume. */
export function mountSourceOf(ctx: Context, { name, driverOpts }: VolumeRecord): VolumeSource {
  const { type = '', device = '', o = '' } = driverOpts;
  if (type === '' && device === '') return { kind: 'directory', path: volumeFiles(ctx.layout, name).data };
  const options = o.split(',').filter(Boolean);
  const onlyBinds = options.length > 0 && options.every((option) => option === 'bind' || option === 'rbind');
  if (onlyBinds) return { kind: 'directory', path: device };
  return { kind: 'mount', type: type || 'none', device: device || type, options: o };
}

function decodeVolume(value: unknown): VolumeRecord {
  const o = asObject(value, 'volume');
  if (o.version !== 1) throw new TypeError(`version ${String(o.version)} is not known`);
  return {
    version: 1,
    name: asString(o.name, 'name'),
    project: asString(o.project, 'project'),
    key: asString(o.key, 'key'),
    driver: asString(o.driver, 'driver'),
    driverOpts: asDict(o.driverOpts, 'driverOpts', asString),
    labels: asDict(o.labels, 'labels', asString),
    anonymous: asBoolean(o.anonymous, 'anonymous'),
    created: asString(o.created, 'created'),
  };
}
