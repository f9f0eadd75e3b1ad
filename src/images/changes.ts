// Instructions of a Dockerfile that change what containers of an image run: the `--change` of commit and import.
import { ComposeError } from '../errors.ts';
import type { ImageConfig } from './manifest.ts';

type Change = (config: ImageConfig, value: string) => ImageConfig;

const CHANGES: Readonly<Record<string, Change>> = {
  CMD: (config, value) => ({ ...config, Cmd: wordsOf(value) }),
  ENTRYPOINT: (config, value) => ({ ...config, Entrypoint: wordsOf(value) }),
  ENV: (config, value) => ({ ...config, Env: withVariables(config.Env ?? [], pairsOf(value)) }),
  EXPOSE: (config, value) => ({ ...config, ExposedPorts: { ...config.ExposedPorts, ...portsOf(value) } }),
  LABEL: (config, value) => ({
    ...config,
    Labels: { ...config.Labels, ...Object.fromEntries(pairsOf(value)) },
  }),
  ONBUILD: (config, value) => ({ ...config, OnBuild: [...(config.OnBuild ?? []), value] }),
  STOPSIGNAL: (config, value) => ({ ...config, StopSignal: value }),
  USER: (config, value) => ({ ...config, User: value }),
  VOLUME: (config, value) => ({ ...config, Volumes: { ...config.Volumes, ...emptyOf(listOf(value)) } }),
  WORKDIR: (config, value) => ({ ...config, WorkingDir: value }),
};

/** The configuration with the instructions applied in their order. ComposeError `invalid-value`. */
export function changeConfig(config: ImageConfig, instructions: readonly string[]): ImageConfig {
  return instructions.reduce((changed, instruction) => {
    const [, name = '', value = ''] = /^\s*(\w+)\s+([\s\S]*?)\s*$/.exec(instruction) ?? [];
    const change = CHANGES[name.toUpperCase()];
    if (change === undefined)
      throw new ComposeError('invalid-value', `"${instruction}" cannot be applied to an image`, {
        hint: `one of ${Object.keys(CHANGES).join(', ')}`,
      });
    return change(changed, value);
  }, config);
}

/** Variables in which later ones win and keep the place of the earlier. */
export function withVariables(
  present: readonly string[],
  added: readonly (readonly [string, string])[],
): string[] {
  const all = new Map(present.map((entry) => [entry.split('=', 1)[0] ?? '', entry]));
  for (const [name, value] of added) all.set(name, `${name}=${value}`);
  return [...all.values()];
}

/** The JSON form as it is, anything else for a shell. */
function wordsOf(value: string): string[] {
  return jsonList(value) ?? ['/bin/sh', '-c', value];
}

function listOf(value: string): string[] {
  return jsonList(value) ?? value.split(/\s+/);
}

function jsonList(value: string): string[] | undefined {
  try {
    const list: unknown = JSON.parse(value);
    return Array.isArray(list) && list.every((word) => typeof word === 'string') ? list : undefined;
  } catch {
    return undefined; // not the JSON form
  }
}

/** `A=b C="d e"`, or `A b c` for one variable. */
function pairsOf(value: string): (readonly [string, string])[] {
  const single = /^([^\s=]+)\s+(.*)$/s.exec(value);
  if (single) return [[single[1] ?? '', unquoted(single[2] ?? '')]];
  const pairs = [...value.matchAll(/([^\s=]+)=((?:"(?:[^"\\]|\\.)*"|'[^']*'|\\.|[^\s"'\\])*)/gs)];
  return pairs.map(([, name = '', text = '']) => [name, unquoted(text)] as const);
}

function unquoted(text: string): string {
  return text.replace(
    /"((?:[^"\\]|\\.)*)"|'([^']*)'|\\(.)/gs,
    (_, double?: string, single?: string, escaped?: string) =>
      double !== undefined ? double.replace(/\\(["\\$])/g, '$1') : (single ?? escaped ?? ''),
  );
}

function portsOf(value: string): Record<string, object> {
  return emptyOf(value.split(/\s+/).map((port) => (port.includes('/') ? port : `${port}/tcp`)));
}

function emptyOf(names: readonly string[]): Record<string, object> {
  return Object.fromEntries(names.map((name) => [name, {}]));
}
