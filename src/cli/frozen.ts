// `--frozen`: a project whose images are exactly those of tscompose.lock.
import type { Mount, Project, Service } from '../compose/project.ts';
import { ComposeError } from '../errors.ts';
import { frozenImage, LOCK_FILE, type LockFile, readLockFile } from '../images/lockfile.ts';
import { isLocalOnly } from './image-choice.ts';

/** The project with digests instead of tags. ComposeError `image-not-found` for what the lock file does not have. */
export function freezeProject(project: Project): Project {
  const lock = readLockFile(`${project.workingDir}/${LOCK_FILE}`);
  if (lock === undefined)
    throw new ComposeError('image-not-found', `there is no ${LOCK_FILE} in ${project.workingDir}`, {
      hint: 'run `tscompose lock update`',
    });
  const services = Object.entries(project.services).map(([name, service]) => {
    return [name, freezeService(lock, service)] as const;
  });
  return { ...project, services: Object.fromEntries(services) };
}

function freezeService(lock: LockFile, service: Service): Service {
  const { image, build, platform, volumes } = service;
  const isRemote = image !== undefined && build === undefined && !isLocalOnly(image);
  return {
    ...service,
    ...(isRemote && { image: frozenImage(lock, image, platform) }),
    ...(volumes !== undefined && { volumes: volumes.map((mount) => freezeMount(lock, mount)) }),
  };
}

function freezeMount(lock: LockFile, mount: Mount): Mount {
  if (mount.type !== 'image' || mount.source === undefined || isLocalOnly(mount.source)) return mount;
  return { ...mount, source: frozenImage(lock, mount.source) };
}
