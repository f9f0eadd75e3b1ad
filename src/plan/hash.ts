// Hashes of definitions: what decides whether a container, network or volume still is what the files say.
import { createHash } from 'node:crypto';
import type { NetworkConfig, Service, VolumeConfig } from '../compose/project.ts';

/** Hash of what a container of this service is made from, 64 hex digits; the order of keys does not matter. */
export function serviceHash(service: Service): string {
  const { build, depends_on, profiles, pull_policy, pull_refresh_after, scale, deploy, extensions, ...rest } =
    service;
  const own = extensions?.['x-tscompose'];
  const made = own === undefined ? rest : { ...rest, 'x-tscompose': own };
  if (deploy === undefined) return digest(made);
  const { replicas, ...kept } = deploy;
  return digest({ ...made, deploy: kept });
}

/** Hash of a network's definition; its name is not part of it. */
export function networkHash({ name, external, ...rest }: NetworkConfig): string {
  return digest(rest);
}

/** Hash of a volume's definition; its name is not part of it. */
export function volumeHash({ name, external, ...rest }: VolumeConfig): string {
  return digest(rest);
}

function digest(value: unknown): string {
  return createHash('sha256').update(JSON.stringify(value, sortKeys)).digest('hex');
}

function sortKeys(_key: string, value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  return Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)));
}
