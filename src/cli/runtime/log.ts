// The log of `runtime`: engines read its last line to learn why an operation failed.
import { appendFileSync } from 'node:fs';
import type { CliContext } from '../command.ts';
import { BrokenPipe } from '../streams.ts';

export interface RuntimeLogOptions {
  /** Undefined: standard error only. */
  readonly path: string | undefined;
  readonly json: boolean;
}

export interface RuntimeLog {
  warn(message: string): void;
  /** The exit code of an operation that failed. */
  fail(error: unknown): number;
}

export function createRuntimeLog(context: CliContext, options: RuntimeLogOptions): RuntimeLog {
  const { path } = options;
  const write = (level: string, message: string) => {
    if (path !== undefined) appendFileSync(path, `${entry(level, message, options.json)}\n`, { mode: 0o644 });
  };
  return {
    warn(message) {
      write('warning', message);
      if (path === undefined) context.err(`warning: ${message}\n`);
    },
    fail(error) {
      if (error instanceof BrokenPipe) throw error;
      const message = error instanceof Error ? error.message : String(error);
      write('error', message);
      context.err(`tscompose runtime: ${message}\n`);
      return 1;
    },
  };
}

function entry(level: string, msg: string, json: boolean): string {
  const time = new Date().toISOString();
  return json
    ? JSON.stringify({ level, msg, time })
    : `time="${time}" level=${level} msg=${JSON.stringify(msg)}`;
}
