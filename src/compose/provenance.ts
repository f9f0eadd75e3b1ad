// Where a value came from: every place that set it, in order, the last one being the one that won.
import type { Provenance } from './project.ts';
import { type Node, nodeAt, parsePath, plain, positionOf } from './tree.ts';

/** The history of a value, oldest first; undefined when there is no such path. */
export function provenance(model: Node, path: string): readonly Provenance[] | undefined {
  const steps = parsePath(model, path);
  const node = steps === undefined ? undefined : nodeAt(model, steps);
  if (node === undefined) return undefined;
  const history: Provenance[] = [];
  for (let current: Node | undefined = node; current !== undefined; current = current.was) {
    const at = positionOf(current);
    history.unshift({
      value: plain(current),
      ...(at === undefined ? {} : { at }),
      ...(current.note === undefined ? {} : { note: current.note }),
    });
  }
  return history;
}
