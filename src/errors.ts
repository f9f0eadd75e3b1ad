// What can go wrong, as values: expected failures (ComposeError) and bugs (InternalError).

/** A place in a compose file. Lines and columns count from 1, columns in UTF-16 units. */
export interface Position {
  readonly file: string;
  readonly line: number;
  readonly column: number;
  /** First column after the offending text, on the same line. */
  readonly endColumn?: number;
}

/** One finding about the input; a load collects all of a stage before it fails. */
export interface Diagnostic {
  readonly severity: 'error' | 'warning';
  readonly code: ErrorCode;
  /** One lower-case sentence that names the offending thing. */
  readonly message: string;
  readonly at?: Position;
  /** The likely cure, when there is one. */
  readonly hint?: string;
  /** Dotted path in the model, for example `services.web.ports[0]`. */
  readonly path?: string;
}

/**
 * Stable names of everything that can go wrong; `tscompose explain CODE` tells more.
 * Grouped by the room that raises them.
 */
export type ErrorCode =
  // cli
  | 'usage'
  | 'interrupted'
  // compose: files and syntax
  | 'file-not-found'
  | 'file-unreadable'
  | 'yaml-syntax'
  | 'duplicate-key'
  | 'unknown-key'
  | 'wrong-type'
  | 'invalid-value'
  | 'missing-key'
  | 'conflicting-keys'
  | 'interpolation'
  | 'required-variable'
  | 'unset-variable'
  | 'env-file'
  | 'merge-conflict'
  | 'include'
  | 'extends'
  | 'undefined-reference'
  | 'dependency-cycle'
  | 'unknown-service'
  | 'project-name'
  | 'legacy-format'
  | 'deprecated'
  | 'suspicious-value'
  | 'input-limit'
  // compose: lint
  | 'untagged-image'
  | 'exposed-port'
  | 'scaled-port'
  | 'duplicate-port'
  | 'unquoted-port'
  | 'healthcheck-form'
  | 'missing-healthcheck'
  | 'unused-healthcheck'
  | 'restart-conflict'
  | 'inline-secret'
  | 'quoted-value'
  | 'changed-value'
  | 'cut-command'
  | 'weak-isolation'
  | 'engine-socket'
  | 'host-mount'
  | 'static-address'
  | 'unused-resource'
  | 'without-effect'
  // engine and rooms
  | 'dependency-failed'
  | 'unhealthy'
  | 'timeout'
  | 'name-conflict'
  | 'port-in-use'
  | 'address-in-use'
  | 'subnet-conflict'
  | 'network-in-use'
  | 'network-plugin'
  | 'network-not-found'
  | 'volume-not-found'
  | 'volume-in-use'
  | 'image-not-found'
  | 'image-invalid'
  | 'image-in-use'
  | 'registry'
  | 'digest-mismatch'
  | 'bind-source-missing'
  | 'container-not-found'
  | 'container-not-running'
  | 'container-state'
  | 'launch-step'
  | 'copy'
  | 'command-not-found'
  | 'command-not-executable'
  | 'unknown-user'
  | 'working-directory'
  | 'not-root'
  | 'kernel-feature'
  | 'disk-full'
  | 'state-corrupt'
  | 'locked'
  | 'unsupported'
  | 'system';

export interface ComposeErrorOptions {
  readonly hint?: string;
  readonly at?: Position;
  /** The attribute of the service that it is about, such as `ulimits.nofile`: who knows the file finds the place. */
  readonly path?: string;
  readonly cause?: unknown;
  /** All findings of the stage that failed, when the error stands for several. */
  readonly diagnostics?: readonly Diagnostic[];
}

/** An expected failure: what could not be done, to which object, where, and what to do about it. */
export class ComposeError extends Error {
  readonly code: ErrorCode;
  readonly hint: string | undefined;
  readonly at: Position | undefined;
  readonly path: string | undefined;
  readonly diagnostics: readonly Diagnostic[];

  constructor(code: ErrorCode, message: string, options: ComposeErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'ComposeError';
    this.code = code;
    this.hint = options.hint;
    this.at = options.at;
    this.path = options.path;
    this.diagnostics = options.diagnostics ?? [];
  }
}

/** What kept a goal from being reached after its plan had begun: whatever its code, the command itself was right. */
export class ActionError extends ComposeError {}

/** A bug of tscompose: an invariant did not hold. The terminal asks the user to report it. */
export class InternalError extends Error {
  constructor(message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.name = 'InternalError';
  }
}

/** For the `default` of an exhaustive switch. */
export function unreachable(value: never): never {
  throw new InternalError(`unexpected value ${JSON.stringify(value)}`);
}
