// What a machine cannot honour: said once, never dropped silently.

export interface Warning {
  /** The attribute as the compose file has it, for example `mem_swappiness`. */
  readonly attribute: string;
  /** Why it has no effect: one lower-case clause. */
  readonly reason: string;
}
