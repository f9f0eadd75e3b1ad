// The one CliContext of a process: everything in it is made when it is first asked for.
import type { Project } from '../compose/project.ts';
import type { Engine } from '../engine/engine.ts';
import type { Context } from '../state/context.ts';
import type { CliContext, GlobalFlags, ProjectOptions } from './command.ts';
import { type Interrupts, watchInterrupts } from './interrupts.ts';
import { isTerminal, writeAll } from './streams.ts';
import { VERSION } from './version.ts';

/** Builds the context of this process. */
export function createContext(global: GlobalFlags, beforeReplacing: () => void): CliContext {
  let interrupts: Interrupts | undefined;
  const state = once(() => openState(global));
  return {
    global,
    get signal() {
      interrupts ??= watchInterrupts();
      return interrupts.first;
    },
    get insistence() {
      interrupts ??= watchInterrupts();
      return interrupts.second();
    },
    out: (text) => writeAll(1, text),
    err: (text) => writeAll(2, text),
    isTerminal,
    colours: (stream) => wantsColours(global, stream),
    loadProject: (options = {}) => load(global, options),
    state,
    engine: once(async () => startEngine(global, await state())),
    beforeReplacing,
  };
}

function once<T>(make: () => Promise<T>): () => Promise<T> {
  let made: Promise<T> | undefined;
  return () => {
    made ??= make();
    return made;
  };
}

function wantsColours(global: GlobalFlags, stream: 'stdout' | 'stderr'): boolean {
  if (global.ansi !== 'auto') return global.ansi === 'always';
  if (process.env.NO_COLOR || process.env.TERM === 'dumb') return false;
  return isTerminal(stream);
}

async function openState(global: GlobalFlags): Promise<Context> {
  const [{ openCore }, { resolveLayout }] = await Promise.all([
    import('../../core/index.ts'),
    import('../state/layout.ts'),
  ]);
  const layout = resolveLayout({
    stateDir: global.stateDir,
    environment: process.env,
    uid: process.getuid?.() ?? -1,
  });
  return { layout, core: openCore() };
}

async function load(global: GlobalFlags, options: ProjectOptions): Promise<Project> {
  const { loadFromFiles } = await import('./load.ts');
  const { project, warnings } = await loadFromFiles(global, options);
  if (warnings.length > 0) {
    const { renderFindings } = await import('./failure.ts');
    writeAll(2, await renderFindings(warnings, wantsColours(global, 'stderr')));
  }
  return project;
}

async function startEngine(global: GlobalFlags, state: Context): Promise<Engine> {
  const { openEngine } = await import('../engine/engine.ts');
  return openEngine(state, {
    version: VERSION,
    compatibility: global.compatibility,
    offline: global.offline,
  });
}
