// Warnings about files that are valid and still not what was meant.
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { lintProject } from '../../src/compose/lint.ts';
import { loadProject } from '../../src/compose/load.ts';
import type { Diagnostic } from '../../src/errors.ts';

const directories: string[] = [];
afterEach(() => {
  for (const directory of directories.splice(0)) rmSync(directory, { recursive: true });
});

/** Lints a project of one file, given by its text; other files by name. */
function lint(yaml: string, files: Readonly<Record<string, string>> = {}): readonly Diagnostic[] {
  const cwd = mkdtempSync(join(tmpdir(), 'tscompose-lint-'));
  directories.push(cwd);
  for (const [name, content] of Object.entries({ 'compose.yaml': yaml, ...files })) {
    mkdirSync(join(cwd, name, '..'), { recursive: true });
    writeFileSync(join(cwd, name), content);
  }
  const { project } = loadProject({ cwd, env: { HOME: '/nowhere' }, allResources: true });
  return lintProject(project, {
    readSource: (file) => readFileSync(file, 'utf8'),
    exists: (path) => !path.startsWith(cwd) || path === join(cwd, 'there'),
    selinux: false,
  });
}
const codes = (yaml: string, files = {}): string[] => lint(yaml, files).map(({ code }) => code);
const service = (body: string): string =>
  `services:\n  web:\n    image: app:1\n${body.replace(/^/gm, '    ')}\n`;

it('says nothing about a sound project', () => {
  const yaml = `
services:
  web:
    image: nginx:1.27
    ports: ["8080:80"]
    depends_on: { db: { condition: service_healthy } }
    environment: { PASSWORD: "\${DB_PASSWORD:-}", VERSION: "3.10" }
  db:
    image: postgres:17
    ports: ["127.0.0.1:5432:5432"]
    volumes: ["data:/var/lib/postgresql/data"]
    healthcheck: { test: ["CMD-SHELL", "pg_isready || exit 1"] }
    restart: unless-stopped
volumes: { data: {} }
`;
  expect(lint(yaml)).toEqual([]);
});

describe('warns about', () => {
  it.each([
    ['an image without tag', 'services: { a: { image: nginx } }', 'untagged-image'],
    ['an image with the tag latest', 'services: { a: { image: "reg:5000/nginx:latest" } }', 'untagged-image'],
    ['a restart policy that there is not', service('restart: unless_stopped'), 'invalid-value'],
    [
      'a restart condition that there is not',
      service('deploy: { restart_policy: { condition: on_failure } }'),
      'invalid-value',
    ],
    ['an open database port', service('ports: ["5432:5432"]'), 'exposed-port'],
    [
      'an open port in the long form',
      service('ports: [{ target: 6379, published: "6379", host_ip: 0.0.0.0 }]'),
      'exposed-port',
    ],
    ['fewer ports than containers', service('ports: ["80-81:80"]\nscale: 3'), 'scaled-port'],
    ['fewer ports than replicas', service('ports: ["80:80"]\ndeploy: { replicas: 2 }'), 'scaled-port'],
    [
      'a shell operator in CMD',
      service('healthcheck: { test: [CMD, curl, x, "||", exit, "1"] }'),
      'healthcheck-form',
    ],
    ['a command line in CMD', service('healthcheck: { test: [CMD, "curl -f x"] }'), 'healthcheck-form'],
    ['a password in the file', service('environment: { DB_PASSWORD: hunter2 }'), 'inline-secret'],
    ['a key in a list', service('environment: [ "MY_API_KEY=abc" ]'), 'inline-secret'],
    ['quotes in a list entry', service('environment:\n  - A="b c"'), 'quoted-value'],
    ['privileged', service('privileged: true'), 'weak-isolation'],
    ['a capability that is all of root', service('cap_add: [SYS_ADMIN]'), 'weak-isolation'],
    ['an unconfined profile', service('security_opt: ["seccomp=unconfined"]'), 'weak-isolation'],
    [
      'the socket of an engine',
      service('volumes: ["/var/run/docker.sock:/var/run/docker.sock:ro"]'),
      'engine-socket',
    ],
    ['a writable system directory', service('volumes: ["/etc:/host"]'), 'host-mount'],
    [
      'a source that is not there',
      service('volumes: ["./nginx.conf:/etc/nginx.conf"]'),
      'bind-source-missing',
    ],
    ['labels without SELinux', service('volumes: ["./there:/x:z"]'), 'without-effect'],
    ['attributes of other machines', service('cpu_percent: 50'), 'without-effect'],
    ['placement', service('deploy: { placement: { constraints: [a==b] } }'), 'without-effect'],
    ['ports with the network of the host', service('network_mode: host\nports: ["80:80"]'), 'without-effect'],
    ['links', `${service('links: [db]')}  db: { image: "app:1" }\n`, 'deprecated'],
    ['a port in base 60', service('ports:\n  - 22:22'), 'unquoted-port'],
    ['a version that is a number', service('environment: { PYTHON: 3.10 }'), 'changed-value'],
    ['an octal number', service('labels: { id: 0123 }'), 'changed-value'],
    ['a bare yes', service('environment: { DEBUG: yes }'), 'suspicious-value'],
    [
      'a decimal mode',
      `${service('secrets: [{ source: s, mode: 440 }]')}secrets: { s: { environment: S } }\n`,
      'suspicious-value',
    ],
    ['a drive letter', service('volumes: ["v:/v"]'), 'suspicious-value'],
    ['a command that is cut', service('command: ./migrate && ./serve'), 'cut-command'],
    [
      'waiting for health without a check',
      'services: { a: { image: "x:1", depends_on: { b: { condition: service_healthy } } }, b: { image: "x:1" } }',
      'missing-healthcheck',
    ],
    [
      'not waiting for health',
      'services: { a: { image: "x:1", depends_on: [b] }, b: { image: "x:1", healthcheck: { test: "true" } } }',
      'unused-healthcheck',
    ],
    [
      'a task that is restarted',
      'services: { a: { image: "x:1", depends_on: { b: { condition: service_completed_successfully } } }, b: { image: "x:1", restart: always } }',
      'restart-conflict',
    ],
    [
      'a port twice',
      'services: { a: { image: "x:1", ports: ["80:80"] }, b: { image: "x:1", ports: ["127.0.0.1:80:8080"] } }',
      'duplicate-port',
    ],
    [
      'an address twice',
      'services: { a: { image: "x:1", networks: { n: { ipv4_address: 10.9.0.5 } } }, b: { image: "x:1", networks: { n: { ipv4_address: 10.9.0.5 } } } }\nnetworks: { n: { ipam: { config: [{ subnet: 10.9.0.0/24 }] } } }',
      'static-address',
    ],
    [
      'an address outside',
      'services: { a: { image: "x:1", networks: { n: { ipv4_address: 10.8.0.5 } } } }\nnetworks: { n: { ipam: { config: [{ subnet: 10.9.0.0/24 }] } } }',
      'static-address',
    ],
    [
      'overlapping subnets',
      `${service('networks: [n, m]')}networks: { n: { ipam: { config: [{ subnet: 10.9.0.0/16 }] } }, m: { ipam: { config: [{ subnet: 10.9.4.0/24 }] } } }\n`,
      'subnet-conflict',
    ],
    ['an unused volume', `${service('')}volumes: { data: {} }\n`, 'unused-resource'],
    ['an unused network', `${service('')}networks: { back: {} }\n`, 'unused-resource'],
  ])('%s', (_name, yaml, code) => {
    expect(codes(yaml)).toEqual([code]);
  });
});

describe('keeps quiet about', () => {
  it.each([
    ['images that are built here', 'services: { a: { image: mine, build: . } }'],
    ['images by digest', `services: { a: { image: "nginx@sha256:${'0'.repeat(64)}" } }`],
    ['the programs of this machine', 'services: { a: { image: host } }'],
    ['secrets from variables', service('environment: { DB_PASSWORD: "${P:-x}", DB_PASSWORD_FILE: /run/s }')],
    ['switches that sound like secrets', service('environment: { ALLOW_EMPTY_PASSWORD: "yes" }')],
    [
      'a condition that was chosen',
      'services: { a: { image: "x:1", depends_on: { b: { condition: service_started } } }, b: { image: "x:1", healthcheck: { test: "true" } } }',
    ],
    ['a shell in CMD', service('healthcheck: { test: [CMD, sh, -c, "a || b"] }')],
    ['operators that a shell gets', service('command: ["sh", "-c", "a && b"]')],
    ['operators in quotes', service(`command: sh -c "a && b"`)],
    [
      'ports on different addresses',
      'services: { a: { image: "x:1", ports: ["127.0.0.1:80:80"] }, b: { image: "x:1", ports: ["127.0.0.2:80:80"] } }',
    ],
    [
      'tcp beside udp',
      'services: { a: { image: "x:1", ports: ["53:53"] }, b: { image: "x:1", ports: ["53:53/udp"] } }',
    ],
    ['numbers that stay as they are', service('environment: { A: 10, B: 1.5, C: "010", D: 127.0.0.1 }')],
    [
      'volumes that a service of another profile uses',
      `services: { a: { image: "x:1" }, b: { image: "x:1", profiles: [p], volumes: ["data:/d"] } }\nvolumes: { data: {} }`,
    ],
  ])('%s', (_name, yaml) => {
    expect(lint(yaml)).toEqual([]);
  });
});

it('reports the place and the path', () => {
  const [finding] = lint(service('ports:\n  - "5432:5432"'));
  expect(finding).toMatchObject({
    severity: 'warning',
    path: 'services.web.ports[0]',
    at: { line: 5, column: 9 },
  });
});

it('can be told to ignore a finding where it is', () => {
  expect(codes(service('privileged: true # lint-ignore: weak-isolation'))).toEqual([]);
  expect(codes(service('# lint-ignore: other, weak-isolation\nprivileged: true'))).toEqual([]);
  expect(codes(service('privileged: true # lint-ignore: other'))).toEqual(['weak-isolation']);
});

it('puts findings in the order of the file', () => {
  const lines = lint(
    'services:\n  a: { image: x }\n  b: { image: y, privileged: true }\nvolumes: { v: {} }\n',
  ).map(({ at }) => at?.line);
  expect(lines).toEqual([2, 3, 3, 4]);
});

it('knows that the default network needs no mention', () => {
  expect(codes(`${service('')}networks: { default: { driver: bridge } }\n`)).toEqual([]);
});

it('says where a variable that is not set may be set', () => {
  const cwd = mkdtempSync(join(tmpdir(), 'tscompose-lint-'));
  directories.push(cwd);
  writeFileSync(
    join(cwd, 'compose.yaml'),
    service('env_file: web.env\nuser: "${RUN_AS}"\nhostname: "${HOTS_NAME}"'),
  );
  writeFileSync(join(cwd, 'web.env'), 'RUN_AS=1000\n');
  const { warnings } = loadProject({ cwd, env: { HOST_NAME: 'x' } });
  const hints = warnings.map(({ hint }) => hint);
  expect(hints).toHaveLength(2);
  expect(hints[0]).toContain('RUN_AS is set in web.env, which only the containers of web get');
  expect(hints[1]).toBe('did you mean HOST_NAME?');
});

it('does not take values from the shell for secrets in the file', () => {
  expect(codes(service('environment: [TOKEN]'), { '.env': 'TOKEN=abc\n' })).toEqual([]);
});

it('does not take values from an env file for secrets in the file', () => {
  expect(codes(service('env_file: a.env'), { 'a.env': 'TOKEN=abc\n' })).toEqual([]);
});
