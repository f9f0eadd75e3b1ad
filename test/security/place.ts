// A container that tries to get out, made from a compose file: what it finds, and programs that busybox does not have.
import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { type SceneOptions, scene, serviceOf } from '../attributes/inside.ts';
import { eventually } from '../support/eventually.ts';
import type { Stack } from '../support/stack.ts';

export interface PlaceOptions extends SceneOptions {
  /** C sources that become programs in the image's /bin, by name. */
  readonly programs?: Readonly<Record<string, string>>;
}

/** A project with the service `app`, not started yet. */
export function place(attributes: string, script: string, options: PlaceOptions = {}): Stack {
  const stack = scene(`services:\n${serviceOf(attributes, script)}${options.top ?? ''}`, options);
  for (const [name, source] of Object.entries(options.programs ?? {}))
    compile(source, join(stack.dir, 'root/bin', name));
  return stack;
}

/** Builds a static program. */
export function compile(source: string, target: string): void {
  mkdirSync(dirname(target), { recursive: true });
  writeFileSync(`${target}.c`, source);
  execFileSync('cc', ['-D_GNU_SOURCE', '-O1', '-static', '-o', target, `${target}.c`]);
}

/** Runs the script in a container with these attributes; what it printed on both streams, line by line. */
export async function attempt(
  attributes: string,
  script: string,
  options: PlaceOptions = {},
): Promise<readonly string[]> {
  await using stack = place(attributes, script, options);
  const { code, stderr } = await stack.run('up');
  if (code !== 0 && !options.mayFail) throw new Error(`up exited ${code}:\n${stderr}`);
  return await logged(stack);
}

/** What the container has printed so far. */
export async function logged(stack: Stack): Promise<readonly string[]> {
  const text = await stack.ok('logs', '--no-log-prefix', '--no-color');
  return text.split('\n').filter((line) => line !== '');
}

/** Waits until the container has printed this line. */
export function saying(stack: Stack, line: string): Promise<void> {
  return eventually(async () => {
    if (!(await logged(stack)).includes(line)) throw new Error(`the container never said ${line}`);
  });
}

export const FOREVER = 'sleep 600';
