// Several containers on networks, and questions to the shell of one of them.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Stack } from '../../support/stack.ts';
import { linesOf, type SceneOptions, scene, serviceOf } from '../inside.ts';

/** The YAML of a service that stays and answers HTTP requests on port 80 with the name of its container. */
export function server(name: string, attributes: string): string {
  const script = 'hostname > /tmp/index.html; exec httpd -f -p 80 -h /tmp';
  const probe =
    'healthcheck: { test: "wget -qO- http://127.0.0.1/", interval: 100ms, timeout: 5s, retries: 100 }';
  return serviceOf(`init: true\n${probe}\n${attributes}`, script, name);
}

/** A project that is up. */
export async function neighbours(services: readonly string[], options: SceneOptions = {}): Promise<Stack> {
  const stack = scene(`services:\n${services.join('')}${options.top ?? ''}`, options);
  try {
    await stack.ok('up', '-d', '--wait');
    return stack;
  } catch (error) {
    await stack[Symbol.asyncDispose]();
    throw error;
  }
}

/** What a script prints in the first container of a service, a line each. */
export async function ask(stack: Stack, service: string, script: string): Promise<readonly string[]> {
  return linesOf(await stack.ok('exec', '-T', service, 'sh', '-c', script));
}

/** The host name of whoever answers at an address or name; empty when nobody does. */
export async function fetched(stack: Stack, service: string, host: string): Promise<string> {
  return (await ask(stack, service, `timeout 2 wget -qO- http://${host}/ 2>/dev/null || true`)).join('\n');
}

/** Whether networks are kept apart: not on a kernel without nf_tables for both families at once. */
export function isolates({ stateDir }: Stack): boolean {
  return readFileSync(join(stateDir, 'run/networks/firewall'), 'utf8') !== 'none';
}

/** Whether the kernel translates addresses; without that shared addresses are all replicas, and ports are relayed. */
export function translates({ stateDir }: Stack): boolean {
  return readFileSync(join(stateDir, 'run/networks/firewall'), 'utf8') === 'full';
}
