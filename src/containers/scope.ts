// Transient scopes of systemd: where it manages control groups, a container's groups lie in a scope of its own.
import type { Service } from '../compose/project.ts';
import type { Machine } from './machine.ts';

export interface Scope {
  readonly slice: string;
  readonly unit: string;
  readonly description: string;
  /** Below the root of the hierarchies. */
  readonly path: string;
}

const DEFAULT_SLICE = 'system.slice';
/** The container's own group in its scope; the shim is beside it. */
const OWN = 'container';
const ASIDE = 'shim';

type ScopeMachine = Pick<Machine, 'systemd' | 'uid'> & { readonly cgroups: Pick<Machine['cgroups'], 'mode'> };

/** The scope of a service's container; undefined where its groups are made by hand. As in Docker: on cgroup v2, or in a slice that is asked for. */
export function scopeOf(service: Service, id: string, machine: ScopeMachine): Scope | undefined {
  const parent = service.cgroup_parent ?? '';
  if (!machine.systemd || machine.uid !== 0) return undefined;
  const isWanted = parent === '' ? machine.cgroups.mode === 'v2' : parent.endsWith('.slice');
  if (!isWanted) return undefined;
  const slice = parent.split('/').at(-1) || DEFAULT_SLICE;
  return namedScope({
    slice,
    unit: `tscompose-${id}.scope`,
    description: `tscompose container ${id.slice(0, 12)}`,
  });
}

/** `slice:prefix:name`, as the command line of OCI runtimes has it. */
export function scopeFromPath(path: string, id: string): Scope {
  const [slice = '', prefix = '', name = ''] =
    path === '' ? [DEFAULT_SLICE, 'tscompose', id] : path.split(':');
  const unit = `${prefix ? `${prefix}-` : ''}${name}.scope`;
  return namedScope({ slice: slice || DEFAULT_SLICE, unit, description: `container ${id}` });
}

function namedScope(scope: Omit<Scope, 'path'>): Scope {
  return { ...scope, path: `${slicePath(scope.slice)}/${scope.unit}` };
}

/** Where the container's own group is. */
export function groupIn({ path }: Scope): string {
  return `${path}/${OWN}`;
}

/** Where the shim waits, on v2: a group with processes cannot give controllers away. */
export function besideIn({ path }: Scope, root: string): string {
  return `${root}${path}/${ASIDE}`;
}

/** `a-b.slice` lies in `a.slice`. */
export function slicePath(slice: string): string {
  if (slice === '-.slice') return '';
  const parts = slice.replace(/\.slice$/, '').split('-');
  return parts.map((_, index) => `/${parts.slice(0, index + 1).join('-')}.slice`).join('');
}
