// `runtime`: this core as an OCI runtime, with the command line that runc and crun have.

import type { CommandSpec } from '../command.ts';
import { createRuntimeLog } from '../runtime/log.ts';
import { findOperation } from '../runtime/operations.ts';
import { VERSION } from '../version.ts';

export const command: CommandSpec = {
  name: 'runtime',
  usage: '[OPTIONS] OPERATION [ARGUMENT...]',
  summary: 'be an OCI runtime for Docker Engine, containerd or Podman',
  details: `Operations: create, start, state, kill, delete, run, exec, list, ps, pause, resume, update, events, features.
They follow the OCI runtime command line, as runc and crun do.`,
  options: [
    { name: 'root', type: 'string', value: 'DIR', summary: 'where the state of containers is kept' },
    { name: 'log', type: 'string', value: 'FILE', summary: 'file that errors and warnings are added to' },
    {
      name: 'log-format',
      type: 'string',
      value: 'FORMAT',
      summary: 'of that file',
      choices: ['text', 'json'],
    },
    { name: 'log-level', type: 'string', value: 'LEVEL', summary: 'accepted, without effect', hidden: true },
    { name: 'debug', type: 'boolean', summary: 'accepted, without effect', hidden: true },
    { name: 'rootless', type: 'string', value: 'BOOL', summary: 'accepted, without effect', hidden: true },
    { name: 'cgroup-manager', type: 'string', value: 'NAME', summary: 'cgroupfs or systemd', hidden: true },
    { name: 'systemd-cgroup', type: 'boolean', summary: 'cgroup paths are SLICE:PREFIX:NAME' },
    { name: 'version', short: 'v', type: 'boolean', summary: 'print the version' },
  ],
  stopsAtPositional: true,
  async run(context, args) {
    if (args.flag('version')) {
      context.out(`tscompose version ${VERSION}\nspec: 1.2.0\n`);
      return 0;
    }
    const log = createRuntimeLog(context, {
      path: args.text('log'),
      json: args.text('log-format') === 'json',
    });
    try {
      const [name = '', ...words] = args.positionals;
      return await findOperation(name)(await contextOf(), words);
    } catch (error) {
      return log.fail(error);
    }

    async function contextOf() {
      const { layout, core } = await context.state();
      const { inspectMachine } = await import('../../containers/machine.ts');
      return {
        cli: context,
        root: args.text('root') ?? `${layout.runDir}/runtime`,
        shimPath: core.shimPath,
        systemdCgroup: args.flag('systemd-cgroup') || args.text('cgroup-manager') === 'systemd',
        machine: inspectMachine,
        warn: log.warn,
      };
    }
  },
};
