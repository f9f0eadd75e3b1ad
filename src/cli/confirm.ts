// A question that is answered on standard input.
import { readSync } from 'node:fs';
import type { CliContext } from './command.ts';

/** Asks on standard error; anything but yes, and the end of input, is a no. */
export function confirm(context: CliContext, question: string): boolean {
  context.err(`${question}\nAre you sure? [yN] `);
  return /^y(es)?$/i.test(readLine().trim());
}

function readLine(): string {
  const byte = Buffer.alloc(1);
  const bytes: number[] = [];
  while (readSync(0, byte, 0, 1, null) === 1) {
    const value = byte[0] ?? 0;
    if (value === 0x0a) break;
    bytes.push(value);
  }
  return Buffer.from(bytes).toString('utf8');
}
