// Compiled filters kept on disk by what they were made of: reading one costs a tenth of compiling it again.
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { Context } from '../state/context.ts';
import { cacheDir } from '../state/layout.ts';
import { writeAtomically } from '../state/record.ts';
import type { OciSeccomp } from './oci.ts';
import { COMPILER_VERSION, compileSeccomp } from './seccomp-bpf.ts';

export interface CompiledFilter {
  readonly flags: number;
  /** `struct sock_filter` array. */
  readonly filter: Uint8Array;
}

const FLAGS_BYTES = 4;
const INSTRUCTION_BYTES = 8;

const inMemory = new WeakMap<OciSeccomp, CompiledFilter>();

/** The filter of these rules, compiled when no container and no command before needed it. */
export function storedFilter(ctx: Context, rules: OciSeccomp): CompiledFilter {
  const filter = inMemory.get(rules) ?? filterOnDisk(ctx, rules);
  inMemory.set(rules, filter);
  return filter;
}

function filterOnDisk(ctx: Context, rules: OciSeccomp): CompiledFilter {
  const digest = createHash('sha256').update(JSON.stringify(rules)).digest('hex');
  const path = `${cacheDir(ctx.layout)}/seccomp-${COMPILER_VERSION}-${digest}`;
  const known = read(path);
  if (known !== undefined) return known;
  const compiled = compileSeccomp(rules);
  const flags = Buffer.alloc(FLAGS_BYTES);
  flags.writeUInt32LE(compiled.flags);
  writeAtomically(path, Buffer.concat([flags, compiled.filter]));
  return compiled;
}

// The file was renamed into place, but a power cut may have taken what was in it.
function read(path: string): CompiledFilter | undefined {
  try {
    const bytes = readFileSync(path);
    const filter = bytes.subarray(FLAGS_BYTES);
    if (filter.length === 0 || filter.length % INSTRUCTION_BYTES !== 0 || filter.at(-8) === 0)
      return undefined;
    return { flags: bytes.readUInt32LE(0), filter };
  } catch {
    return undefined;
  }
}
