// Authentication at registries: a challenge is answered with a token or with user and password, and remembered.
import { ComposeError } from '../errors.ts';
import { asObject } from '../state/decode.ts';
import { type Credential, findCredential } from './credentials.ts';
import { type HttpClient, type HttpRequest, type HttpResponse, readBody } from './http.ts';
import { DEFAULT_REGISTRY } from './reference.ts';

export interface Access {
  readonly host: string;
  readonly repository: string;
  /** For example `repository:library/busybox:pull`. */
  readonly scopes: readonly string[];
}

/** Sends requests with what the server wants to see. */
export interface Authorizer {
  send(request: HttpRequest, access: Access): Promise<HttpResponse>;
}

export interface AuthorizerOptions {
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly credential?: Credential;
}

interface Challenge {
  readonly scheme: string;
  readonly parameters: Readonly<Record<string, string>>;
}

/** Tokens live a minute when the server does not say; a little less is never too long. */
const SHORTEST_LIFE_S = 60;
const MARGIN_MS = 10_000;

export function createAuthorizer(http: HttpClient, options: AuthorizerOptions): Authorizer {
  const known = new Map<string, Known>();
  const asking = new Map<string, Promise<string | undefined>>();
  const send = async (request: HttpRequest, access: Access): Promise<HttpResponse> => {
    const held = known.get(keyOf(access));
    const header = await headerFor(held, access, request.signal);
    const response = await http.request(withAuthorization(request, header));
    if (response.status !== 401) return response;
    const challenge = parseChallenge(response.headers['www-authenticate']);
    if (challenge === undefined || isStream(request)) return response;
    const fresh = await ask(challenge, access, request.signal);
    if (fresh === undefined || fresh === header) return response;
    response.body.resume();
    return http.request(withAuthorization(request, fresh));
  };
  // A body that is a stream cannot be sent again: what has run out is renewed before.
  const headerFor = async (
    held: Known | undefined,
    access: Access,
    signal: AbortSignal | undefined,
  ): Promise<string | undefined> => {
    if (held === undefined) return asking.get(keyOf(access));
    return held.until > Date.now() ? held.header : ask(held.challenge, access, signal);
  };
  /** Several requests that want the same wait for one answer. */
  const ask = (
    challenge: Challenge,
    access: Access,
    signal: AbortSignal | undefined,
  ): Promise<string | undefined> => {
    const key = keyOf(access);
    const pending = asking.get(key) ?? answer(challenge, access, signal).finally(() => asking.delete(key));
    asking.set(key, pending);
    return pending;
  };
  const answer = async (
    challenge: Challenge,
    access: Access,
    signal: AbortSignal | undefined,
  ): Promise<string | undefined> => {
    const registry = access.host === 'registry-1.docker.io' ? DEFAULT_REGISTRY : access.host;
    const credential =
      options.credential ?? (await findCredential(registry, access.repository, options.environment));
    const { header, lifeS } = await answerChallenge(http, challenge, { access, credential, signal });
    if (header !== undefined)
      known.set(keyOf(access), { header, challenge, until: Date.now() + lifeS * 1000 - MARGIN_MS });
    return header;
  };
  return { send };
}

interface Known {
  readonly header: string;
  readonly challenge: Challenge;
  /** Milliseconds since 1970. */
  readonly until: number;
}

function keyOf({ host, scopes }: Access): string {
  return [host, ...scopes].join(' ');
}

/** A body that was sent once cannot be sent again here; whoever made it repeats the request. */
function isStream({ body }: HttpRequest): boolean {
  return body !== undefined && !(body instanceof Uint8Array);
}

function withAuthorization(request: HttpRequest, header: string | undefined): HttpRequest {
  if (header === undefined) return request;
  return { ...request, headers: { ...request.headers, authorization: header } };
}

/** The challenge that we can answer, a token before user and password. */
export function parseChallenge(header: string | undefined): Challenge | undefined {
  if (header === undefined) return undefined;
  const starts = [...header.matchAll(/(?:^|,\s*)(Bearer|Basic)\s+/gi)];
  const challenges = starts.map((start, index) => {
    const rest = header.slice(start.index + start[0].length, starts[index + 1]?.index);
    const parameters = [...rest.matchAll(/([\w-]+)=(?:"((?:[^"\\]|\\.)*)"|([^\s,]+))/g)];
    return {
      scheme: (start[1] ?? '').toLowerCase(),
      parameters: Object.fromEntries(
        parameters.map(([, key = '', quoted, bare]) => [key.toLowerCase(), quoted ?? bare ?? '']),
      ),
    };
  });
  return challenges.find(({ scheme }) => scheme === 'bearer') ?? challenges[0];
}

interface Answering {
  readonly access: Access;
  readonly credential: Credential | undefined;
  readonly signal: AbortSignal | undefined;
}

interface Answer {
  readonly header: string | undefined;
  readonly lifeS: number;
}

async function answerChallenge(
  http: HttpClient,
  challenge: Challenge,
  answering: Answering,
): Promise<Answer> {
  const { credential } = answering;
  if (challenge.scheme === 'bearer') return fetchToken(http, challenge, answering);
  const header = credential === undefined || credential.username === '' ? undefined : basic(credential);
  return { header, lifeS: Number.MAX_SAFE_INTEGER / 1e6 };
}

function basic({ username, password }: Credential): string {
  return `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`;
}

async function fetchToken(
  http: HttpClient,
  { parameters }: Challenge,
  answering: Answering,
): Promise<Answer> {
  const { realm } = parameters;
  if (realm === undefined || !URL.canParse(realm))
    throw new ComposeError('registry', `${answering.access.host} names no token server`);
  const response = await http.request(tokenRequest(new URL(realm), parameters.service, answering));
  const body = await readBody(response);
  if (response.status < 200 || response.status >= 300)
    throw new ComposeError(
      'registry',
      `${new URL(realm).host} gives no token for ${answering.access.repository || answering.access.host}: ${response.status}`,
      {
        hint: `check user and password: \`tscompose login ${answering.access.host}\``,
      },
    );
  const document = asObject(JSON.parse(body.toString('utf8')), 'token');
  const token = document.token ?? document.access_token;
  if (typeof token !== 'string')
    throw new ComposeError('registry', `${new URL(realm).host} answered with no token`);
  const lifeS = typeof document.expires_in === 'number' ? document.expires_in : SHORTEST_LIFE_S;
  return { header: `Bearer ${token}`, lifeS };
}

function tokenRequest(
  url: URL,
  service: string | undefined,
  { access, credential, signal }: Answering,
): HttpRequest {
  if (credential?.identityToken !== undefined) {
    const form = new URLSearchParams({
      grant_type: 'refresh_token',
      client_id: 'tscompose',
      refresh_token: credential.identityToken,
      ...(service === undefined ? {} : { service }),
      scope: access.scopes.join(' '),
    });
    const headers = { 'content-type': 'application/x-www-form-urlencoded' };
    return { method: 'POST', url, headers, body: Buffer.from(form.toString()), signal };
  }
  if (service !== undefined) url.searchParams.set('service', service);
  for (const scope of access.scopes) url.searchParams.append('scope', scope);
  if (credential === undefined) return { method: 'GET', url, signal };
  url.searchParams.set('account', credential.username);
  return { method: 'GET', url, headers: { authorization: basic(credential) }, signal };
}
