// An archive on its way to a file or to standard output.
import { createWriteStream } from 'node:fs';
import { pipeline } from 'node:stream/promises';
import { ComposeError } from '../errors.ts';
import type { CliContext } from './command.ts';

/** Writes all of it. ComposeError `usage` for a terminal. */
export async function writeArchive(
  context: CliContext,
  archive: AsyncIterable<Uint8Array>,
  output: string | undefined,
): Promise<void> {
  if (output !== undefined) {
    await pipeline(archive, createWriteStream(output, { mode: 0o600 }), { signal: context.signal });
    return;
  }
  if (context.isTerminal('stdout'))
    throw new ComposeError('usage', 'an archive is not for a terminal', { hint: 'give --output FILE' });
  for await (const bytes of archive) context.out(bytes);
}
