// Tables of rules per attribute: rows are paths such as `services.*.ports`, looked up while walking a tree.

/** One level of a compiled table: the rule of this path and the levels below it. */
export interface Rules<T> {
  rule: T | undefined;
  readonly below: Map<string, Rules<T>>;
  any: Rules<T> | undefined;
}

const level = <T>(): Rules<T> => ({ rule: undefined, below: new Map(), any: undefined });

/** Compiles rows; a `*` stands for any key or index. */
export function compile<T>(rows: Readonly<Record<string, T>>): Rules<T> {
  const root = level<T>();
  for (const [path, rule] of Object.entries(rows)) {
    let at = root;
    for (const step of path.split('.')) at = descend(at, step);
    at.rule = rule;
  }
  return root;
}

function descend<T>(at: Rules<T>, step: string): Rules<T> {
  if (step === '*') {
    at.any ??= level<T>();
    return at.any;
  }
  const known = at.below.get(step);
  if (known !== undefined) return known;
  const added = level<T>();
  at.below.set(step, added);
  return added;
}

/** The level below a key; undefined when no row starts so. */
export function under<T>(rules: Rules<T> | undefined, key: string): Rules<T> | undefined {
  return rules?.below.get(key) ?? rules?.any;
}

/** Rows for services, once more for jobs: a job is a service in another place. */
export function alsoJobs<T>(rows: Readonly<Record<string, T>>): Record<string, T> {
  const result: Record<string, T> = { ...rows };
  for (const [path, rule] of Object.entries(rows)) {
    if (path.startsWith('services.')) result[`jobs.${path.slice('services.'.length)}`] = rule;
  }
  return result;
}
