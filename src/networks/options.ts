// Driver options: which ones mean something here, and what is said of the others. Pure.
import { ComposeError } from '../errors.ts';
import { GATEWAY_MODES, type NetworkDriver, OPTION } from './record.ts';

type Options = Readonly<Record<string, string>>;

const EVERYWHERE = [OPTION.mtu, OPTION.interfacePrefix];
const MODES = [OPTION.gatewayMode4, OPTION.gatewayMode6];
const BRIDGE = [
  OPTION.bridgeName,
  OPTION.enableIcc,
  OPTION.masquerade,
  OPTION.hostBinding,
  OPTION.inhibit,
  ...MODES,
];

const KNOWN: Readonly<Record<NetworkDriver, readonly string[] | undefined>> = {
  bridge: [...EVERYWHERE, ...BRIDGE],
  overlay: [...EVERYWHERE, ...BRIDGE, 'peers', 'vni', 'port', 'local', 'parent'],
  macvlan: [...EVERYWHERE, 'parent', 'macvlan_mode'],
  ipvlan: [...EVERYWHERE, 'parent', 'ipvlan_mode', 'ipvlan_flag'],
  // The settings of plugins are theirs.
  cni: undefined,
};

/** Something that a file asks for and that has no effect. */
export interface Ineffective {
  /** Below the network or the service's network, for example `driver_opts.encrypted`. */
  readonly attribute: string;
  readonly reason: string;
}

/** Options of a network that have no effect. */
export function ineffectiveOptions(driver: NetworkDriver, options: Options): readonly Ineffective[] {
  const known = KNOWN[driver];
  const alone = driver === 'overlay' && options.peers === undefined;
  return [
    ...Object.keys(options)
      .filter((name) => known !== undefined && !known.includes(name))
      .map((name) => ({ attribute: `driver_opts.${name}`, reason: `the driver ${driver} does not know it` })),
    ...(alone
      ? [
          {
            attribute: 'driver',
            reason: 'without driver_opts.peers an overlay is a bridge of this machine alone',
          },
        ]
      : []),
  ];
}

/** What a file says about addresses. */
export interface Addressing {
  readonly driver?: string;
  readonly config?: readonly unknown[];
  readonly options?: Options;
}

/** Settings of addresses that have no effect. */
export function ineffectiveAddressing(
  driver: NetworkDriver,
  { driver: ipam, config = [], options = {} }: Addressing = {},
): readonly Ineffective[] {
  const others = driver === 'cni' ? 'its plugins give the addresses' : undefined;
  const none = ipam === 'none' || ipam === 'null' ? `the ipam driver ${ipam} gives no addresses` : undefined;
  const reason = others ?? none;
  return [
    ...Object.keys(options).map((name) => ({
      attribute: `ipam.options.${name}`,
      reason: 'addresses are given without options',
    })),
    ...(reason === undefined || config.length === 0 ? [] : [{ attribute: 'ipam.config', reason }]),
  ];
}

export interface OptionsWanted {
  readonly name: string;
  readonly driver: NetworkDriver;
  readonly options: Options;
  readonly internal: boolean;
}

/** What must not be dropped, and what means nothing: ComposeError `unsupported` or `invalid-value`. */
export function refuseOptions({ name, driver, options, internal }: OptionsWanted): void {
  if (hasModes(driver))
    for (const option of MODES) checkMode({ name, option, value: options[option], internal });
  if (driver !== 'overlay' || options.encrypted === undefined || options.encrypted === 'false') return;
  throw new ComposeError(
    'unsupported',
    `network "${name}" asks for encryption, which overlay networks do not have here`,
    {
      hint: 'take "encrypted" out and connect the machines through a VPN such as WireGuard: its addresses can be the peers',
    },
  );
}

function hasModes(driver: NetworkDriver): boolean {
  return driver === 'bridge' || driver === 'overlay';
}

interface ModeWanted {
  readonly name: string;
  readonly option: string;
  readonly value: string | undefined;
  readonly internal: boolean;
}

function checkMode({ name, option, value, internal }: ModeWanted): void {
  if (value === undefined) return;
  const path = `driver_opts.${option}`;
  if (!GATEWAY_MODES.some((mode) => mode === value)) {
    const hint = `known are ${GATEWAY_MODES.join(', ')}`;
    throw new ComposeError('invalid-value', `network "${name}" has the ${option} "${value}"`, { hint, path });
  }
  if (value !== 'isolated' || internal) return;
  const hint = 'add `internal: true`';
  throw new ComposeError('conflicting-keys', `network "${name}": only an internal network can be isolated`, {
    hint,
    path,
  });
}

const SYSCTLS = 'com.docker.network.endpoint.sysctls';

/** Options of a service's place on a network. */
export interface EndpointOptions {
  /** Names of settings for the interface that it gets, and their values. */
  readonly sysctls: Options;
  readonly ineffective: readonly Ineffective[];
}

/** Reads `com.docker.network.endpoint.sysctls`: `net.ipv4.conf.IFNAME.log_martians=1,…`; ComposeError for what is no such list. */
export function endpointOptions(options: Options, interfaceName: string, key = ''): EndpointOptions {
  const settings = (options[SYSCTLS] ?? '').split(',').filter((entry) => entry.trim() !== '');
  const unknown = Object.keys(options).filter((name) => name !== SYSCTLS);
  return {
    sysctls: Object.fromEntries(
      settings.map((entry) => endpointSysctl(entry.trim(), { interfaceName, key })),
    ),
    ineffective: unknown.map((name) => ({
      attribute: `driver_opts.${name}`,
      reason: 'no option of an endpoint has this name',
    })),
  };
}

// A name may have slashes for dots, so that interfaces may have dots in theirs.
function endpointSysctl(
  entry: string,
  { interfaceName, key }: { readonly interfaceName: string; readonly key: string },
): [string, string] {
  const [, name = '', value = ''] =
    /^(net[./](?:ipv4|ipv6|mpls)[./]\w+[./]IFNAME[./]\w+)=(.*)$/.exec(entry) ?? [];
  if (name !== '') return [name.replaceAll('/', '.').replace('IFNAME', interfaceName), value];
  throw new ComposeError('invalid-value', `${SYSCTLS} has "${entry}", which is no setting of an interface`, {
    hint: 'write net.ipv4.conf.IFNAME.log_martians=1: IFNAME stands for the interface',
    path: `networks.${key}.driver_opts`,
  });
}
