// What a service asks for and a container here cannot have: each attribute with its reason.
import type { Project, Service } from '../compose/project.ts';
import type { Namespaces } from './namespaces.ts';
import type { Warning } from './warning.ts';

/** Fields of configs and secrets that need a cluster, where a service uses them. */
export function ignoredObjects(
  service: Service,
  project: Pick<Project, 'configs' | 'secrets'>,
): readonly Warning[] {
  return (['configs', 'secrets'] as const).flatMap((kind) =>
    (service[kind] ?? []).flatMap(({ source }, index) => {
      const { driver, template_driver } = project[kind][source] ?? {};
      const fields = [...(driver ? ['driver'] : []), ...(template_driver ? ['template_driver'] : [])];
      return fields.map((field) => ({
        attribute: `${kind}[${index}]`,
        reason: `the ${field} of ${source} has no effect: ${CLUSTER}`,
      }));
    }),
  );
}

type Row = readonly [attribute: string, isAsked: boolean, reason: string];

/** Attributes of a service that have no effect on one Linux machine, or not together with others that it has. */
export function ignoredAttributes(service: Service, namespaces: Namespaces): readonly Warning[] {
  const rows = [
    ...elsewhere(service),
    ...onOtherNetwork(service, namespaces),
    ...inOtherNamespaces(service, namespaces),
    ...requestOptions(service),
  ];
  const simple = rows
    .filter(([, isAsked]) => isAsked)
    .map(([attribute, , reason]) => ({ attribute, reason }));
  return [...simple, ...unknownOptions(service)];
}

const WINDOWS = 'only exists on Windows';
const CLUSTER = 'there is one machine here, not a cluster';
const AT_ONCE = 'containers are replaced by `up`, all at once';

function elsewhere(service: Service): readonly Row[] {
  const { deploy, isolation } = service;
  const generic = deploy?.resources?.reservations?.generic_resources ?? [];
  return [
    ['cpu_count', Boolean(service.cpu_count), WINDOWS],
    ['cpu_percent', Boolean(service.cpu_percent), WINDOWS],
    ['credential_spec', service.credential_spec !== undefined, WINDOWS],
    ['isolation', Boolean(isolation) && isolation !== 'default', WINDOWS],
    [
      'use_api_socket',
      service.use_api_socket === true,
      'there is no engine whose socket could be given to the container',
    ],
    [
      'deploy.resources.reservations.generic_resources',
      generic.length > 0,
      'only a cluster has generic resources',
    ],
    ['deploy.placement', Object.keys(deploy?.placement ?? {}).length > 0, CLUSTER],
    ['deploy.update_config', deploy?.update_config !== undefined, AT_ONCE],
    ['deploy.rollback_config', deploy?.rollback_config !== undefined, AT_ONCE],
  ];
}

function onOtherNetwork(service: Service, { network }: Namespaces): readonly Row[] {
  const onHost = network === 'host' ? 'the network is that of the machine' : undefined;
  const joined = network === 'joined' ? 'the network is that of another container' : undefined;
  const none = service.network_mode === 'none' ? 'the container has no network' : undefined;
  const withoutPorts = onHost ?? joined ?? none;
  const row = (attribute: keyof Service, reason: string | undefined): Row => [
    attribute,
    reason !== undefined && isGiven(service[attribute]),
    reason ?? '',
  ];
  return [
    row('ports', withoutPorts && `nothing is published: ${withoutPorts}`),
    row('mac_address', withoutPorts),
    ...(['links', 'external_links'] as const).map((name) => row(name, withoutPorts)),
    ...(['dns', 'dns_search', 'dns_opt', 'extra_hosts'] as const).map((name) =>
      row(name, joined && `${joined}, whose names it has too`),
    ),
  ];
}

function isGiven(value: unknown): boolean {
  return Array.isArray(value) ? value.length > 0 : Boolean(value);
}

function inOtherNamespaces(service: Service, { ipc, uts }: Namespaces): readonly Row[] {
  const shared = ipc !== 'own';
  const whose = ipc === 'host' ? 'the machine' : 'another container';
  const named = uts === 'host';
  const name = 'the name of the machine stays, of which the container shares the UTS namespace';
  return [
    ['shm_size', shared && isGiven(service.shm_size), `/dev/shm is that of ${whose}, as \`ipc\` says`],
    ['hostname', named && isGiven(service.hostname), name],
    ['domainname', named && isGiven(service.domainname), name],
  ];
}

function requestOptions({ gpus = [], deploy }: Service): readonly Row[] {
  const reason = 'what a vendor’s CDI specification says is done, and nothing else';
  const reserved = deploy?.resources?.reservations?.devices ?? [];
  const has = ({ options }: { readonly options?: unknown }) =>
    options !== undefined && options !== null && Object.keys(options).length > 0;
  return [
    ...gpus.map((one, index): Row => [`gpus[${index}].options`, has(one), reason]),
    ...reserved.map(
      (one, index): Row => [`deploy.resources.reservations.devices[${index}].options`, has(one), reason],
    ),
  ];
}

function unknownOptions({ storage_opt = {} }: Service): readonly Warning[] {
  const names = Object.keys(storage_opt).filter((name) => name !== 'size');
  return names.map((name) => ({ attribute: `storage_opt.${name}`, reason: 'only size is known' }));
}
