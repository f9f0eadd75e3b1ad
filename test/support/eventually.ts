// Waiting for what other processes do, without guessing how long it takes.

const FIRST_PAUSE_MS = 20;
const LONGEST_PAUSE_MS = 500;

/** Repeats a check until it passes; throws its last failure after `withinMs`. */
export async function eventually<T>(check: () => T | Promise<T>, withinMs = 20_000): Promise<T> {
  const until = Date.now() + withinMs;
  for (let pauseMs = FIRST_PAUSE_MS; ; pauseMs = Math.min(pauseMs * 2, LONGEST_PAUSE_MS)) {
    try {
      return await check();
    } catch (error) {
      if (Date.now() > until) throw error;
      await new Promise((resolve) => setTimeout(resolve, pauseMs));
    }
  }
}
