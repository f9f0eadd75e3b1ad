// What is remembered of a network: its record, decoded from disk, and what its driver options mean.
import type { Context } from '../state/context.ts';
import { asArray, asBoolean, asDict, asObject, asString, optional } from '../state/decode.ts';
import { listDirectory } from '../state/directory.ts';
import { networkFiles, networksDir } from '../state/layout.ts';
import { type Remembered, readRecord } from '../state/record.ts';
import type { Lease } from './ipam.ts';
import type { NetworkSubnet } from './subnets.ts';

/** `overlay`: a bridge that machines share through vxlan; `cni`: made by plugins, container by container. */
export type NetworkDriver = (typeof DRIVERS)[number];

export const DRIVERS = ['bridge', 'macvlan', 'ipvlan', 'overlay', 'cni'] as const;

/** Whether containers are ports of a bridge of ours. */
export function hasBridge({ driver }: Pick<NetworkRecord, 'driver'>): boolean {
  return driver === 'bridge' || driver === 'overlay';
}

/** STATE/networks/<id>.json. */
export interface NetworkRecord {
  readonly version: 1;
  /** 64 hexadecimal digits. */
  readonly id: string;
  /** Name on this machine. */
  readonly name: string;
  readonly project: string;
  /** Key in the compose file. */
  readonly key: string;
  readonly driver: NetworkDriver;
  /** The host interface: the bridge, or the parent that containers' interfaces hang on. */
  readonly bridge: string;
  readonly subnets: readonly NetworkSubnet[];
  readonly internal: boolean;
  readonly options: Readonly<Record<string, string>>;
  readonly labels: Readonly<Record<string, string>>;
  readonly configHash: string;
  /** ISO 8601. */
  readonly created: string;
  /** By container id; they stay while the container exists, also while it is stopped. */
  readonly leases: Readonly<Record<string, Lease>>;
}

export const OPTION = {
  bridgeName: 'com.docker.network.bridge.name',
  enableIcc: 'com.docker.network.bridge.enable_icc',
  masquerade: 'com.docker.network.bridge.enable_ip_masquerade',
  hostBinding: 'com.docker.network.bridge.host_binding_ipv4',
  gatewayMode4: 'com.docker.network.bridge.gateway_mode_ipv4',
  gatewayMode6: 'com.docker.network.bridge.gateway_mode_ipv6',
  inhibit: 'com.docker.network.bridge.inhibit_ipv4',
  mtu: 'com.docker.network.driver.mtu',
  interfacePrefix: 'com.docker.network.container_iface_prefix',
} as const;

/** How containers reach the world and are reached: translated, translated and open, routed as they are, or not at all. */
export const GATEWAY_MODES = ['nat', 'nat-unprotected', 'routed', 'isolated'] as const;
export type GatewayMode = (typeof GATEWAY_MODES)[number];

/** The mode of a family of addresses; `nat` unless the options say otherwise. */
export function gatewayMode({ options }: Pick<NetworkRecord, 'options'>, family: 4 | 6): GatewayMode {
  const asked = options[family === 4 ? OPTION.gatewayMode4 : OPTION.gatewayMode6];
  return GATEWAY_MODES.find((mode) => mode === asked) ?? 'nat';
}

/** A switch among the driver options; `fallback` when it is not given. */
export function flagOption(
  { options }: Pick<NetworkRecord, 'options'>,
  name: string,
  fallback: boolean,
): boolean {
  const value = options[name]?.toLowerCase();
  return value === undefined ? fallback : ['1', 't', 'true'].includes(value);
}

export function mtuOf({ options }: Pick<NetworkRecord, 'options'>): number | undefined {
  const mtu = Number(options[OPTION.mtu]);
  return Number.isInteger(mtu) && mtu > 0 ? mtu : undefined;
}

/** All networks of this machine, by name. */
export function listNetworks(ctx: Context): NetworkRecord[] {
  return recordIds(networksDir(ctx.layout))
    .map((id) => readNetwork(ctx, id))
    .filter((record) => record !== undefined)
    .sort((a, b) => (a.name < b.name ? -1 : 1));
}

export function readNetwork(ctx: Context, id: string): NetworkRecord | undefined {
  return readRecord(networkFiles(ctx.layout, id).record, decodeNetwork, decoded);
}

/** A command reads a network several times, with the leases of all of its containers. */
const decoded = new Map<string, Remembered<NetworkRecord>>();

function recordIds(directory: string): string[] {
  return listDirectory(directory).flatMap((file) => /^([0-9a-f]{64})\.json$/.exec(file)?.[1] ?? []);
}

function decodeNetwork(value: unknown): NetworkRecord {
  const object = asObject(value, 'network');
  return {
    version: 1,
    id: asString(object.id, 'id'),
    name: asString(object.name, 'name'),
    project: asString(object.project, 'project'),
    key: asString(object.key, 'key'),
    driver: decodeDriver(object.driver),
    bridge: asString(object.bridge, 'bridge'),
    subnets: asArray(object.subnets, 'subnets', decodeSubnet),
    internal: asBoolean(object.internal, 'internal'),
    options: asDict(object.options, 'options', asString),
    labels: asDict(object.labels, 'labels', asString),
    configHash: asString(object.configHash, 'configHash'),
    created: asString(object.created, 'created'),
    leases: asDict(object.leases, 'leases', decodeLease),
  };
}

function decodeDriver(value: unknown): NetworkDriver {
  const driver = DRIVERS.find((known) => known === value);
  if (driver !== undefined) return driver;
  throw new TypeError('driver is unknown');
}

function decodeSubnet(value: unknown, what: string): NetworkSubnet {
  const object = asObject(value, what);
  return {
    subnet: asString(object.subnet, `${what}.subnet`),
    gateway: asString(object.gateway, `${what}.gateway`),
    ...optional(object, 'ipRange', asString),
    ...optional(object, 'auxAddresses', (dict, name) => asDict(dict, name, asString)),
  };
}

function decodeLease(value: unknown, what: string): Lease {
  const object = asObject(value, what);
  return {
    mac: asString(object.mac, `${what}.mac`),
    ...(object.ipv4 === undefined ? {} : { ipv4: asString(object.ipv4, 'ipv4') }),
    ...(object.ipv6 === undefined ? {} : { ipv6: asString(object.ipv6, 'ipv6') }),
  };
}
