// The configuration of a container as it was when it was created.
import { readFileSync } from 'node:fs';
import type { OciSpec } from '../oci.ts';
import type { RuntimeContext } from './context.ts';
import { decodeBundle } from './decode.ts';
import { type RuntimeRecord, runtimeFiles } from './state.ts';

export function configOf(ctx: Pick<RuntimeContext, 'root'>, { id, bundle }: RuntimeRecord): OciSpec {
  return decodeBundle(readFileSync(runtimeFiles(ctx.root, id).config, 'utf8'), bundle);
}
