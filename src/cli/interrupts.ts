// Ctrl-C and the like: the first asks to end well, the second insists, the third ends this process at once.
import { constants } from 'node:os';

export interface Interrupts {
  /** Aborted by the first one; its reason is the name of the signal. */
  readonly first: AbortSignal;
  /** Aborted by the second one. Whoever asks for it takes care of ending; otherwise the process ends. */
  readonly second: () => AbortSignal;
}

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/** From now on signals do not end this process by themselves. */
export function watchInterrupts(): Interrupts {
  const first = new AbortController();
  const second = new AbortController();
  let isSecondHeard = false;
  for (const name of SIGNALS) {
    process.on(name, () => {
      if (!first.signal.aborted) first.abort(name);
      else if (isSecondHeard && !second.signal.aborted) second.abort(name);
      else process.exit(128 + constants.signals[name]);
    });
  }
  return {
    first: first.signal,
    second: () => {
      isSecondHeard = true;
      return second.signal;
    },
  };
}
