// A number of places, for what cannot all be under way at once.

/** Who comes when all places are taken waits; who came first goes first. */
export class Turns {
  readonly #waiting: (() => void)[] = [];
  #free: number;

  constructor(places: number) {
    this.#free = places;
  }

  async take(): Promise<void> {
    if (this.#free-- <= 0) await new Promise<void>((resume) => this.#waiting.push(resume));
  }

  pass(): void {
    this.#free++;
    this.#waiting.shift()?.();
  }
}
