// Asking the shim of a container that may end at any moment.
import { connect } from '../containers/container.ts';
import type { Control } from '../containers/control.ts';
import { isAlive, readStatus } from '../containers/status.ts';
import { ComposeError } from '../errors.ts';
import type { Context } from '../state/context.ts';

/** Connects, asks and closes; a container that has ended in the meantime has nothing to be asked. */
export async function withControl(
  ctx: Context,
  id: string,
  ask: (control: Control) => Promise<void>,
): Promise<void> {
  let control: Control | undefined;
  try {
    control = await connect(ctx, id);
    await ask(control);
  } catch (error) {
    if (!isGone(error) || isAlive(readStatus(ctx, id))) throw error;
  } finally {
    control?.close();
  }
}

function isGone(error: unknown): boolean {
  return (
    error instanceof ComposeError &&
    (error.code === 'container-not-running' || error.code === 'container-state')
  );
}
