// Looking from inside a container that a compose file made: one service, one shell script, what it printed.
import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { hasBusybox, isRoot, needing } from '../support/machine.ts';
import { Stack } from '../support/stack.ts';

const BUSYBOX = '/bin/busybox';

/** Why containers of these tests cannot run here; for `describe.skipIf`. */
export const isImpossible = !(isRoot && hasBusybox);

/** The name of a group of tests, with what is missing for it. */
export function titled(title: string): string {
  return needing(title, { root: isRoot, 'busybox-static': hasBusybox });
}

export interface SceneOptions {
  /** Further YAML at the top level. */
  readonly top?: string;
  /** Further files of the project directory. */
  readonly files?: Readonly<Record<string, string>>;
  readonly env?: Readonly<Record<string, string>>;
  /** The command may exit with another code than 0. */
  readonly mayFail?: boolean;
}

export interface Seen {
  /** What the script printed on both streams. */
  readonly lines: readonly string[];
  /** What the command said about the file, one entry a line that begins with `warning`. */
  readonly warnings: readonly string[];
  readonly stderr: string;
  readonly code: number;
}

/** A project whose images may be `rootfs:./root`, a directory with busybox, root and the user www (33:44). */
export function scene(compose: string, { files = {}, env = {} }: SceneOptions = {}): Stack {
  const stack = new Stack({ compose, env });
  fillRoot(join(stack.dir, 'root'));
  for (const [path, text] of Object.entries(files)) stack.write(path, text);
  stack.write('root/etc/passwd', 'root:x:0:0:root:/root:/bin/sh\nwww:x:33:44:www:/home/www:/bin/sh\n');
  stack.write('root/etc/group', 'root:x:0:\nweb:x:44:\nextra:x:1234:www\n');
  return stack;
}

function fillRoot(root: string): void {
  for (const name of ['bin', 'tmp', 'home/www']) mkdirSync(join(root, name), { recursive: true });
  cpSync(BUSYBOX, join(root, 'bin/busybox'));
  for (const applet of execFileSync(BUSYBOX, ['--list'], { encoding: 'utf8' }).trim().split('\n')) {
    if (applet !== 'busybox') symlinkSync('busybox', join(root, 'bin', applet));
  }
}

/** The YAML of a service `app` that runs a shell script on the image of `scene`. */
export function serviceOf(attributes: string, script: string, name = 'app'): string {
  const command = JSON.stringify(['/bin/sh', '-c', script.replaceAll('$', '$$$$')]);
  const own = attributes.trim() === '' ? [] : attributes.replace(/^\n+|\s+$/g, '').split('\n');
  return [
    `  ${name}:`,
    ...(/^image:/m.test(attributes) ? [] : ['    image: rootfs:./root']),
    ...(/^(command|entrypoint):/m.test(attributes) ? [] : [`    command: ${command}`]),
    ...(/^(network_mode|networks|ports):/m.test(attributes) ? [] : ['    network_mode: none']),
    ...own.map((line) => `    ${line}`),
    '',
  ].join('\n');
}

/** Runs the script in a container with these attributes until it ends. */
export async function inside(attributes: string, script: string, options: SceneOptions = {}): Promise<Seen> {
  const compose = `services:\n${serviceOf(attributes, script)}${options.top ?? ''}`;
  await using stack = scene(compose, options);
  const seen = await look(stack);
  if (seen.code !== 0 && !options.mayFail) throw new Error(`up exited ${seen.code}:\n${seen.stderr}`);
  return seen;
}

/** Brings the project up, attached, and waits for the end of all its containers. */
export async function look(stack: Stack, ...services: string[]): Promise<Seen> {
  const { stderr, code } = await stack.run('up', ...services);
  return {
    lines: linesOf(await stack.ok('logs', '--no-log-prefix', '--no-color')),
    warnings: linesOf(stderr).filter((line) => line.startsWith('warning')),
    stderr,
    code,
  };
}

export function linesOf(text: string): string[] {
  return text.trimEnd() === '' ? [] : text.trimEnd().split('\n');
}
