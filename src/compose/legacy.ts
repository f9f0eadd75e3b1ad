// The first format of Compose files: services at the top level, and attributes that have other names today.
import { basename } from 'node:path';
import type { Scope } from './documents.ts';
import { asMap, get, list, type MapNode, map, mapOf, type Node, text, textOf } from './tree.ts';

/** Converts a document of the first format when its name or `--legacy` says that it is one. */
export function convertFirstFormat(
  document: MapNode,
  path: string,
  scope: Pick<Scope, 'legacy' | 'report'>,
): MapNode {
  if (!isFirstFormat(document, path, scope.legacy)) return document;
  scope.legacy = true;
  const services = new Map<string, Node>();
  const volumes = new Map<string, Node>();
  for (const [name, node] of document.entries) {
    if (node.kind === 'map') convertService(node, document, volumes);
    services.set(name, node);
  }
  const message = `${basename(path)} is in the first format of Compose and is converted`;
  scope.report.warn('legacy-format', message, {
    at: { file: path, line: 1, column: 1 },
    hint: 'print it in the format of today with `config`',
  });
  return mapOf(
    { services: map(services, document), volumes: volumes.size === 0 ? undefined : map(volumes) },
    document,
  );
}

function isFirstFormat(document: MapNode, path: string, legacy: boolean): boolean {
  const isOld = legacy || /^fig\.ya?ml$/.test(basename(path));
  if (!isOld || document.entries.has('services') || document.entries.has('version')) return false;
  return [...document.entries.values()].some(
    (node) => get(node, 'image') ?? get(node, 'build') ?? get(node, 'extends'),
  );
}

/** Containers reached each other by links then; the default network of today lets them do so without. */
function convertService(service: MapNode, document: MapNode, volumes: Map<string, Node>): void {
  const { entries } = service;
  convertBuild(entries);
  convertLogging(entries);
  convertNet(entries, document);
  convertVolumes(entries, volumes);
  convertVolumesFrom(entries, document);
}

function convertBuild(entries: Map<string, Node>): void {
  const dockerfile = entries.get('dockerfile');
  const build = entries.get('build');
  if (dockerfile === undefined) return;
  entries.delete('dockerfile');
  if (textOf(build) !== undefined) entries.set('build', mapOf({ context: build, dockerfile }, build));
}

function convertLogging(entries: Map<string, Node>): void {
  const driver = entries.get('log_driver');
  const options = entries.get('log_opt');
  entries.delete('log_driver');
  entries.delete('log_opt');
  if (driver !== undefined || options !== undefined)
    entries.set('logging', mapOf({ driver, options }, driver ?? options));
}

function convertNet(entries: Map<string, Node>, document: MapNode): void {
  const net = entries.get('net');
  const mode = textOf(net);
  entries.delete('net');
  if (net === undefined || mode === undefined) return;
  const container = mode.startsWith('container:') ? mode.slice('container:'.length) : undefined;
  const isService = container !== undefined && document.entries.has(container);
  entries.set('network_mode', isService ? text(`service:${container}`, net) : net);
}

/** Named volumes had no declaration; their driver stood in the service. */
function convertVolumes(entries: Map<string, Node>, volumes: Map<string, Node>): void {
  const driver = entries.get('volume_driver');
  entries.delete('volume_driver');
  const mounts = entries.get('volumes');
  if (mounts?.kind !== 'list') return;
  for (const mount of mounts.items) {
    const spec = textOf(mount) ?? '';
    const source = spec.includes(':') ? (spec.split(':', 1)[0] ?? '') : '';
    if (!/^[a-zA-Z0-9][a-zA-Z0-9_.-]+$/.test(source) || volumes.has(source)) continue;
    volumes.set(source, mapOf({ name: text(source, mount), driver }, mount));
  }
}

/** A name that is no service was a container. */
function convertVolumesFrom(entries: Map<string, Node>, document: MapNode): void {
  const from = entries.get('volumes_from');
  if (from?.kind !== 'list') return;
  const items = from.items.map((item) => {
    const name = textOf(item)?.split(':', 1)[0];
    return name === undefined || name === 'container' || asMap(document.entries.get(name)) !== undefined
      ? item
      : text(`container:${textOf(item)}`, item);
  });
  entries.set('volumes_from', list(items, from));
}
