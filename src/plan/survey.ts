// What a plan upward starts from: its services, what becomes of their containers, and what they need.
import { ComposeError } from '../errors.ts';
import { type Decisions, decide, decideRestarts, type RecreatePolicy, type Verdict } from './decide.ts';
import type { UpGoal } from './goal.ts';
import { type Wanted, wantedNetworks, wantedVolumes } from './resources.ts';
import { type Situation, serviceNamed } from './situation.ts';

/** Everything that the parts of the plan have to know of each other. */
export interface Work {
  readonly situation: Situation;
  readonly goal: Omit<UpGoal, 'kind'>;
  /** Services in dependency order. */
  readonly scope: readonly string[];
  readonly decisions: Decisions;
  readonly restarts: ReadonlyMap<string, Verdict>;
  readonly networks: readonly Wanted<unknown>[];
  readonly volumes: readonly Wanted<unknown>[];
  readonly providers: ReadonlyMap<string, string>;
}

export function survey(
  situation: Situation,
  goal: Work['goal'],
  scope: readonly string[],
  named: ReadonlySet<string>,
  users: readonly string[],
): Work {
  const all = situation.project.loaded?.allResources ?? false;
  const networks = wantedNetworks(situation, users, all);
  const volumes = keptVolumes(situation, goal, wantedVolumes(situation, users, all));
  const renewedVolumes = new Set(volumes.filter((v) => v.existing !== undefined).map((v) => v.name));
  const policyOf = (name: string): RecreatePolicy =>
    (named.has(name) ? goal.recreate : goal.recreateDependencies) ?? 'diverged';
  const decisions = decide({ situation, goal, policyOf, renewedVolumes }, scope);
  const replaced = replacedNetworks(situation, networks);
  const restarts = decideRestarts(situation, goal.start === false ? new Map() : decisions, replaced);
  const providers = addProviders(situation, users);
  return { situation, goal, scope, decisions, restarts, networks, volumes, providers };
}

// A changed volume is only made anew when that was allowed: its data would be lost.
function keptVolumes<T extends Wanted<unknown>>(
  { plan }: Situation,
  goal: Work['goal'],
  volumes: readonly T[],
): readonly T[] {
  return volumes.filter(({ existing, name }) => {
    if (existing === undefined || goal.recreateVolumes) return true;
    plan.warn(
      `volume ${name} was made from another definition than the file has now, and is used as it is`,
      'to make it anew, and lose its data, remove it with "down -v" first',
    );
    return false;
  });
}

function replacedNetworks(
  situation: Situation,
  networks: ReturnType<typeof wantedNetworks>,
): ReadonlySet<string> {
  const own = new Set(situation.observed.containers.map(({ id }) => id));
  const replaced = networks.filter(({ existing }) => existing !== undefined);
  for (const { name, existing } of replaced) {
    if (existing?.users.every((id) => own.has(id))) continue;
    throw new ComposeError('network-in-use', `network ${name} changed, but other projects use it`, {
      hint: 'stop the containers of the other projects, or change it back',
    });
  }
  return new Set(replaced.map(({ name }) => name));
}

function addProviders(situation: Situation, services: readonly string[]): ReadonlyMap<string, string> {
  const providers = services.filter((name) => serviceNamed(situation, name).provider !== undefined);
  return new Map(
    providers.map((service) => {
      const cause = 'it is provided by another program';
      return [service, situation.plan.add({ kind: 'run-provider', service, verb: 'up', cause })];
    }),
  );
}
