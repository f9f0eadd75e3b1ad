// Defaults of a model and checks that need no other part of it.
import { familyOf } from './address.ts';
import type { Path, Report } from './report.ts';
import { alsoJobs, compile, type Rules, under } from './rules.ts';
import { asMap, flag, get, isNull, keyPositionOf, type MapNode, type Node, text, textOf } from './tree.ts';

type Default = (node: MapNode) => void;
type Check = (node: MapNode, path: Path, report: Report) => void;

function setDefault(node: MapNode, key: string, value: Node): void {
  if (!node.entries.has(key)) node.entries.set(key, { ...value, note: 'default' });
}

const deviceCount: Default = (node) => {
  if (!node.entries.has('device_ids')) setDefault(node, 'count', text('all'));
};

const condition: Default = (node) => setDefault(node, 'condition', text('service_started'));

const conditions = compile<Default>(alsoJobs<Default>({ 'services.*.depends_on.*': condition }));

/** Adds the conditions of dependencies that have none. */
export function fillConditions(model: MapNode): void {
  visit(model, conditions, [], (node, rule) => rule(node));
}

const defaults = compile<Default>(
  alsoJobs<Default>({
    'services.*.build': (node) => setDefault(node, 'context', text('.')),
    'services.*.depends_on.*': (node) => {
      condition(node);
      setDefault(node, 'required', flag(true));
    },
    'services.*.deploy.resources.reservations.devices.*': deviceCount,
    'services.*.gpus.*': deviceCount,
    'services.*.ports.*': (node) => {
      setDefault(node, 'protocol', text('tcp'));
      setDefault(node, 'mode', text('ingress'));
    },
    'services.*.secrets.*': (node) =>
      setDefault(node, 'target', text(`/run/secrets/${textOf(get(node, 'source')) ?? ''}`)),
  }),
);

/** Adds the values that attributes have when nothing is written. */
export function fillDefaults(model: MapNode): void {
  visit(model, defaults, [], (node, rule) => rule(node));
}

/** Takes the number of containers that `scale` gives into `deploy`, where there is one. */
export function alignScale(model: MapNode): void {
  for (const service of asMap(model.entries.get('services'))?.entries.values() ?? []) {
    const scale = get(service, 'scale');
    const deploy = asMap(get(service, 'deploy'));
    if (scale !== undefined && !isNull(scale) && deploy?.entries.has('replicas') === false) {
      deploy.entries.set('replicas', { ...scale, note: 'from scale' });
    }
  }
}

const noExternalOptions: Check = (node, path, report) => {
  const external = get(node, 'external');
  if (external?.kind !== 'scalar' || external.value !== true) return;
  for (const [key, value] of node.entries) {
    if (key === 'name' || key === 'external' || key.startsWith('x-')) continue;
    const message = `${path.join('.')}: conflicting parameters "external" and "${key}" specified`;
    report.error('conflicting-keys', message, { at: keyPositionOf(value), path: [...path] });
  }
};

const oneSource =
  (...keys: string[]): Check =>
  (node, path, report) => {
    const given = keys.filter((key) => node.entries.has(key));
    const names = keys.join(', ').replace(/, ([^,]*)$/, ' and $1');
    if (given.length > 1) {
      const message = `${path.join('.')}: ${names} are mutually exclusive`;
      report.error('conflicting-keys', message, { node, path: [...path] });
    }
    if (given.length === 0 && !node.entries.has('driver') && !node.entries.has('external')) {
      const message = `${path.join('.')}: one of ${names.replace(' and ', ' or ')} must be set`;
      report.error('missing-key', message, { node, path: [...path] });
    }
  };

const countOrIds: Check = (node, path, report) => {
  if (!node.entries.has('count') || !node.entries.has('device_ids')) return;
  const message = `${path.join('.')}: "count" and "device_ids" are mutually exclusive`;
  report.error('conflicting-keys', message, { node, path: [...path] });
};

const hostAddress: Check = (node, path, report) => {
  const address = get(node, 'host_ip');
  const ip = textOf(address);
  if (ip === undefined || familyOf(ip) !== 0) return;
  report.error('invalid-value', `${path.join('.')}: invalid ip address "${ip}"`, {
    node: address,
    path: [...path],
  });
};

const watchedPath: Check = (node, path, report) => {
  const watched = get(node, 'path');
  if (textOf(watched) !== '') return;
  report.error('invalid-value', `${path.join('.')}.path: value can't be blank`, {
    node: watched,
    path: [...path],
  });
};

const bindSource: Check = (node, path, report) => {
  if (textOf(get(node, 'type')) !== 'bind' || node.entries.has('source')) return;
  report.error('missing-key', `${path.join('.')}: a bind mount needs a source`, { node, path: [...path] });
};

const triggers: Check = (node, path, report) => {
  const [manual, schedule] = [get(node, 'manual'), get(node, 'schedule')];
  if (manual === undefined && schedule === undefined) {
    const message = `${path.join('.')}: one of manual or schedule must be set`;
    const hint = 'write `manual: true` for a job that only runs when somebody asks for it';
    report.error('missing-key', message, { node, path: [...path], hint });
  }
  if (schedule === undefined || manual?.kind !== 'scalar' || manual.value !== true) return;
  const message = `${path.join('.')}: "manual: true" and "schedule" are mutually exclusive`;
  const hint = 'remove `manual`: a job with a schedule can also be started by hand';
  report.error('conflicting-keys', message, { node: manual, path: [...path, 'manual'], hint });
};

const checks = compile<Check>({
  ...alsoJobs<Check>({
    'services.*.deploy.resources.reservations.devices.*': countOrIds,
    'services.*.develop.watch.*': watchedPath,
    'services.*.gpus.*': countOrIds,
    'services.*.ports.*': hostAddress,
    'services.*.volumes.*': bindSource,
  }),
  'jobs.*.triggers': triggers,
  'configs.*': oneSource('file', 'environment', 'content'),
  'secrets.*': oneSource('file', 'environment'),
  'volumes.*': noExternalOptions,
});

/** Checks each part of a model by itself. */
export function checkModel(model: MapNode, report: Report): void {
  visit(model, checks, [], (node, rule, path) => rule(node, path, report));
}

function visit<T>(
  node: Node,
  level: Rules<T> | undefined,
  path: (string | number)[],
  apply: (node: MapNode, rule: T, path: Path) => void,
): void {
  if (level === undefined || node.kind === 'scalar') return;
  if (node.kind === 'map' && level.rule !== undefined) apply(node, level.rule, path);
  const children = node.kind === 'map' ? node.entries : node.items.entries();
  for (const [key, value] of children) {
    const below = under(level, String(key));
    if (below === undefined) continue;
    path.push(key);
    visit(value, below, path, apply);
    path.pop();
  }
}
