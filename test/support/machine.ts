// What the machine can do: tests that need more are skipped, and their name says why.
import { existsSync } from 'node:fs';
import { createServer } from 'node:net';
import { homedir } from 'node:os';

export const isRoot = process.getuid?.() === 0;

/** A static busybox, as Debian's busybox-static has it. */
export const hasBusybox = existsSync('/bin/busybox');

/** The title of a group of tests with the reason why it is skipped, when it is. */
export function needing(title: string, needs: Readonly<Record<string, boolean>>): string {
  const missing = Object.keys(needs).filter((name) => !needs[name]);
  return missing.length === 0 ? title : `${title} (needs ${missing.join(', ')})`;
}

/** A port of this machine that nobody has at the moment. */
export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.on('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => {
        if (typeof address === 'object' && address !== null) resolve(address.port);
        else reject(new Error('no free port'));
      });
    });
  });
}

/** Containers on `image: host` see no home directories: a Node that lives in one has to be named to the examples. */
export function nodeForContainers(): Readonly<Record<string, string>> {
  const isHidden = [homedir(), '/root', '/home'].some((dir) => process.execPath.startsWith(`${dir}/`));
  return isHidden ? { NODE: process.execPath } : {};
}
