// Ctrl-C and the like: the first asks to end well, the second ends at once.
import { constants } from 'node:os';

export interface Interrupts {
  readonly signal: AbortSignal;
}

/** From now on the first SIGINT, SIGTERM or SIGHUP aborts `signal`, and the second one ends this process. */
export function watchInterrupts(): Interrupts {
  const controller = new AbortController();
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(name, () => {
      if (controller.signal.aborted) process.exit(128 + constants.signals[name]);
      controller.abort(name);
    });
  }
  return { signal: controller.signal };
}
