// The table of commands: a name, and the module that is loaded when it is called.
import type { CommandTable } from './command.ts';

export const COMMANDS: CommandTable = {
  attach: () => import('./commands/attach.ts'),
  commit: () => import('./commands/commit.ts'),
  config: () => import('./commands/config.ts'),
  cp: () => import('./commands/cp.ts'),
  create: () => import('./commands/create.ts'),
  down: () => import('./commands/down.ts'),
  events: () => import('./commands/events.ts'),
  exec: () => import('./commands/exec.ts'),
  explain: () => import('./commands/explain.ts'),
  export: () => import('./commands/export.ts'),
  graph: () => import('./commands/graph.ts'),
  image: () => import('./commands/image.ts'),
  images: () => import('./commands/images.ts'),
  inspect: () => import('./commands/inspect.ts'),
  kill: () => import('./commands/kill.ts'),
  lint: () => import('./commands/lint.ts'),
  lock: () => import('./commands/lock.ts'),
  login: () => import('./commands/login.ts'),
  logout: () => import('./commands/logout.ts'),
  logs: () => import('./commands/logs.ts'),
  ls: () => import('./commands/ls.ts'),
  pause: () => import('./commands/pause.ts'),
  plan: () => import('./commands/plan.ts'),
  port: () => import('./commands/port.ts'),
  ps: () => import('./commands/ps.ts'),
  pull: () => import('./commands/pull.ts'),
  push: () => import('./commands/push.ts'),
  restart: () => import('./commands/restart.ts'),
  rm: () => import('./commands/rm.ts'),
  run: () => import('./commands/run.ts'),
  runtime: () => import('./commands/runtime.ts'),
  scale: () => import('./commands/scale.ts'),
  start: () => import('./commands/start.ts'),
  stats: () => import('./commands/stats.ts'),
  stop: () => import('./commands/stop.ts'),
  system: () => import('./commands/system.ts'),
  top: () => import('./commands/top.ts'),
  unpause: () => import('./commands/unpause.ts'),
  up: () => import('./commands/up.ts'),
  version: () => import('./commands/version.ts'),
  volumes: () => import('./commands/volumes.ts'),
  wait: () => import('./commands/wait.ts'),
};

/** Second names that other tools use for a command. */
export const ALIASES: ReadonlyMap<string, string> = new Map([['convert', 'config']]);

/** Commands of Docker Compose that do not exist yet, and what they are for. */
export const LATER: ReadonlyMap<string, string> = new Map([
  ['alpha', 'experiments of Docker Compose'],
  ['bridge', 'converting a project for other orchestrators'],
  ['build', 'building images'],
  ['publish', 'publishing a project to a registry'],
  ['watch', 'watching files'],
]);
