// Talking rtnetlink: sends requests, looks links up.
import { errnoOf } from '../../core/index.ts';
import type { Context } from '../state/context.ts';
import { batch, type Message, NETLINK_ROUTE, NLM_F_DUMP_INTR, parseMessages } from './netlink.ts';
import { deleteLink, getLink, type LinkInfo, type LinkRef, parseLinks } from './rtnetlink.ts';

const DUMP_ATTEMPTS = 10;

/** Sends requests in order, in the namespace at `netns` or the caller's; throws at the first refusal, after all were tried. */
export function route(ctx: Context, requests: readonly Message[], netns?: string): Message[] {
  if (requests.length === 0) return [];
  return parseMessages(ctx.core.netlink(NETLINK_ROUTE, netns, batch(requests)));
}

/** The same in a thread, for requests that the kernel takes its time with. */
export async function routeAsync(
  ctx: Context,
  requests: readonly Message[],
  netns?: string,
): Promise<Message[]> {
  if (requests.length === 0) return [];
  return parseMessages(await ctx.core.netlinkAsync(NETLINK_ROUTE, netns, batch(requests)));
}

/** Dumps again when the kernel says that something changed in the middle. */
export function dump(ctx: Context, request: Message, netns?: string): Message[] {
  for (let attempt = 1; ; attempt++) {
    const messages = route(ctx, [request], netns);
    if (attempt === DUMP_ATTEMPTS || !messages.some(({ flags }) => flags & NLM_F_DUMP_INTR)) return messages;
  }
}

/** The link, or undefined when there is none. */
export function findLink(ctx: Context, ref: LinkRef, netns?: string): LinkInfo | undefined {
  try {
    return parseLinks(route(ctx, [getLink(ref)], netns))[0];
  } catch (error) {
    if (errnoOf(error) === 'ENODEV') return undefined;
    throw error;
  }
}

/** Removes a link; a missing one is fine. */
export function removeLink(ctx: Context, ref: LinkRef, netns?: string): void {
  try {
    route(ctx, [deleteLink(ref)], netns);
  } catch (error) {
    if (errnoOf(error) !== 'ENODEV') throw error;
  }
}

/** True when the kernel lacks a kind of link. */
export function isMissingKind(error: unknown): boolean {
  return ['EOPNOTSUPP', 'ENOTSUP'].includes(errnoOf(error) ?? '');
}
