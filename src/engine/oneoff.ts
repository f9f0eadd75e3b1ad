// The service that a one-off container is made from: `run` changes some of it.
import type { Dict, Mount, PortBinding, Service } from '../compose/project.ts';

/** What `run` may be told; what is left out stays as the service has it. */
export interface OneoffOptions {
  readonly command?: readonly string[];
  /** Drops the service's command too. */
  readonly entrypoint?: readonly string[];
  readonly environment?: Dict<string | null>;
  readonly user?: string;
  readonly workingDir?: string;
  readonly labels?: Dict<string>;
  readonly ports?: readonly PortBinding[];
  /** The service's own ports too. */
  readonly servicePorts?: boolean;
  readonly volumes?: readonly Mount[];
  readonly capAdd?: readonly string[];
  readonly capDrop?: readonly string[];
  readonly tty?: boolean;
  readonly stdinOpen?: boolean;
}

/** The service as its one-off container has it: no restarts, no ports and no fixed name unless asked for. */
export function oneoffService(service: Service, options: OneoffOptions): Service {
  const { restart, container_name, ports, deploy, scale, extensions, ...kept } = service;
  const { restart_policy, ...deployed } = deploy ?? {};
  return {
    ...kept,
    ...(extensions === undefined ? {} : { extensions }),
    ...(deploy === undefined ? {} : { deploy: deployed }),
    ...programOf(service, options),
    ...identityOf(options),
    environment: { ...service.environment, ...options.environment },
    labels: { ...service.labels, ...options.labels },
    ports: [...(options.servicePorts ? (ports ?? []) : []), ...(options.ports ?? [])],
    volumes: mergedVolumes(service.volumes ?? [], options.volumes ?? []),
    cap_add: [...(service.cap_add ?? []), ...(options.capAdd ?? [])],
    cap_drop: [...(service.cap_drop ?? []), ...(options.capDrop ?? [])],
  };
}

function programOf(service: Service, { command, entrypoint }: OneoffOptions) {
  if (entrypoint !== undefined) return { entrypoint, command: command ?? [] };
  return command === undefined || command.length === 0 ? { command: service.command } : { command };
}

function identityOf({ user, workingDir, tty, stdinOpen }: OneoffOptions) {
  return {
    ...(user === undefined ? {} : { user }),
    ...(workingDir === undefined ? {} : { working_dir: workingDir }),
    ...(tty === undefined ? {} : { tty }),
    ...(stdinOpen === undefined ? {} : { stdin_open: stdinOpen }),
  };
}

function mergedVolumes(own: readonly Mount[], more: readonly Mount[]): readonly Mount[] {
  const targets = new Set(more.map(({ target }) => target));
  return [...own.filter(({ target }) => !targets.has(target)), ...more];
}
