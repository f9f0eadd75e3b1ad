// The starting half of a plan upward: which containers start, and what each of them waits for.
import type { Verdict } from './decide.ts';
import { type Made, nameFor } from './making.ts';
import { isAlive, type ObservedContainer } from './observed.ts';
import { networkKeys } from './references.ts';
import { refTo, serviceNamed } from './situation.ts';
import type { StartSet, StartTarget } from './starting.ts';
import type { Work } from './survey.ts';

export function startSet(work: Work, made: Made): StartSet {
  const { situation, decisions, restarts, goal } = work;
  const others = situation.observed.containers.map(({ service }) => service).sort();
  const order = [...new Set([...situation.graph.order, ...others])];
  const restarted = new Map<string, Verdict[]>();
  for (const verdict of restartedBy(work, made)) {
    const { service } = verdict.container;
    restarted.set(service, [...(restarted.get(service) ?? []), verdict]);
  }
  const targets = new Map(
    order.map((name) => [
      name,
      [
        ...(goal.start === false ? [] : freshTargets(work, made, name)),
        ...(restarted.get(name) ?? []).map((verdict) => restartTarget(work, made, verdict)),
      ],
    ]),
  );
  return {
    order,
    targetsOf: (name) => targets.get(name) ?? [],
    untouchedOf: (name) =>
      (decisions.get(name)?.keep ?? []).filter(
        (c) => isAlive(c) && c.state !== 'paused' && !restarts.has(c.id),
      ),
    providers: work.providers,
  };
}

function restartedBy({ situation, restarts }: Work, made: Made): readonly Verdict[] {
  const outsiders = situation.observed.containers.filter(
    ({ id }) => made.stopped.has(id) && !made.removed.has(id) && !restarts.has(id),
  );
  return [
    ...restarts.values(),
    ...outsiders.map((container) => ({ container, cause: 'it was stopped for a network that is replaced' })),
  ];
}

function restartTarget({ networks }: Work, made: Made, { container, cause }: Verdict): StartTarget {
  const replaced = networks.filter(
    ({ existing, name }) => existing !== undefined && container.networks.includes(name),
  );
  return {
    container: refTo(container),
    cause,
    needs: [made.stopped.get(container.id), ...replaced.map(({ name }) => `create-network ${name}`)],
  };
}

function freshTargets(work: Work, made: Made, name: string): readonly StartTarget[] {
  const { situation, decisions, networks } = work;
  const decision = decisions.get(name);
  if (decision === undefined) return [];
  const replaced = networks
    .filter(
      ({ existing, key }) =>
        existing !== undefined && networkKeys(serviceNamed(situation, name)).includes(key),
    )
    .map(({ name: network }) => `create-network ${network}`);
  const missing = networks
    .filter(
      ({ existing, key }) =>
        existing === undefined && networkKeys(serviceNamed(situation, name)).includes(key),
    )
    .map(({ name: network }) => `create-network ${network}`);
  const superseded = new Map(
    decision.remove.map((v) => [v.container.number, made.removed.get(v.container.id)]),
  );
  const kept = decision.keep
    .filter((container) => container.state === 'paused' || !isAlive(container))
    .map((container) => ({
      container: refTo(container),
      cause: idleCause(container),
      needs: [superseded.get(container.number), ...replaced, ...missing],
      paused: container.state === 'paused',
    }));
  const fresh = [
    ...decision.replace.map(({ container }) => ({
      number: container.number,
      old: made.removed.get(container.id),
    })),
    ...decision.create.map((number) => ({ number, old: superseded.get(number) })),
  ].map(({ number, old }) => {
    const container = { service: name, number, name: nameFor(situation, name, number) };
    return { container, cause: 'it is new', needs: [made.created.get(container.name), old, ...replaced] };
  });
  return [...kept, ...fresh].sort((a, b) => a.container.number - b.container.number);
}

function idleCause({ state }: ObservedContainer): string {
  if (state === 'paused') return 'it is paused';
  return state === 'created' ? 'it was never started' : 'it is not running';
}
