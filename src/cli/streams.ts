// Writing to the standard streams without loading Node's stream classes, which cost start-up time.
import { fstatSync, writeSync } from 'node:fs';
import { createRequire } from 'node:module';

const STDERR = 2;

/** The reader of standard output or standard error went away. */
export class BrokenPipe extends Error {}

/**
 * Writes everything, also to a pipe that somebody set to non-blocking. What standard error does not take, because its
 * disk is full for example, is lost: there is nobody to tell, and no work ends because of it.
 */
export function writeAll(fd: number, text: string | Uint8Array): void {
  let rest: Uint8Array = typeof text === 'string' ? Buffer.from(text) : text;
  while (rest.length > 0) {
    try {
      rest = rest.subarray(writeSync(fd, rest));
    } catch (error) {
      const code = error instanceof Error && 'code' in error ? error.code : undefined;
      if (code === 'EPIPE') throw new BrokenPipe();
      if (code === 'EAGAIN') waitAWhile();
      else if (fd === STDERR) return;
      else throw error;
    }
  }
}

/** There is no synchronous poll() in Node; a full non-blocking pipe is rare and drains soon. */
function waitAWhile(): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 2);
}

const DESCRIPTORS = { stdin: 0, stdout: 1, stderr: 2 } as const;
export type StandardStream = keyof typeof DESCRIPTORS;

/** Major number of /dev/null and its kin. */
const MEMORY_DEVICES = 1;

/** Whether it is a terminal. Only a character device is worth asking Node, which loads sockets to answer. */
export function isTerminal(stream: StandardStream): boolean {
  const fd = DESCRIPTORS[stream];
  try {
    const file = fstatSync(fd);
    return file.isCharacterDevice() && file.rdev >> 8 !== MEMORY_DEVICES && isatty(fd);
  } catch {
    return false; // the descriptor is closed
  }
}

function isatty(fd: number): boolean {
  const { isatty: ask } = createRequire(import.meta.url)('node:tty') as typeof import('node:tty');
  return ask(fd);
}
