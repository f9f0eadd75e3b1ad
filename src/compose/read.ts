// Reads the text files of a project.
import { readFileSync } from 'node:fs';
import { ComposeError, type Position } from '../errors.ts';

/** Largest file that is read, in bytes. */
const maxBytes = 64 * 1024 * 1024;

/** The text of a file; throws `file-not-found`, `file-unreadable` or `input-limit`. */
export function readText(path: string, what: string, at?: Position): string {
  const place = at === undefined ? {} : { at };
  try {
    const bytes = readFileSync(path);
    if (bytes.length > maxBytes) {
      throw new ComposeError('input-limit', `${what} ${path} is larger than 64 MiB`, place);
    }
    return bytes.toString('utf8');
  } catch (error) {
    if (error instanceof ComposeError) throw error;
    const code = (error as NodeJS.ErrnoException).code;
    if (code === 'ENOENT' || code === 'ENOTDIR') {
      throw new ComposeError('file-not-found', `${what} ${path} not found: no such file or directory`, {
        ...place,
        cause: error,
      });
    }
    const reason =
      code === 'EISDIR' ? 'it is a directory' : code === 'EACCES' ? 'permission denied' : String(code);
    throw new ComposeError('file-unreadable', `cannot read ${what} ${path}: ${reason}`, {
      ...place,
      cause: error,
    });
  }
}
