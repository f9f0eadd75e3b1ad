// The files of a log while its shim rotates them: log becomes log.1, log.1 becomes log.2, the oldest goes.
import { closeSync, existsSync, fstatSync, openSync } from 'node:fs';

export interface LogFile {
  readonly fd: number;
  readonly inode: number;
}

const ATTEMPTS = 100;

/**
 * Opens all files of a log, oldest first; whoever calls closes them. Files only move away from `log`: read in that
 * direction, one that is renamed meanwhile is met twice, but none is missed.
 */
export function openLogFiles(path: string): readonly LogFile[] {
  for (let attempt = 1; ; attempt++) {
    const { files, isWhole } = openOnce(path);
    // A shim that was killed while it renamed leaves a gap for good.
    if (isWhole || attempt === ATTEMPTS) return files.reverse();
    for (const { fd } of files) closeSync(fd);
  }
}

function openOnce(path: string): { readonly files: LogFile[]; readonly isWhole: boolean } {
  const files: LogFile[] = [];
  let isWhole = true;
  for (let number = 0; ; number++) {
    const file = tryOpen(nameOf(path, number));
    if (file !== undefined) {
      if (files.some(({ inode }) => inode === file.inode)) closeSync(file.fd);
      else files.push(file);
    } else if (existsSync(nameOf(path, number + 1))) isWhole = false;
    else return { files, isWhole };
  }
}

function nameOf(path: string, number: number): string {
  return number === 0 ? path : `${path}.${number}`;
}

function tryOpen(path: string): LogFile | undefined {
  try {
    const fd = openSync(path, 'r');
    return { fd, inode: fstatSync(fd).ino };
  } catch {
    return undefined;
  }
}
