// `config --explain`: each source of a value, oldest first, and why the last one won.
import { expect, it } from 'vitest';
import { explainValue, pathHint } from '../../src/compose/provenance.ts';
import { directory, load } from './fixture.ts';

const files = {
  'compose.yaml': `include: [part/compose.yaml]
x-base: &base { restart: always, hostname: anchored }
services:
  web:
    <<: *base
    extends: { file: base.yaml, service: web }
    image: nginx:\${TAG:-1}
    hostname: own
    env_file: web.env
    label_file: labels
    environment:
      PORT: "\${PORT}"
      SHELL:
    ports: ["80:80"]
    volumes: ["va:/d", "vb:/d"]
    labels: { l: own }
volumes: { va: , vb: }
`,
  'compose.override.yaml': `services:
  web: { image: over, ports: ["81:81"] }
  part: { image: changed }
---
services: { part: { image: again } }
`,
  'base.yaml': 'services: { web: { image: base, ports: ["79:79"], environment: { PORT: 1 } } }\n',
  'part/compose.yaml': 'services: { part: { image: part } }\n',
  'web.env': 'PORT=2\nONLY=x\n',
  labels: 'l=file\n',
  '.env': 'PORT=3\n',
};

function explained(path: string): string[] {
  const cwd = directory(files);
  const { project } = load(files, { cwd, env: { SHELL: 'sh' } });
  return (explainValue(project, path) ?? pathHint(project, path))
    .replaceAll(`${cwd}/`, '')
    .trimEnd()
    .split('\n');
}

it.each<[string, string[]]>([
  [
    'services.web.image',
    [
      'services.web.image = "over"',
      '  1. base.yaml:1:27: "base"',
      '  2. compose.yaml:7:12: "nginx:1"',
      '     TAG is not set',
      '  3. compose.override.yaml:2:17: "over"   <- wins: the later file wins',
    ],
  ],
  [
    'services.web.hostname',
    [
      'services.web.hostname = "own"',
      '  1. compose.yaml:2:44: "anchored"',
      '  2. compose.yaml:8:15: "own"   <- wins: what a mapping says itself wins over what << merges into it',
    ],
  ],
  [
    'services.web.restart',
    ['services.web.restart = "always"', '  1. compose.yaml:2:26: "always"   <- wins: the only source'],
  ],
  [
    'services.web.environment.PORT',
    [
      'services.web.environment.PORT = "3"',
      '  1. web.env:1:1: "2"',
      '  2. base.yaml:1:72: 1',
      '  3. compose.yaml:12:13: "3"   <- wins: what a service says itself wins over what it extends',
      '     PORT=3 from .env:1:1',
    ],
  ],
  [
    'services.web.environment.SHELL',
    [
      'services.web.environment.SHELL = "sh"',
      '  1. compose.yaml:13:7: "sh"   <- wins: the only source',
      '     SHELL=sh from the environment of the shell',
    ],
  ],
  [
    'services.web.environment.ONLY',
    ['services.web.environment.ONLY = "x"', '  1. web.env:2:1: "x"   <- wins: the only source'],
  ],
  [
    'services.web.labels.l',
    [
      'services.web.labels.l = "own"',
      '  1. labels:1:1: "file"',
      '  2. compose.yaml:16:18: "own"   <- wins: what the service itself says wins over its files of labels',
    ],
  ],
  [
    'services.web.volumes[0].source',
    ['services.web.volumes[0].source = "vb"', '  1. compose.yaml:15:24: "vb"   <- wins: the only source'],
  ],
  [
    'services.web.volumes[0]',
    [
      'services.web.volumes[0] = {"type":"volume","source":"vb","target":"/d","volume":{}}',
      '  1. compose.yaml:15:15: {"type":"volume","source":"va","target":"/d","volume":{}}',
      '  2. compose.yaml:15:24: {"type":"volume","source":"vb","target":"/d","volume":{}}   <- wins: it takes the place of an earlier entry for the same thing',
      '  services.web.volumes[0].type: compose.yaml:15:24',
      '  services.web.volumes[0].source: compose.yaml:15:24',
      '  services.web.volumes[0].target: compose.yaml:15:24',
      '  services.web.volumes[0].volume: compose.yaml:15:24',
    ],
  ],
  [
    'services.part.image',
    [
      'services.part.image = "again"',
      '  1. part/compose.yaml:1:28: "part"',
      '  2. compose.override.yaml:3:18: "changed"',
      '  3. compose.override.yaml:5:28: "again"   <- wins: the later document of the file wins',
    ],
  ],
  [
    'networks.default.name',
    [
      'networks.default.name = "proj_default"',
      '  1. default: "proj_default"   <- wins: nothing else is written',
    ],
  ],
])('%s', (path, expected) => {
  expect(explained(path)).toEqual(expected);
});

it('names the place of every entry of a list', () => {
  expect(explained('services.web.ports').slice(2)).toEqual([
    '  services.web.ports[0]: base.yaml:1:41',
    '  services.web.ports[1]: compose.yaml:14:13',
    '  services.web.ports[2]: compose.override.yaml:2:31',
  ]);
});

it.each([
  ['service', 'did you mean services?'],
  ['services.wbe.image', 'did you mean services.web?'],
  ['services.web.ports[7]', 'services.web.ports has 3 entries, counted from 0'],
  ['services.web.image.x', 'services.web.image is "over"'],
  ['services.part.zzz', 'services.part has image, networks'],
  ['nothing', 'paths look like services.web.environment.PORT or services.web.ports[0]'],
])('tells what there is instead of %s', (path, hint) => {
  expect(explained(path)).toEqual([hint]);
});
