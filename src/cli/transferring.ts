// Several images pulled or pushed at the same time, over shared connections, with one display.
import { openRegistries, type RegistryClient } from '../images/registry.ts';
import type { CliContext } from './command.ts';
import { inParallel } from './image-choice.ts';
import { createTransfers, type Transfer, type TransferWords } from './transfers.ts';

export interface Transferring<T> {
  readonly words: TransferWords;
  readonly quiet: boolean;
  readonly nameOf: (item: T) => string;
  /** Why an item stays where it is; undefined when it goes. */
  readonly skip?: (item: T) => Promise<string | undefined> | string | undefined;
  readonly perform: (item: T, transfer: Transfer, registries: RegistryClient) => Promise<void>;
}

export interface TransferFailure<T> {
  readonly item: T;
  readonly error: unknown;
}

/** Transfers every item; what failed is returned in the order in which it did. Throws when it was interrupted. */
export async function transferAll<T>(
  context: CliContext,
  items: readonly T[],
  { words, quiet, nameOf, skip, perform }: Transferring<T>,
): Promise<readonly TransferFailure<T>[]> {
  const transfers = createTransfers(context, words, quiet);
  const registries = openRegistries({ environment: process.env });
  const failures: TransferFailure<T>[] = [];
  try {
    await inParallel(items, context.global.parallel, async (item) => {
      const reason = await skip?.(item);
      if (reason !== undefined) return transfers.skip(nameOf(item), reason);
      const transfer = transfers.add(nameOf(item));
      if (context.global.dryRun) return transfer.done('(dry run)');
      try {
        await perform(item, transfer, registries);
      } catch (error) {
        if (context.signal.aborted) throw error;
        transfer.failed(error instanceof Error ? error.message : String(error));
        failures.push({ item, error });
      }
    });
  } finally {
    registries.close();
    transfers.finish();
  }
  return failures;
}
