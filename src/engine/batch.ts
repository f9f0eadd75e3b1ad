// Calls that many actions make at the same moment, done as one.

interface Waiting<V, R> {
  readonly value: V;
  readonly resolve: (result: R) => void;
  readonly reject: (error: unknown) => void;
}

/** Collects values until the present turn of the event loop is over, then does them together, a key at a time. */
export class Batch<V, R> {
  readonly #perform: (key: string, values: readonly V[]) => Promise<readonly R[]>;
  readonly #waiting = new Map<string, Waiting<V, R>[]>();

  /** `perform` returns a result for each value, in their order. */
  constructor(perform: (key: string, values: readonly V[]) => Promise<readonly R[]>) {
    this.#perform = perform;
  }

  add(key: string, value: V): Promise<R> {
    return new Promise((resolve, reject) => {
      const entry = { value, resolve, reject };
      const others = this.#waiting.get(key);
      if (others !== undefined) {
        others.push(entry);
        return;
      }
      this.#waiting.set(key, [entry]);
      setImmediate(() => void this.#flush(key));
    });
  }

  async #flush(key: string): Promise<void> {
    const entries = this.#waiting.get(key) ?? [];
    this.#waiting.delete(key);
    try {
      const results = await this.#perform(
        key,
        entries.map(({ value }) => value),
      );
      // One result for each value: `perform` says so.
      for (const [index, entry] of entries.entries()) entry.resolve(results[index] as R);
    } catch (error) {
      if (entries.length === 1) entries[0]?.reject(error);
      else await Promise.all(entries.map((entry) => this.#alone(key, entry)));
    }
  }

  // One value that cannot be done must not take the others with it.
  async #alone(key: string, { value, resolve, reject }: Waiting<V, R>): Promise<void> {
    try {
      const [result] = await this.#perform(key, [value]);
      resolve(result as R);
    } catch (error) {
      reject(error);
    }
  }
}
