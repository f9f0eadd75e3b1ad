// What every room is given: where things live, and the hands that reach the kernel.
import type { Core } from '../../core/index.ts';
import type { Layout } from './layout.ts';

export interface Context {
  readonly layout: Layout;
  readonly core: Core;
}
