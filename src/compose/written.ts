// A model as plain data that looks as it was written: variables kept, lists of `KEY=value` as lists, numbers exact.
import { listNote, printScalar } from './canonical.ts';
import { isNull, type MapNode, type Node, setKey } from './tree.ts';

/** Plain data for `config --no-interpolate`. */
export function asWritten(node: Node): unknown {
  if (node.kind === 'list') return node.items.map(asWritten);
  if (node.kind === 'scalar') return node.value;
  if (node.note === listNote) return assignments(node);
  const result: Record<string, unknown> = {};
  for (const [key, value] of node.entries) setKey(result, key, asWritten(value));
  return result;
}

function assignments(node: MapNode): readonly string[] {
  return [...node.entries].map(([key, value]) =>
    isNull(value) ? key : `${key}=${printScalar(value) ?? ''}`,
  );
}
