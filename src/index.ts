// The TypeScript API: load a project, plan, and reach goals.
import { openCore } from '../core/index.ts';
import { type Engine, type EngineOptions, openEngine as openOn } from './engine/engine.ts';
import { resolveLayout } from './state/layout.ts';

export { type Loaded, type LoadOptions, loadProject } from './compose/load.ts';
export type { Project, Service } from './compose/project.ts';
export type {
  ApplyOptions,
  Engine,
  EngineOptions,
  Result,
  RunOptions,
  RunRequest,
  RunResult,
} from './engine/engine.ts';
export type { Diagnostic, ErrorCode, Position } from './errors.ts';
export { ComposeError, InternalError } from './errors.ts';
export type { EngineEvent, OnEvent } from './events.ts';
export type { Goal } from './plan/goal.ts';
export type { Action, Plan } from './plan/plan.ts';
export { renderPlan } from './plan/plan.ts';

export interface OpenOptions extends EngineOptions {
  /** Where everything is kept; the system's or the user's directory unless given. */
  readonly stateDir?: string;
}

/** Opens the engine of this machine. */
export function openEngine({ stateDir, ...options }: OpenOptions = {}): Engine {
  const uid = process.getuid?.() ?? -1;
  const layout = resolveLayout({ stateDir, environment: process.env, uid });
  return openOn({ layout, core: openCore() }, options);
}
