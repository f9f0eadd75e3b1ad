// A container's changes as a layer on its image.
import type { Service } from '../compose/project.ts';
import { connect } from '../containers/control.ts';
import { isAlive } from '../containers/status.ts';
import { ComposeError } from '../errors.ts';
import { authorImage } from '../images/author.ts';
import { changeConfig, withVariables } from '../images/changes.ts';
import type { ImageConfig } from '../images/manifest.ts';
import { packChanges } from '../images/trees.ts';
import { containerFiles } from '../state/layout.ts';
import type { CliContext } from './command.ts';
import { imageOf } from './container-files.ts';
import type { Sighting } from './rows.ts';

export interface CommitOptions {
  readonly name: string | undefined;
  readonly service: Service | undefined;
  readonly author: string | undefined;
  readonly message: string | undefined;
  readonly changes: readonly string[];
  readonly pause: boolean;
}

/** Makes the image; returns its id. ComposeError `unsupported` for containers of this machine's own file system. */
export async function commitContainer(
  context: CliContext,
  sighting: Sighting,
  options: CommitOptions,
): Promise<string> {
  const state = await context.state();
  const image = await imageOf(state, sighting);
  if (!image.id.startsWith('sha256:'))
    throw new ComposeError('unsupported', `cannot make an image from a container of \`${image.name}\``, {
      hint: 'its layers are directories of this machine; use an image of a registry, or `tscompose image import`',
    });
  const config = changeConfig(configOf(image.config, options.service), options.changes);
  const { upper } = containerFiles(state.layout, sighting.record.id);
  const work = async (): Promise<string> => {
    const { id } = await authorImage(state, {
      base: image.id,
      layer: packChanges(state, upper),
      config,
      name: options.name,
      author: options.author,
      history: {
        created_by: sighting.record.command.join(' '),
        ...(options.message ? { comment: options.message } : {}),
      },
      signal: context.signal,
    });
    return id;
  };
  return options.pause && isAlive(sighting.status) && sighting.status.state === 'running'
    ? whilePaused(context, sighting, work)
    : work();
}

async function whilePaused(
  context: CliContext,
  { record }: Sighting,
  work: () => Promise<string>,
): Promise<string> {
  const control = await connect(await context.state(), record.id);
  try {
    await control.pause();
    try {
      return await work();
    } finally {
      await control.unpause();
    }
  } finally {
    control.close();
  }
}

/** What the container runs, where the service says something else than its image. */
function configOf(image: ImageConfig, service: Service | undefined): ImageConfig {
  if (service === undefined) return image;
  const { command, entrypoint, environment = {}, user, working_dir, labels } = service;
  const variables = Object.entries(environment).flatMap(([name, value]) =>
    value === null ? [] : [[name, value] as const],
  );
  const { Cmd: _, ...withoutCommand } = image;
  const base = entrypoint === null ? image : { ...withoutCommand, Entrypoint: entrypoint };
  return {
    ...base,
    ...(command === null ? {} : { Cmd: command }),
    ...(variables.length > 0 || image.Env ? { Env: withVariables(image.Env ?? [], variables) } : {}),
    ...(user === undefined ? {} : { User: user }),
    ...(working_dir === undefined ? {} : { WorkingDir: working_dir }),
    ...(labels === undefined ? {} : { Labels: { ...image.Labels, ...labels } }),
  };
}
