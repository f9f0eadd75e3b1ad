// Names of images as the ecosystem writes them: `[registry/]repository[:tag][@digest]`.
import { ComposeError } from '../errors.ts';

/** A complete name; `registry` is a host with an optional port. */
export interface Reference {
  readonly registry: string;
  /** Path below the registry, for example `library/busybox`. */
  readonly repository: string;
  readonly tag?: string;
  /** For example `sha256:…`; wins over the tag. */
  readonly digest?: string;
}

export const DEFAULT_REGISTRY = 'docker.io';
const DEFAULT_NAMESPACE = 'library/';
const DEFAULT_TAG = 'latest';
const LONGEST_NAME = 255;

const LABEL = '(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])';
const IPV6 = '\\[(?:[a-fA-F0-9:]+)\\]';
const DOMAIN = new RegExp(`^(?:${LABEL}(?:\\.${LABEL})*|${IPV6})(?::[0-9]+)?$`);
const COMPONENT = '[a-z0-9]+(?:(?:\\.|_|__|-+)[a-z0-9]+)*';
const REPOSITORY = new RegExp(`^${COMPONENT}(?:/${COMPONENT})*$`);
const TAG = /^\w[\w.-]{0,127}$/;
const DIGEST = /^[A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9a-fA-F]{32,}$/;
const IMAGE_ID = /^[0-9a-f]{64}$/;

/** Reads a name and completes it: `busybox` is `docker.io/library/busybox:latest`. ComposeError `invalid-value`. */
export function parseReference(text: string): Reference {
  const { name, tag, digest } = cutReference(text);
  const { registry, repository } = splitRegistry(name);
  const valid = DOMAIN.test(registry) && REPOSITORY.test(repository) && !IMAGE_ID.test(name);
  if (!valid || (tag !== undefined && !TAG.test(tag)) || (digest !== undefined && !isDigest(digest)))
    throw invalid(text, explainInvalid(text, repository));
  if (`${registry}/${repository}`.length > LONGEST_NAME)
    throw invalid(text, `the name has more than ${LONGEST_NAME} characters`);
  if (digest !== undefined) return { registry, repository, ...(tag === undefined ? {} : { tag }), digest };
  return { registry, repository, tag: tag ?? DEFAULT_TAG };
}

/** The same, or undefined when the text is no name. */
export function tryParseReference(text: string): Reference | undefined {
  try {
    return parseReference(text);
  } catch (error) {
    if (error instanceof ComposeError) return undefined;
    throw error;
  }
}

/** Whether the text is a digest of a supported algorithm, or one of another that only its form can be told of. */
export function isDigest(text: string): boolean {
  if (text.startsWith('sha256:')) return /^sha256:[0-9a-f]{64}$/.test(text);
  if (text.startsWith('sha512:')) return /^sha512:[0-9a-f]{128}$/.test(text);
  return DIGEST.test(text);
}

/** The complete name: `docker.io/library/busybox:latest`. A digest replaces the tag. */
export function formatReference(reference: Reference): string {
  const name = `${reference.registry}/${reference.repository}`;
  return reference.digest === undefined ? `${name}:${reference.tag}` : `${name}@${reference.digest}`;
}

/** The name without tag and digest, as short as people write it: `busybox`, `ghcr.io/o/app`. */
export function familiarName({ registry, repository }: Reference): string {
  if (registry !== DEFAULT_REGISTRY) return `${registry}/${repository}`;
  const short = repository.slice(DEFAULT_NAMESPACE.length);
  return repository.startsWith(DEFAULT_NAMESPACE) && !short.includes('/') ? short : repository;
}

/** The short name with tag or digest: `busybox:latest`. */
export function familiarReference(reference: Reference): string {
  const { tag, digest } = reference;
  return `${familiarName(reference)}${digest === undefined ? `:${tag}` : `@${digest}`}`;
}

function cutReference(text: string): { name: string; tag?: string; digest?: string } {
  const at = text.indexOf('@');
  const rest = at < 0 ? text : text.slice(0, at);
  const digest = at < 0 ? {} : { digest: text.slice(at + 1) };
  const colon = rest.lastIndexOf(':');
  // a colon before a slash belongs to a port, one before a bracket to an IPv6 address
  if (colon < 0 || /[/\]]/.test(rest.slice(colon))) return { name: rest, ...digest };
  return { name: rest.slice(0, colon), tag: rest.slice(colon + 1), ...digest };
}

function splitRegistry(name: string): { registry: string; repository: string } {
  const slash = name.indexOf('/');
  const first = slash < 0 ? '' : name.slice(0, slash);
  const isHost = /[.:]/.test(first) || first === 'localhost' || first !== first.toLowerCase();
  if (!isHost) return { registry: DEFAULT_REGISTRY, repository: inDefaultNamespace(name) };
  const registry = first === 'index.docker.io' ? DEFAULT_REGISTRY : first;
  const repository = name.slice(slash + 1);
  return {
    registry,
    repository: registry === DEFAULT_REGISTRY ? inDefaultNamespace(repository) : repository,
  };
}

function inDefaultNamespace(repository: string): string {
  return repository.includes('/') ? repository : `${DEFAULT_NAMESPACE}${repository}`;
}

function explainInvalid(text: string, repository: string): string | undefined {
  if (repository !== repository.toLowerCase()) return 'a repository name is written in lower case';
  if (/\s/.test(text)) return 'a name has no spaces';
  return undefined;
}

function invalid(text: string, hint: string | undefined): ComposeError {
  return new ComposeError('invalid-value', `"${text}" is no image name`, hint === undefined ? {} : { hint });
}
