// Networks made by CNI plugins (CNI specification 1.0), container by container: `driver: cni`.
//
// Driver options: `conflist`, the path of a network configuration list or of a single plugin's configuration; or `config`,
// the same as JSON text; or `type`, one plugin, whose settings are the other options (JSON values count as such).
// `plugin_dirs` says where plugins are, with colons between.
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { ComposeError } from '../errors.ts';
import type { Context } from '../state/context.ts';
import { asArray, asNumber, asObject, asString, type JsonObject, optional } from '../state/decode.ts';
import { networksDir } from '../state/layout.ts';
import { readRecord, writeRecord } from '../state/record.ts';
import type { Lease } from './ipam.ts';
import type { NetworkRecord } from './record.ts';

const SPECIFICATION = '1.0.0';
const PLUGIN_DIRS = '/opt/cni/bin:/usr/lib/cni:/usr/libexec/cni';
const OWN_OPTIONS = new Set(['conflist', 'config', 'type', 'plugin_dirs']);

type Options = Readonly<Record<string, string>>;

/** A network configuration list. */
interface PluginList {
  readonly name: string;
  readonly cniVersion: string;
  readonly plugins: readonly JsonObject[];
}

/** The driver options of a new network with what they point to taken in, so that it is undone as it was made. */
export function settleOptions(name: string, options: Options): Options {
  const list = readList(name, options);
  for (const plugin of list.plugins) findPlugin(name, options, asString(plugin.type, 'type'));
  const dirs = options.plugin_dirs === undefined ? {} : { plugin_dirs: options.plugin_dirs };
  return { ...dirs, config: JSON.stringify(list) };
}

function readList(name: string, options: Options): PluginList {
  try {
    return decodeList(name, configOf(options));
  } catch (cause) {
    if (cause instanceof ComposeError) throw cause;
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new ComposeError(
      'invalid-value',
      `the CNI configuration of network "${name}" cannot be read: ${reason}`,
      {
        cause,
        hint: 'driver_opts of the driver cni: conflist: PATH, config: JSON, or type: PLUGIN and its settings',
      },
    );
  }
}

function configOf(options: Options): unknown {
  if (options.conflist !== undefined) return JSON.parse(readFileSync(options.conflist, 'utf8'));
  if (options.config !== undefined) return JSON.parse(options.config);
  if (options.type === undefined) throw new TypeError('driver_opts name no conflist, config or type');
  const settings = Object.entries(options).filter(([key]) => !OWN_OPTIONS.has(key));
  return { type: options.type, ...Object.fromEntries(settings.map(([key, value]) => [key, parsed(value)])) };
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

function decodeList(name: string, value: unknown): PluginList {
  const object = asObject(value, 'the configuration');
  const plugins = object.plugins === undefined ? [object] : asArray(object.plugins, 'plugins', asObject);
  if (plugins.length === 0) throw new TypeError('plugins is empty');
  for (const plugin of plugins) asString(plugin.type, 'type');
  return {
    name: typeof object.name === 'string' ? object.name : name,
    cniVersion: typeof object.cniVersion === 'string' ? object.cniVersion : SPECIFICATION,
    plugins,
  };
}

function findPlugin(name: string, options: Options, type: string): string {
  const dirs = (options.plugin_dirs ?? process.env.CNI_PATH ?? PLUGIN_DIRS).split(':');
  const found = dirs.map((dir) => join(dir, type)).find((path) => !type.includes('/') && existsSync(path));
  if (found !== undefined) return found;
  throw new ComposeError('command-not-found', `network "${name}" needs the CNI plugin ${type}`, {
    hint: `install it (Debian: containernetworking-plugins); it was looked for in ${dirs.join(', ')}`,
  });
}

/** A published port, in the words of the capability `portMappings`. */
export interface PortMapping {
  readonly hostPort: number;
  readonly containerPort: number;
  readonly protocol: string;
  readonly hostIP?: string;
}

/** What is remembered of a container's attachment, to undo it. */
interface Attachment {
  readonly interfaceName: string;
  readonly ports: readonly PortMapping[];
  readonly result?: JsonObject | undefined;
}

function attachmentFile({ layout }: Context, { id }: NetworkRecord, container: string): string {
  return join(networksDir(layout), `${id}.cni`, `${container}.json`);
}

function decodeAttachment(value: unknown): Attachment {
  const { interfaceName, result, ports = [] } = asObject(value, 'attachment');
  return {
    interfaceName: asString(interfaceName, 'interfaceName'),
    ports: asArray(ports, 'ports', decodePort),
    result: result === undefined ? undefined : asObject(result, 'result'),
  };
}

function decodePort(value: unknown, what: string): PortMapping {
  const o = asObject(value, what);
  return {
    hostPort: asNumber(o.hostPort, `${what}.hostPort`),
    containerPort: asNumber(o.containerPort, `${what}.containerPort`),
    protocol: asString(o.protocol, `${what}.protocol`),
    ...optional(o, 'hostIP', asString),
  };
}

export interface PluginEndpoint {
  readonly network: NetworkRecord;
  readonly lease: Lease;
  readonly containerId: string;
  readonly interfaceName: string;
  /** For plugins that publish ports. */
  readonly ports: readonly PortMapping[];
}

export interface PluginAnswer {
  readonly lease: Lease;
  /** Name servers that the plugins know. */
  readonly nameServers: readonly string[];
}

/** Has the plugins put an interface into the namespace at `netns`; returns the addresses that they gave it. */
export async function addByPlugins(
  ctx: Context,
  netns: string,
  endpoint: PluginEndpoint,
): Promise<PluginAnswer> {
  const { network, containerId, interfaceName, lease, ports } = endpoint;
  // An earlier run that was not undone holds its address.
  await removeByPlugins(ctx, network, containerId);
  const file = attachmentFile(ctx, network, containerId);
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
  writeRecord(file, { interfaceName, ports });
  const list = readList(network.name, network.options);
  const call = { network, list, containerId, netns, interfaceName, lease, ports };
  try {
    let result: JsonObject | undefined;
    for (const plugin of list.plugins) result = await callPlugin({ ...call, command: 'ADD', plugin, result });
    writeRecord(file, { interfaceName, ports, result });
    return {
      lease: { mac: lease.mac, ...addressesIn(result ?? {}) },
      nameServers: nameServersIn(result ?? {}),
    };
  } catch (error) {
    await removeByPlugins(ctx, network, containerId, netns).catch(() => undefined);
    throw error;
  }
}

/** Undoes `addByPlugins`, also when the namespace is gone; nothing done is fine. All plugins are asked, the first failure is thrown. */
export async function removeByPlugins(
  ctx: Context,
  network: NetworkRecord,
  containerId: string,
  netns = '',
): Promise<void> {
  const file = attachmentFile(ctx, network, containerId);
  const attachment = readRecord(file, decodeAttachment);
  if (attachment === undefined) return;
  const { interfaceName, result, ports } = attachment;
  const list = readList(network.name, network.options);
  const call = { network, list, containerId, netns, interfaceName, result, ports, command: 'DEL' } as const;
  const failures: unknown[] = [];
  for (const plugin of [...list.plugins].reverse())
    await callPlugin({ ...call, plugin }).catch((error: unknown) => failures.push(error));
  rmSync(file, { force: true });
  // What was never finished cannot be undone properly.
  if (result !== undefined && failures.length > 0) throw failures[0];
}

/** Forgets what plugins did for containers of a network that is removed. */
export function forgetAttachments({ layout }: Context, { id }: NetworkRecord): void {
  rmSync(join(networksDir(layout), `${id}.cni`), { recursive: true, force: true });
}

interface PluginCall {
  readonly command: 'ADD' | 'DEL';
  readonly network: NetworkRecord;
  readonly list: PluginList;
  readonly plugin: JsonObject;
  readonly containerId: string;
  readonly netns: string;
  readonly interfaceName: string;
  readonly result: JsonObject | undefined;
  readonly ports: readonly PortMapping[];
  /** What is wanted. */
  readonly lease?: Lease;
}

async function callPlugin(call: PluginCall): Promise<JsonObject | undefined> {
  const { command, network, plugin, containerId, netns, interfaceName } = call;
  const type = asString(plugin.type, 'type');
  const path = findPlugin(network.name, network.options, type);
  const environment = {
    PATH: process.env.PATH,
    CNI_COMMAND: command,
    CNI_CONTAINERID: containerId,
    CNI_NETNS: netns,
    CNI_IFNAME: interfaceName,
    CNI_PATH: network.options.plugin_dirs ?? process.env.CNI_PATH ?? PLUGIN_DIRS,
    CNI_ARGS: argumentsOf(call),
  };
  const { code, stdout, stderr } = await runProgram(path, environment, JSON.stringify(configurationOf(call)));
  if (code !== 0) throw failure(call, type, stdout, stderr);
  return stdout.trim() === '' ? call.result : asObject(JSON.parse(stdout), 'result');
}

/** The plugin's part of the list, with what it has in common and what those before it did. */
function configurationOf({ list, plugin, result, lease, ports }: PluginCall): JsonObject {
  const { name, cniVersion } = list;
  const runtime = runtimeConfiguration(plugin, { lease, ports });
  return {
    ...plugin,
    name,
    cniVersion,
    ...(result === undefined ? {} : { prevResult: result }),
    ...(runtime === undefined ? {} : { runtimeConfig: runtime }),
  };
}

function runtimeConfiguration(
  { capabilities }: JsonObject,
  { lease, ports }: { readonly lease: Lease | undefined; readonly ports: readonly PortMapping[] },
): JsonObject | undefined {
  if (capabilities === undefined) return undefined;
  const wanted = asObject(capabilities, 'capabilities');
  const ips = [lease?.ipv4, lease?.ipv6].filter((address) => address !== undefined);
  return {
    ...(wanted.portMappings === true && ports.length > 0 ? { portMappings: ports } : {}),
    ...(wanted.mac === true && lease !== undefined ? { mac: lease.mac } : {}),
    ...(wanted.ips === true && ips.length > 0 ? { ips } : {}),
  };
}

// For plugins without the capabilities; others ignore what they do not know.
function argumentsOf({ lease }: PluginCall): string {
  const address = lease?.ipv4 ?? lease?.ipv6;
  return ['IgnoreUnknown=1', ...(address === undefined ? [] : [`IP=${address}`])].join(';');
}

interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

function runProgram(
  path: string,
  env: Readonly<Record<string, string | undefined>>,
  input: string,
): Promise<Ended> {
  return new Promise((resolve, reject) => {
    const child = spawn(path, [], { env, stdio: ['pipe', 'pipe', 'pipe'] });
    const output = { stdout: '', stderr: '' };
    child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
      output.stdout += chunk;
    });
    child.stderr.setEncoding('utf8').on('data', (chunk: string) => {
      output.stderr += chunk;
    });
    child.on('error', reject);
    child.on('close', (code) => resolve({ code, ...output }));
    // A plugin that fails at once does not read.
    child.stdin.on('error', () => undefined);
    child.stdin.end(input);
  });
}

function failure(
  { command, network }: PluginCall,
  type: string,
  stdout: string,
  stderr: string,
): ComposeError {
  const answer = parsed(stdout);
  const told = typeof answer === 'object' && answer !== null && 'msg' in answer ? answer.msg : undefined;
  const reason = typeof told === 'string' ? told : stderr.trim() || 'it gave no reason';
  const what = command === 'ADD' ? 'join' : 'leave';
  return new ComposeError(
    'network-plugin',
    `the CNI plugin ${type} could not ${what} network "${network.name}": ${reason}`,
  );
}

function addressesIn(result: JsonObject): Pick<Lease, 'ipv4' | 'ipv6'> {
  const entries = asArray(result.ips ?? [], 'ips', asObject);
  const texts = entries.map(({ address }) => asString(address, 'address').replace(/\/\d+$/, ''));
  const ipv4 = texts.find((text) => !text.includes(':'));
  const ipv6 = texts.find((text) => text.includes(':'));
  return { ...(ipv4 === undefined ? {} : { ipv4 }), ...(ipv6 === undefined ? {} : { ipv6 }) };
}

function nameServersIn({ dns }: JsonObject): readonly string[] {
  return dns === undefined
    ? []
    : asArray(asObject(dns, 'dns').nameservers ?? [], 'dns.nameservers', asString);
}
