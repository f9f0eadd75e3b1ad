// Driver options: which ones mean something here, and what is said of the others. Pure.
import { ComposeError } from '../errors.ts';
import { type NetworkDriver, OPTION } from './record.ts';

type Options = Readonly<Record<string, string>>;

const EVERYWHERE = [OPTION.mtu, OPTION.interfacePrefix];
const BRIDGE = [OPTION.bridgeName, OPTION.enableIcc, OPTION.masquerade, OPTION.hostBinding];

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

/** What must not be dropped: ComposeError `unsupported`. */
export function refuseOptions(name: string, driver: NetworkDriver, options: Options): void {
  if (driver !== 'overlay' || options.encrypted === undefined || options.encrypted === 'false') return;
  throw new ComposeError(
    'unsupported',
    `network "${name}" asks for encryption, which overlay networks do not have here`,
    {
      hint: 'take "encrypted" out and connect the machines through a VPN such as WireGuard: its addresses can be the peers',
    },
  );
}

const SYSCTLS = 'com.docker.network.endpoint.sysctls';

/** Options of a service's place on a network. */
export interface EndpointOptions {
  /** Names of settings for the interface that it gets, and their values. */
  readonly sysctls: Options;
  readonly ineffective: readonly Ineffective[];
}

/** Reads `com.docker.network.endpoint.sysctls`: `net.ipv4.conf.IFNAME.log_martians=1,…`; ComposeError for what is no such list. */
export function endpointOptions(options: Options, interfaceName: string): EndpointOptions {
  const settings = (options[SYSCTLS] ?? '').split(',').filter((entry) => entry.trim() !== '');
  const unknown = Object.keys(options).filter((name) => name !== SYSCTLS);
  return {
    sysctls: Object.fromEntries(settings.map((entry) => endpointSysctl(entry.trim(), interfaceName))),
    ineffective: unknown.map((name) => ({
      attribute: `driver_opts.${name}`,
      reason: 'no option of an endpoint has this name',
    })),
  };
}

// A name may have slashes for dots, so that interfaces may have dots in theirs.
function endpointSysctl(entry: string, interfaceName: string): [string, string] {
  const [, name = '', value = ''] =
    /^(net[./](?:ipv4|ipv6|mpls)[./]\w+[./]IFNAME[./]\w+)=(.*)$/.exec(entry) ?? [];
  if (name !== '') return [name.replaceAll('/', '.').replace('IFNAME', interfaceName), value];
  throw new ComposeError('invalid-value', `${SYSCTLS} has "${entry}", which is no setting of an interface`, {
    hint: 'write net.ipv4.conf.IFNAME.log_martians=1: IFNAME stands for the interface',
  });
}
