// Services that another program provides: it is called, and answers with lines of JSON.
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import type { Service } from '../compose/project.ts';
import { ComposeError, InternalError, type Position } from '../errors.ts';
import type { ActionOf } from '../plan/plan.ts';
import type { ProviderVariables } from './injection.ts';
import type { Session } from './session.ts';

export interface ProviderCall {
  readonly project: string;
  readonly name: string;
  readonly provider: NonNullable<Service['provider']>;
  readonly verb: 'up' | 'down' | 'stop';
  readonly workingDir: string;
  readonly environment: Readonly<Record<string, string>>;
  readonly at: Position | undefined;
  readonly signal: AbortSignal;
  readonly onLine: (stream: 'stdout' | 'stderr', line: string) => void;
}

interface Answer {
  readonly prefixed: Record<string, string>;
  readonly raw: Record<string, string>;
  readonly errors: string[];
}

/** Performs an action on a provided service; what it tells is kept for the services that depend on it. */
export async function runProvider(
  session: Session,
  action: ActionOf<'run-provider'>,
  signal: AbortSignal,
): Promise<void> {
  const { project } = session;
  const { service: name, verb } = action;
  const provider = project.services[name]?.provider;
  if (provider === undefined) throw new InternalError(`service ${name} has no provider`);
  const told = await callProvider({
    project: project.name,
    name,
    provider,
    verb,
    workingDir: project.workingDir,
    environment: project.environment,
    at: project.positionOf(`services.${name}.provider`),
    signal,
    onLine: (stream, line) => session.emit({ type: 'output', action, stream, line }),
  });
  session.provided.push(told);
}

/** Runs the program of a provider; ComposeError `command-not-found` or `dependency-failed` when it cannot or fails. */
export async function callProvider(call: ProviderCall): Promise<ProviderVariables> {
  const candidates = [`docker-${call.provider.type}`, call.provider.type];
  for (const program of candidates) {
    const variables = await attempt(program, call);
    if (variables !== undefined) return variables;
  }
  const message = `service ${call.name} needs the program ${candidates.join(' or ')}, which is not in PATH`;
  throw new ComposeError('command-not-found', message, optionalAt(call));
}

function attempt(program: string, call: ProviderCall): Promise<ProviderVariables | undefined> {
  const answer: Answer = { prefixed: {}, raw: {}, errors: [] };
  const child = spawn(program, providerArguments(call), {
    cwd: call.workingDir,
    env: { ...process.env, ...call.environment },
    stdio: ['ignore', 'pipe', 'pipe'],
    signal: call.signal,
  });
  createInterface({ input: child.stdout }).on('line', (line) => understand(line, answer, call));
  createInterface({ input: child.stderr }).on('line', (line) => call.onLine('stderr', line));
  return new Promise((resolve, reject) => {
    child.once('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') resolve(undefined);
      else reject(failure(call, error.message, error));
    });
    child.once('close', (code) => {
      const { prefixed, raw, errors } = answer;
      if (code === 0) resolve({ service: call.name, prefixed, raw });
      else if (code !== null && code >= 0) reject(failure(call, errors.at(-1) ?? `exit code ${code}`));
      else resolve(undefined);
    });
  });
}

/** `compose --project-name=P up --option=value SERVICE`. */
export function providerArguments({ project, name, provider, verb }: ProviderCall): readonly string[] {
  const options = Object.entries(provider.options ?? {}).flatMap(([key, values]) =>
    values.map((value) => `--${key}=${value}`),
  );
  return ['compose', `--project-name=${project}`, verb, ...options, name];
}

function understand(line: string, answer: Answer, { onLine }: ProviderCall): void {
  const { type, message } = parse(line);
  switch (type) {
    case 'setenv':
    case 'rawsetenv': {
      const at = message.indexOf('=');
      if (at > 0)
        answer[type === 'setenv' ? 'prefixed' : 'raw'][message.slice(0, at)] = message.slice(at + 1);
      break;
    }
    case 'error':
      answer.errors.push(message);
      onLine('stderr', message);
      break;
    case 'debug':
      break;
    default:
      onLine('stdout', message);
  }
}

function parse(line: string): { readonly type: string; readonly message: string } {
  try {
    const value: unknown = JSON.parse(line);
    if (typeof value === 'object' && value !== null && 'type' in value && 'message' in value) {
      return { type: String(value.type), message: String(value.message) };
    }
  } catch {
    // not JSON: shown as it is
  }
  return { type: 'info', message: line };
}

function failure(call: ProviderCall, why: string, cause?: unknown): ComposeError {
  return new ComposeError('dependency-failed', `provider of service ${call.name} failed: ${why}`, {
    ...optionalAt(call),
    cause,
  });
}

function optionalAt({ at }: ProviderCall) {
  return at === undefined ? {} : { at };
}
