// Hooks of the runtime specification as steps of a launch, and the state that they read.
import type { OciHook, OciHookName, OciSpec } from './oci.ts';
import { type Step, step } from './steps.ts';

/** TSC_HOOK_* of launch.h. */
const MOMENTS: Readonly<Partial<Record<OciHookName, number>>> = {
  prestart: 0,
  createRuntime: 0,
  createContainer: 1,
  startContainer: 2,
};

const CREATE_CONTAINER = 1;

export interface Bundle {
  readonly id: string;
  readonly path: string;
}

/** The hooks that the shim runs and the state that they read; nothing when there are none. */
export function hookSteps(spec: OciSpec, bundle: Bundle | undefined): Step[] {
  const hooks = launchHooks(spec).filter(({ moment }) => moment !== CREATE_CONTAINER);
  if (bundle === undefined || launchHooks(spec).length === 0) return [];
  const { before, after } = stateAround(spec, bundle);
  return [step('HOOK_STATE', before, after), ...hooks.map(hookStep)];
}

/** The last things before the container's root is entered. */
export function hooksBeforePivot(spec: OciSpec): Step[] {
  const hooks = launchHooks(spec);
  const inContainer = hooks.filter(({ moment }) => moment === CREATE_CONTAINER);
  return [
    ...(hooks.some(({ moment }) => moment === 0) ? [step('AWAIT_HOOKS')] : []),
    ...inContainer.map(hookStep),
  ];
}

interface LaunchHook {
  readonly moment: number;
  readonly hook: OciHook;
}

function launchHooks({ hooks = {} }: OciSpec): LaunchHook[] {
  return Object.entries(MOMENTS).flatMap(([name, moment]) =>
    (hooks[name as OciHookName] ?? []).map((hook) => ({ moment, hook })),
  );
}

function hookStep({ moment, hook }: LaunchHook): Step {
  const { path, args = [], env = [], timeout = 0 } = hook;
  return step('HOOK', moment, timeout * 1000, path, args.length, ...args, ...env);
}

function stateAround(spec: OciSpec, bundle: Bundle) {
  const { status, pid, ...fixed } = hookState(spec, bundle, { status: '', pid: 0 });
  const { annotations, ...first } = fixed;
  return {
    before: `${JSON.stringify(first).slice(0, -1)},`,
    after: annotations === undefined ? '}' : `,"annotations":${JSON.stringify(annotations)}}`,
  };
}

interface Moment {
  readonly status: string;
  readonly pid: number;
}

/** The state of a container as the specification writes it. */
export function hookState(
  spec: Pick<OciSpec, 'ociVersion' | 'annotations'>,
  bundle: Bundle,
  { status, pid }: Moment,
) {
  return {
    ociVersion: spec.ociVersion,
    id: bundle.id,
    status,
    pid,
    bundle: bundle.path,
    ...(spec.annotations === undefined ? {} : { annotations: spec.annotations }),
  };
}
