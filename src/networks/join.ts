// A container joins its networks, whoever makes its interfaces there: the kernel at our word, or plugins.
import type { Context } from '../state/context.ts';
import { addByPlugins } from './cni.ts';
import { attach, type Endpoint, planInterfaces } from './endpoint.ts';
import { keepLease } from './leases.ts';

/** Puts the interfaces of a container into the namespace at `netns`; returns the endpoints with the addresses they have. */
export async function joinNetworks(
  ctx: Context,
  netns: string,
  endpoints: readonly Endpoint[],
): Promise<readonly Endpoint[]> {
  const plans = planInterfaces(endpoints);
  attach(
    ctx,
    netns,
    plans.filter(({ network }) => network.driver !== 'cni'),
  );
  const joined: Endpoint[] = [];
  for (const plan of plans) {
    if (plan.network.driver !== 'cni') {
      joined.push(plan);
      continue;
    }
    const lease = await addByPlugins(ctx, netns, plan);
    await keepLease(ctx, plan.network, plan.containerId, lease);
    joined.push({ ...plan, lease });
  }
  return joined;
}
