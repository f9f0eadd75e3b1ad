// The machine's IP forwarding: switched on for the first network, put back after the last.
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { ComposeError } from '../errors.ts';
import type { Context } from '../state/context.ts';
import { asDict, asString } from '../state/decode.ts';
import { readRecord, writeRecord } from '../state/record.ts';
import type { Family } from './address.ts';

const FORWARDING = {
  4: '/proc/sys/net/ipv4/ip_forward',
  6: '/proc/sys/net/ipv6/conf/all/forwarding',
} as const;
const IPV6_INTERFACES = '/proc/sys/net/ipv6/conf';

/** Setting by path: what it was before we changed it. Lives on tmpfs, because a reboot puts settings back too. */
type Changes = Readonly<Record<string, string>>;

/** Switches forwarding on for the families of a network. */
export function enableForwarding(ctx: Context, families: ReadonlySet<Family>): void {
  const wanted = [...families].flatMap((family) => settingsFor(family));
  const before = readChanges(ctx);
  const needed = wanted.filter(({ path, value }) => readSetting(path) !== value);
  if (needed.length === 0) return;
  // Remembered first: a change that nobody remembers would stay for good.
  const changes = Object.fromEntries(needed.map(({ path }) => [path, readSetting(path) ?? '']));
  writeRecord(changesFile(ctx), { ...changes, ...before });
  for (const { path, value } of needed) writeSetting(path, value);
}

/** Puts back what was changed. */
export function restoreForwarding(ctx: Context): void {
  for (const [path, value] of Object.entries(readChanges(ctx)).reverse()) {
    // An interface may have gone meanwhile.
    if (existsSync(path)) writeSetting(path, value);
  }
  rmSync(changesFile(ctx), { force: true });
}

interface Setting {
  readonly path: string;
  readonly value: string;
}

function settingsFor(family: Family): Setting[] {
  const forwarding = { path: FORWARDING[family], value: '1' };
  if (!existsSync(forwarding.path) || readSetting(forwarding.path) === '1') return [];
  return family === 4 ? [forwarding] : [...keepRouterAdvertisements(), forwarding];
}

// A forwarding machine ignores router advertisements, and with them loses its own default route, unless told otherwise.
function keepRouterAdvertisements(): Setting[] {
  return readdirSync(IPV6_INTERFACES)
    .map((name) => ({ path: `${IPV6_INTERFACES}/${name}/accept_ra`, value: '2' }))
    .filter(({ path }) => readSetting(path) === '1');
}

function readSetting(path: string): string | undefined {
  return existsSync(path) ? readFileSync(path, 'utf8').trim() : undefined;
}

function writeSetting(path: string, value: string): void {
  try {
    writeFileSync(path, value);
  } catch (cause) {
    throw new ComposeError('system', `cannot set ${path} to ${value}`, {
      cause,
      hint: 'containers need IP forwarding to reach other machines: set it by hand where it cannot be set here',
    });
  }
}

function changesFile({ layout }: Context): string {
  return `${layout.runDir}/networks/forwarding`;
}

function readChanges(ctx: Context): Changes {
  return readRecord(changesFile(ctx), (value) => asDict(value, 'forwarding', asString)) ?? {};
}
