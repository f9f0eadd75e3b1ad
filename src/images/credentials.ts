// Who we are at a registry: Docker's config.json, the auth.json of containers tools, and credential helpers.
import { spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { ComposeError } from '../errors.ts';
import { asObject, type JsonObject } from '../state/decode.ts';
import { writeAtomically } from '../state/record.ts';
import { DEFAULT_REGISTRY } from './reference.ts';

type Environment = Readonly<Record<string, string | undefined>>;

export interface Credential {
  readonly username: string;
  readonly password: string;
  /** Stands for user and password at the token server. */
  readonly identityToken?: string;
}

/** The key of Docker Hub in all of these files. */
const HUB_KEY = 'https://index.docker.io/v1/';
const TOKEN_USER = '<token>';

/** The credential for a repository, from the first file that has one. ComposeError `registry` when a helper fails. */
export async function findCredential(
  registry: string,
  repository: string,
  environment: Environment,
): Promise<Credential | undefined> {
  for (const file of credentialSources(environment)) {
    const found =
      (await askHelper(file, registry, environment)) ?? storedCredential(file, registry, repository);
    if (found) return found;
  }
  return undefined;
}

/** Stores a credential where `docker login` would; returns the file or the helper that has it. */
export async function saveCredential(
  registry: string,
  credential: Credential,
  environment: Environment,
): Promise<string> {
  const path = dockerConfig(environment);
  const file = readConfig(path) ?? {};
  const helper = helperFor(file, registry);
  const key = keyOf(registry);
  if (helper !== undefined) {
    const Username = credential.identityToken === undefined ? credential.username : TOKEN_USER;
    const Secret = credential.identityToken ?? credential.password;
    await runHelper(helper, {
      verb: 'store',
      input: JSON.stringify({ ServerURL: key, Username, Secret }),
      environment,
    });
    return `docker-credential-${helper}`;
  }
  const auth = Buffer.from(`${credential.username}:${credential.password}`).toString('base64');
  const entry = { auth, ...(credential.identityToken ? { identitytoken: credential.identityToken } : {}) };
  writeConfig(path, { ...file, auths: { ...authsOf(file), [key]: entry } });
  return path;
}

/** Forgets the credential of a registry; returns whether there was one. */
export async function eraseCredential(registry: string, environment: Environment): Promise<boolean> {
  const path = dockerConfig(environment);
  const file = readConfig(path);
  if (file === undefined) return false;
  const helper = helperFor(file, registry);
  if (helper !== undefined) {
    await runHelper(helper, { verb: 'erase', input: keyOf(registry), environment });
    return true;
  }
  const auths = authsOf(file);
  const kept = Object.entries(auths).filter(([key]) => !isSameRegistry(key, registry));
  if (kept.length === Object.keys(auths).length) return false;
  writeConfig(path, { ...file, auths: Object.fromEntries(kept) });
  return true;
}

function dockerConfig({ DOCKER_CONFIG, HOME }: Environment): string {
  return DOCKER_CONFIG ? `${DOCKER_CONFIG}/config.json` : `${HOME ?? '/root'}/.docker/config.json`;
}

function credentialFiles(environment: Environment): string[] {
  const { REGISTRY_AUTH_FILE, XDG_RUNTIME_DIR, XDG_CONFIG_HOME, HOME } = environment;
  const config = XDG_CONFIG_HOME ?? (HOME ? `${HOME}/.config` : undefined);
  return [
    ...(REGISTRY_AUTH_FILE ? [REGISTRY_AUTH_FILE] : []),
    dockerConfig(environment),
    ...(XDG_RUNTIME_DIR ? [`${XDG_RUNTIME_DIR}/containers/auth.json`] : []),
    `/run/containers/${process.getuid?.() ?? 0}/auth.json`,
    ...(config ? [`${config}/containers/auth.json`] : []),
  ];
}

/** DOCKER_AUTH_CONFIG has the text of a file that comes before all others. */
function* credentialSources(environment: Environment): Generator<JsonObject> {
  const { DOCKER_AUTH_CONFIG } = environment;
  if (DOCKER_AUTH_CONFIG) yield decodeConfig('DOCKER_AUTH_CONFIG', DOCKER_AUTH_CONFIG);
  for (const path of credentialFiles(environment)) {
    const file = readConfig(path);
    if (file !== undefined) yield file;
  }
}

function readConfig(path: string): JsonObject | undefined {
  return existsSync(path) ? decodeConfig(path, readFileSync(path, 'utf8')) : undefined;
}

function decodeConfig(path: string, text: string): JsonObject {
  try {
    return asObject(JSON.parse(text), path);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new ComposeError('invalid-value', `cannot understand ${path}: ${reason}`, { cause });
  }
}

function writeConfig(path: string, value: unknown): void {
  writeAtomically(path, `${JSON.stringify(value, null, '\t')}\n`, { mode: 0o600 });
}

function authsOf(file: JsonObject): JsonObject {
  return asObject(file.auths ?? {}, 'auths');
}

function keyOf(registry: string): string {
  return registry === DEFAULT_REGISTRY ? HUB_KEY : registry;
}

/** Keys are hosts, or URLs with a path that does not matter; other paths are those of repositories. */
function isSameRegistry(key: string, registry: string): boolean {
  if (!key.includes('://') && /\/(?!v[12]\/?$)./.test(key)) return false;
  const host = key.replace(/^https?:\/\//, '').replace(/\/.*$/, '');
  return (
    host === registry || (registry === DEFAULT_REGISTRY && /^(index\.|registry-1\.)?docker\.io$/.test(host))
  );
}

function storedCredential(file: JsonObject, registry: string, repository: string): Credential | undefined {
  const auths = authsOf(file);
  // auth.json may have a longer path, which is for the repositories below it
  const scoped = Object.keys(auths)
    .filter((key) => !key.includes('://') && `${registry}/${repository}/`.startsWith(`${key}/`))
    .sort((a, b) => b.length - a.length);
  const key = scoped[0] ?? Object.keys(auths).find((candidate) => isSameRegistry(candidate, registry));
  return key === undefined ? undefined : decodeCredential(asObject(auths[key] ?? {}, key));
}

function decodeCredential(entry: JsonObject): Credential | undefined {
  const pair = typeof entry.auth === 'string' ? Buffer.from(entry.auth, 'base64').toString('utf8') : '';
  const colon = pair.indexOf(':');
  const username = colon < 0 ? textOr(entry.username) : pair.slice(0, colon);
  const password = colon < 0 ? textOr(entry.password) : pair.slice(colon + 1).replace(/\0+$/, '');
  const token = textOr(entry.identitytoken);
  if (token !== '') return { username, password, identityToken: token };
  return username === '' && password === '' ? undefined : { username, password };
}

function textOr(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

// --- helpers: `docker-credential-NAME get|store|erase`, the server on standard input, JSON on standard output ---

function helperFor(file: JsonObject, registry: string): string | undefined {
  const helpers = asObject(file.credHelpers ?? {}, 'credHelpers');
  const key = Object.keys(helpers).find((candidate) => isSameRegistry(candidate, registry));
  const name = key === undefined ? file.credsStore : helpers[key];
  return typeof name === 'string' && /^[\w.-]+$/.test(name) ? name : undefined;
}

async function askHelper(
  file: JsonObject,
  registry: string,
  environment: Environment,
): Promise<Credential | undefined> {
  const helper = helperFor(file, registry);
  if (helper === undefined) return undefined;
  const answer = await runHelper(helper, { verb: 'get', input: keyOf(registry), environment });
  if (answer === undefined) return undefined;
  const { Username, Secret } = asObject(JSON.parse(answer), `docker-credential-${helper}`);
  const username = textOr(Username);
  const secret = textOr(Secret);
  if (username === TOKEN_USER) return { username: '', password: '', identityToken: secret };
  return { username, password: secret };
}

interface HelperCall {
  readonly verb: 'get' | 'store' | 'erase';
  readonly input: string;
  readonly environment: Environment;
}

/** What the helper printed; undefined when it knows no such credential. */
function runHelper(name: string, { verb, input, environment }: HelperCall): Promise<string | undefined> {
  const program = `docker-credential-${name}`;
  return new Promise((resolve, reject) => {
    const child = spawn(program, [verb], { env: environment, stdio: ['pipe', 'pipe', 'pipe'] });
    let output = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      output += text;
    });
    child.stderr.resume();
    child.stdin.on('error', () => undefined); // a helper that ends early tells so by its exit code
    child.stdin.end(`${input}\n`);
    child.on('error', (cause) =>
      reject(
        new ComposeError('registry', `cannot run the credential helper ${program}`, {
          cause,
          hint: 'install it, or remove it from config.json',
        }),
      ),
    );
    child.on('close', (code) => {
      if (code === 0) resolve(output);
      else if (/credentials not found/i.test(output)) resolve(undefined);
      else
        reject(
          new ComposeError('registry', `${program} ${verb} failed: ${output.trim() || `exit code ${code}`}`),
        );
    });
  });
}
