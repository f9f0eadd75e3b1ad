// Which images of a project a command means: one for each image and platform, with the services that want it.
import type { Project, Service } from '../compose/project.ts';
import { ComposeError } from '../errors.ts';

export interface WantedImage {
  readonly image: string;
  readonly platform: string | undefined;
  /** The first service that wants it. */
  readonly name: string;
  readonly service: Service;
}

export interface ImageChoice {
  /** All services when empty. */
  readonly services: readonly string[];
  readonly withDependencies: boolean;
  /** Also images that are only mounted. */
  readonly mounted?: boolean;
}

/** The images of services, each once. ComposeError `unknown-service`. */
export function chooseImages(
  project: Project,
  { services, withDependencies, mounted = false }: ImageChoice,
): WantedImage[] {
  const chosen = new Map<string, WantedImage>();
  for (const name of chooseServices(project, services, withDependencies)) {
    const service = project.services[name];
    if (service === undefined) continue;
    for (const wanted of [...ownImage(name, service), ...(mounted ? mountedImages(service) : [])]) {
      const key = `${wanted.image} ${wanted.platform ?? ''}`;
      if (!isLocalOnly(wanted.image) && !chosen.has(key)) chosen.set(key, wanted);
    }
  }
  return [...chosen.values()];
}

function ownImage(name: string, service: Service): WantedImage[] {
  const { image, platform } = service;
  return image === undefined ? [] : [{ image, platform, name, service }];
}

function mountedImages({ build: _, ...service }: Service): WantedImage[] {
  return (service.volumes ?? []).flatMap(({ type, source }) =>
    type === 'image' && source ? [{ image: source, platform: undefined, name: source, service }] : [],
  );
}

function chooseServices(project: Project, named: readonly string[], withDependencies: boolean): string[] {
  const all = Object.keys(project.services).sort();
  const unknown = named.find((name) => !Object.hasOwn(project.services, name));
  if (unknown !== undefined) throw new ComposeError('unknown-service', `no such service: ${unknown}`);
  if (named.length === 0) return all;
  const reached = new Set<string>();
  const visit = (name: string): void => {
    if (reached.has(name)) return;
    reached.add(name);
    if (withDependencies)
      for (const next of Object.keys(project.services[name]?.depends_on ?? {})) visit(next);
  };
  for (const name of named) visit(name);
  return all.filter((name) => reached.has(name));
}

/** This machine and directories of it are at no registry. */
export function isLocalOnly(image: string): boolean {
  return image === 'host' || image.startsWith('rootfs:');
}

/** Runs tasks, at most `limit` at once; all of them when it is below 1. */
export async function inParallel<T>(
  items: readonly T[],
  limit: number,
  task: (item: T) => Promise<void>,
): Promise<void> {
  const queue = [...items];
  const worker = async (): Promise<void> => {
    for (let item = queue.shift(); item !== undefined; item = queue.shift()) await task(item);
  };
  await Promise.all(Array.from({ length: limit < 1 ? queue.length : Math.min(limit, queue.length) }, worker));
}
