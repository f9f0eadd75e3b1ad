// Networks of this machine: making, finding and removing them.

import { existsSync, rmSync } from 'node:fs';
import { ComposeError } from '../errors.ts';
import type { Context } from '../state/context.ts';
import { containerFiles, networkFiles } from '../state/layout.ts';
import type { Family } from './address.ts';
import { ensureInterface, removeInterfaces } from './bridge.ts';
import { probeChild } from './child.ts';
import { forgetAttachments } from './cni.ts';
import {
  addToFirewall,
  otherTables,
  rebuildFirewall,
  removeFirewall,
  removeFromFirewall,
} from './firewall.ts';
import { enableForwarding, restoreForwarding } from './forwarding.ts';
import { containerName, locked, writeNetwork } from './leases.ts';
import { forwardings, nobody, type Running } from './ports.ts';
import { hasBridge, listNetworks, type NetworkRecord } from './record.ts';
import { networkElements } from './table.ts';
import { type NetworkWanted, planNetwork } from './wanted.ts';

/** Finds a network by its name on this machine. */
export function findNetwork(ctx: Context, name: string): NetworkRecord | undefined {
  return listNetworks(ctx).find((network) => network.name === name);
}

/**
 * The network of that name, made when there is none; its interface and firewall elements are made again when they
 * have vanished. An existing one is not compared with what is wanted: that is the plan's work (configHash).
 */
export function ensureNetwork(
  ctx: Context,
  wanted: NetworkWanted,
  running: Running = nobody,
): Promise<NetworkRecord> {
  return locked(ctx, () => {
    const networks = listNetworks(ctx);
    const existing = networks.find(({ name }) => name === wanted.name);
    const network = existing ?? planNetwork(ctx, wanted, networks);
    // The record comes first: whatever a killed command leaves half-made, the next one finds and completes.
    if (!existing) writeNetwork(ctx, network);
    try {
      raise(ctx, network, { all: existing ? networks : [...networks, network], running });
      if (!existing) probeChild(ctx, network);
    } catch (error) {
      if (!existing) discard(ctx, network, networks);
      throw error;
    }
    return network;
  });
}

interface Surroundings {
  readonly all: readonly NetworkRecord[];
  readonly running: Running;
}

function raise(ctx: Context, network: NetworkRecord, { all, running }: Surroundings): void {
  ensureInterface(ctx, network);
  if (!hasBridge(network)) return;
  if (!addToFirewall(ctx, networkElements(network))) {
    rebuildFirewall(ctx, all, running().flatMap(forwardings));
  }
  if (!network.internal) enableForwarding(ctx, familiesOf(network));
}

function discard(ctx: Context, network: NetworkRecord, others: readonly NetworkRecord[]): void {
  try {
    lower(ctx, [network], others);
  } catch {
    // The reason why it could not be made is the better message.
  }
  // Last: what a killed command leaves known, the next one removes.
  rmSync(networkFiles(ctx.layout, network.id).record, { force: true });
}

/** Takes down what networks have in the kernel; `others` are those that stay. */
function lower(ctx: Context, networks: readonly NetworkRecord[], others: readonly NetworkRecord[]): void {
  if (others.some(hasBridge)) removeFromFirewall(ctx, networks.flatMap(networkElements));
  else removeFirewall(ctx);
  if (others.length === 0 && otherTables(ctx).length === 0) restoreForwarding(ctx);
  removeInterfaces(ctx, networks);
}

function familiesOf({ subnets }: NetworkRecord): Set<Family> {
  return new Set(subnets.map(({ subnet }) => (subnet.includes(':') ? 6 : 4)));
}

/** Removes networks; ComposeError `network-in-use` when containers still have addresses on one. */
export function removeNetworks(ctx: Context, networks: readonly NetworkRecord[]): Promise<void> {
  return locked(ctx, () => {
    const all = listNetworks(ctx);
    const ids = new Set(networks.map(({ id }) => id));
    const going = all.filter(({ id }) => ids.has(id));
    for (const network of going) refuseInUse(ctx, network);
    lower(
      ctx,
      going,
      all.filter(({ id }) => !ids.has(id)),
    );
    for (const { id } of going) {
      rmSync(networkFiles(ctx.layout, id).runDir, { recursive: true, force: true });
      rmSync(networkFiles(ctx.layout, id).record, { force: true });
    }
    for (const network of going) forgetAttachments(ctx, network);
  });
}

export function removeNetwork(ctx: Context, network: NetworkRecord): Promise<void> {
  return removeNetworks(ctx, [network]);
}

function refuseInUse(ctx: Context, { name, leases }: NetworkRecord): void {
  // A container whose record is gone has left its lease behind.
  const holders = Object.keys(leases).filter((id) => existsSync(containerFiles(ctx.layout, id).record));
  if (holders.length === 0) return;
  const names = holders.map((id) => containerName(ctx, id)).sort();
  throw new ComposeError('network-in-use', `network "${name}" is in use by ${names.join(', ')}`, {
    hint: 'remove these containers first',
  });
}
