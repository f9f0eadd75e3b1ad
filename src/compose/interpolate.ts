// Variables in a document: strings are expanded, and those that have to be numbers or booleans become so.
import type { ErrorCode } from '../errors.ts';
import type { Report } from './report.ts';
import { alsoJobs, compile, type Rules, under } from './rules.ts';
import { type Lookup, substitute, TemplateError, type TemplateProblem } from './template.ts';
import { flag, type Node, type ScalarNode, scalar } from './tree.ts';
import type { UnsetHint } from './unset.ts';

export interface Interpolation {
  readonly lookup: Lookup;
  readonly report: Report;
  readonly unsetHint: UnsetHint;
}

type Cast = (value: string, node: ScalarNode, report: Report) => Node | string;

const int: Cast = (value, node) => {
  if (!/^[-+]?\d+$/.test(value)) return `"${value}" is not a whole number`;
  const number = Number(value);
  return scalar(Number.isSafeInteger(number) ? number : BigInt(value.replace(/^\+/, '')), 'int', node);
};

const float: Cast = (value, node) => {
  if (!/^[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?$|^[-+]?(?:inf|infinity|nan)$/i.test(value)) {
    return `"${value}" is not a number`;
  }
  return scalar(Number(value), 'float', node);
};

/** The truth values of YAML 1.1, which attributes of type boolean accept with a warning. */
export function toBoolean(value: string, node: Node | undefined, report: Report): boolean | undefined {
  const word = value.toLowerCase();
  if (word === 'true' || word === 'false') return word === 'true';
  const yes = ['y', 'yes', 'on'].includes(word);
  if (!yes && !['n', 'no', 'off'].includes(word)) return undefined;
  const message = `"${value}" for boolean is not supported by YAML 1.2, please use \`${yes}\``;
  report.warn('suspicious-value', message, { node });
  return yes;
}

const boolean: Cast = (value, node, report) => {
  const truth = toBoolean(value, node, report);
  return truth === undefined ? `"${value}" is neither true nor false` : flag(truth, node);
};

const service = (rows: Readonly<Record<string, Cast>>): Record<string, Cast> =>
  Object.fromEntries(Object.entries(rows).map(([path, cast]) => [`services.*.${path}`, cast]));

const casts = compile<Cast>(
  alsoJobs({
    ...service({
      cpu_count: int,
      cpu_percent: float,
      cpu_period: int,
      cpu_quota: int,
      cpu_rt_period: int,
      cpu_rt_runtime: int,
      cpus: float,
      cpu_shares: int,
      init: boolean,
      'deploy.replicas': int,
      'deploy.update_config.parallelism': int,
      'deploy.update_config.max_failure_ratio': float,
      'deploy.rollback_config.parallelism': int,
      'deploy.rollback_config.max_failure_ratio': float,
      'deploy.restart_policy.max_attempts': int,
      'deploy.placement.max_replicas_per_node': int,
      'healthcheck.retries': int,
      'healthcheck.disable': boolean,
      oom_kill_disable: boolean,
      oom_score_adj: int,
      pids_limit: int,
      'ports.*.target': int,
      privileged: boolean,
      read_only: boolean,
      scale: int,
      stdin_open: boolean,
      tty: boolean,
      'ulimits.*': int,
      'ulimits.*.hard': int,
      'ulimits.*.soft': int,
      'volumes.*.read_only': boolean,
      'volumes.*.volume.nocopy': boolean,
    }),
    'networks.*.external': boolean,
    'networks.*.internal': boolean,
    'networks.*.attachable': boolean,
    'networks.*.enable_ipv4': boolean,
    'networks.*.enable_ipv6': boolean,
    'volumes.*.external': boolean,
    'secrets.*.external': boolean,
    'configs.*.external': boolean,
  }),
);

/** Expands the strings of a document in place of their templates; problems go to the report. */
export function interpolate(document: Node, interpolation: Interpolation): Node {
  return walk(document, [], casts, interpolation);
}

function walk(
  node: Node,
  path: (string | number)[],
  rules: Rules<Cast> | undefined,
  to: Interpolation,
): Node {
  if (node.kind === 'scalar')
    return typeof node.value === 'string' ? expand(node, path, rules?.rule, to) : node;
  if (node.kind === 'list') {
    const below = under(rules, '*');
    for (const [index, item] of node.items.entries()) {
      path.push(index);
      node.items[index] = walk(item, path, below, to);
      path.pop();
    }
    return node;
  }
  for (const [key, value] of node.entries) {
    path.push(key);
    const expanded = walk(value, path, under(rules, key), to);
    if (expanded !== value) node.entries.set(key, expanded);
    path.pop();
  }
  return node;
}

function expand(
  node: ScalarNode,
  path: (string | number)[],
  cast: Cast | undefined,
  to: Interpolation,
): Node {
  const template = node.value as string;
  const unset: string[] = [];
  const value = template.includes('$') ? expandText(node, { path, unset }, to) : template;
  if (value === undefined) return node;
  const typed = cast?.(value, node, to.report);
  if (typeof typed === 'string') {
    const [name] = unset;
    const hint = name === undefined ? undefined : () => `${name} is not set: ${to.unsetHint(name)}`;
    to.report.error('invalid-value', `${dotted(path)}: ${typed}`, { node, path: [...path], hint });
    return node;
  }
  const result = typed ?? (value === template ? node : scalar(value, 'string', node));
  if (value !== template) result.note = `from ${template}`;
  return result;
}

interface Place {
  readonly path: readonly (string | number)[];
  /** Takes the variables that are not set. */
  readonly unset: string[];
}

function expandText(node: ScalarNode, { path, unset }: Place, to: Interpolation): string | undefined {
  const onUnset = (name: string): void => {
    unset.push(name);
    const message = `the "${name}" variable is not set, defaulting to a blank string`;
    to.report.warn('unset-variable', message, { node, path: [...path], hint: () => to.unsetHint(name) });
  };
  try {
    return substitute(node.value as string, to.lookup, onUnset);
  } catch (error) {
    if (!(error instanceof TemplateError)) throw error;
    tell(error, { node, path }, to);
    return undefined;
  }
}

function tell(
  { problem, message }: TemplateError,
  { node, path }: { readonly node: Node; readonly path: readonly (string | number)[] },
  { report, unsetHint }: Interpolation,
): void {
  report.error(codes[problem.kind], `${dotted(path)}: ${message}`, {
    node,
    path: [...path],
    hint: () => {
      if (problem.kind === 'required') return unsetHint(problem.variable, true);
      return problem.kind === 'syntax' ? 'write `$$` for a dollar sign that is meant as such' : undefined;
    },
  });
}

const codes: Readonly<Record<TemplateProblem['kind'], ErrorCode>> = {
  limit: 'input-limit',
  required: 'required-variable',
  syntax: 'interpolation',
};

function dotted(path: readonly (string | number)[]): string {
  return path.map((step) => (typeof step === 'number' ? `[${step}]` : step)).join('.');
}
