// What the engine tells the world while it works.
import type { Position } from './errors.ts';
import type { Progress as TransferProgress } from './images/ingest.ts';
import type { Action, Plan } from './plan/plan.ts';

/** Told while a goal is being reached, in the order in which it happens. */
export type EngineEvent =
  /** Another command works on the project; this one goes on when that has ended. */
  | { readonly type: 'lock-waiting'; readonly project: string }
  /** What is going to be done; a goal may take more than one plan. */
  | { readonly type: 'planned'; readonly plan: Plan }
  | { readonly type: 'action-started'; readonly action: Action }
  | { readonly type: 'action-done'; readonly action: Action; readonly elapsedMs: number }
  | {
      readonly type: 'action-failed';
      readonly action: Action;
      readonly elapsedMs: number;
      readonly error: Error;
    }
  /** How far a part of an image is that the action brings here. */
  | { readonly type: 'transfer'; readonly action: Action; readonly progress: TransferProgress }
  /** `because`: what failed before it; undefined: the goal was given up. */
  | { readonly type: 'action-skipped'; readonly action: Action; readonly because: Action | undefined }
  | {
      readonly type: 'warning';
      readonly message: string;
      readonly hint?: string;
      /** Where the compose file asks for what is warned about. */
      readonly at?: Position;
    }
  /** A line that a provider or a hook wrote, or a step of getting an image. */
  | {
      readonly type: 'output';
      readonly action: Action;
      readonly stream: 'stdout' | 'stderr';
      readonly line: string;
    };

export type OnEvent = (event: EngineEvent) => void;
