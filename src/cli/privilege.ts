// What takes root, said before anything is tried.
import { ComposeError } from '../errors.ts';

/** Throws ComposeError `not-root` unless this process is root. */
export function requireRoot(): void {
  if (process.geteuid?.() === 0) return;
  throw new ComposeError('not-root', 'containers and networks can only be made and removed by root', {
    hint: 'run it with sudo',
  });
}
