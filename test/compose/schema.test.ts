// compose.schema.json, the table made of it, and what validateDocument says about broken documents.
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { type SchemaIssue, validateDocument } from '../../src/compose/schema.ts';
import { joinPath } from '../../src/compose/tree.ts';

type Json = null | boolean | number | string | Json[] | { [key: string]: Json };
interface Schema {
  readonly [keyword: string]: unknown;
  readonly $ref?: string;
  readonly type?: string | string[];
  readonly oneOf?: Schema[];
  readonly enum?: string[];
  readonly items?: Schema;
  readonly properties?: Record<string, Schema>;
  readonly patternProperties?: Record<string, Schema>;
  readonly required?: string[];
}

const root = new URL('../..', import.meta.url);
const text = readFileSync(new URL('compose.schema.json', root), 'utf8');
const schema: Schema = JSON.parse(text);

const issuesOf = (yaml: string): readonly SchemaIssue[] => validateDocument(parse(yaml));
const messagesOf = (yaml: string): string[] => issuesOf(yaml).map((issue) => issue.message);
const only = (yaml: string): SchemaIssue => {
  const issues = issuesOf(yaml);
  expect(issues.map((issue) => issue.message)).toHaveLength(1);
  return issues[0] as SchemaIssue;
};
const service = (body: string): string => `services:\n  web:\n${body.replace(/^/gm, '    ')}\n`;

describe('compose.schema.json', () => {
  it('describes every property', () => {
    const silent: string[] = [];
    const visit = (node: unknown, path: string): void => {
      if (typeof node !== 'object' || node === null) return;
      const { properties } = node as Schema;
      for (const [name, property] of Object.entries(properties ?? {})) {
        if (!property.description && !property.$ref?.includes('/properties/')) silent.push(`${path}/${name}`);
      }
      for (const [key, value] of Object.entries(node)) if (key !== 'examples') visit(value, `${path}/${key}`);
    };
    visit(schema, '#');
    expect(silent).toEqual([]);
  });

  it('has examples that it accepts itself', () => {
    const ajv = new Ajv2020({ strict: false });
    ajv.addSchema(schema, 'compose');
    const wrong: string[] = [];
    const visit = (node: unknown, path: string): void => {
      if (typeof node !== 'object' || node === null) return;
      const { examples } = node as { examples?: unknown };
      const isSchema = Array.isArray(examples);
      const check = isSchema ? ajv.getSchema(`compose${path}`) : undefined;
      for (const example of isSchema ? examples : [])
        if (!check?.(example)) wrong.push(`${path} ${JSON.stringify(example)}`);
      for (const [key, value] of Object.entries(node)) {
        if (key !== 'examples')
          visit(value, `${path}/${encodeURIComponent(key.replaceAll('~', '~0').replaceAll('/', '~1'))}`);
      }
    };
    visit(schema, '#');
    expect(wrong).toEqual([]);
  });

  it('is what the generated table was made of', () => {
    const script = fileURLToPath(new URL('scripts/build-schema.mjs', root));
    const { status, stdout } = spawnSync(process.execPath, [script, '--check'], { encoding: 'utf8' });
    expect({ status, stdout }).toEqual({ status: 0, stdout: '' });
  });
});

describe('validateDocument agrees with a general validator', () => {
  const ajv = new Ajv2020({ allowUnionTypes: true, allowMatchingProperties: true });
  const valid = ajv.compile(schema);
  const random = randomFrom(20260721);
  const pick = <T>(values: readonly T[]): T => values[Math.floor(random() * values.length)] as T;
  const odd: readonly Json[] = [
    null,
    true,
    0,
    7,
    -3,
    1.5,
    2000,
    '',
    'x',
    'ok.name',
    '80:80',
    [],
    ['a', 'a'],
    [1],
    {},
    { 'x-a': 1 },
    { '': 1 },
    { a: null },
    { condition: 'no' },
    'all',
    'bind',
  ];

  const resolve = (node: Schema): Schema => {
    if (node.$ref === undefined) return node;
    const steps = node.$ref.slice(2).split('/');
    return steps.reduce<unknown>((value, step) => (value as Record<string, unknown>)[step], schema) as Schema;
  };
  const scalar = (node: Schema): Json => {
    if (node.enum) return pick(node.enum);
    const type = pick([node.type ?? 'string'].flat());
    if (type === 'null') return null;
    if (type === 'boolean') return random() < 0.5;
    if (type === 'integer' || type === 'number') return Math.floor(random() * 120);
    return pick(['some text', 'missing', 'name-1', '5s']);
  };
  const instance = (unresolved: Schema, depth: number): Json => {
    const node = resolve(unresolved);
    if (node.$ref) return instance(node, depth);
    if (random() < 0.006) return pick(odd);
    if (node.oneOf) return instance(pick(node.oneOf), depth);
    const type = pick([node.type ?? 'string'].flat());
    if (type === 'array') {
      return Array.from({ length: Math.floor(random() * 3) }, () => instance(node.items ?? {}, depth + 1));
    }
    if (type !== 'object') return scalar({ ...node, type });
    return mapping(node, depth);
  };
  const mapping = (node: Schema, depth: number): Json => {
    const result: Record<string, Json> = {};
    const chance = depth < 2 ? 0.8 : 0.15;
    for (const [name, property] of Object.entries(node.properties ?? {})) {
      const wanted = node.required?.includes(name) ? 0.97 : chance;
      if (random() < wanted) result[name] = instance(property, depth + 1);
    }
    for (const [pattern, property] of Object.entries(node.patternProperties ?? {})) {
      if (pattern !== '^x-' && random() < 0.7)
        result[pick(['alpha', 'b', 'web'])] = instance(property, depth + 1);
      if (random() < 0.02)
        result[pick(['x-own', 'has space', 'Typo', '', 'constructor', '__proto__'])] = pick(odd);
    }
    return result;
  };

  it('about random documents', () => {
    const differing: string[] = [];
    let accepted = 0;
    for (let round = 0; round < 4000; round++) {
      const document = JSON.parse(JSON.stringify(instance(schema, 0)));
      const expected = valid(document);
      const issues = validateDocument(document);
      if (expected) accepted++;
      if (expected !== (issues.length === 0))
        differing.push(`${JSON.stringify(document)} ${ajv.errorsText(valid.errors)}`);
    }
    expect(differing.slice(0, 3)).toEqual([]);
    expect(accepted).toBeGreaterThan(200);
    expect(accepted).toBeLessThan(3800);
  }, 60_000);
});

describe('unknown keys', () => {
  it.each([
    ['enviroment: {}', 'did you mean `environment`?'],
    ['envFile: x', 'did you mean `env_file`?'],
    ['env-file: x', 'did you mean `env_file`?'],
    ['dependson: []', 'did you mean `depends_on`?'],
    ['cmd: x', '`command` is the key for that'],
    ['replicas: 2', '`replicas` belongs under `deploy`'],
    ['context: .', '`context` belongs under `build`'],
    ['limits: {}', '`limits` belongs under `deploy.resources`'],
    ['deploy: { depends_on: [db] }', '`depends_on` belongs directly into services.web; indent it less'],
    ['healthcheck: { inteval: 5s }', 'did you mean `interval`?'],
    ['deploy: { services: {} }', '`services` belongs at the top of the file; indent it less'],
    ['frobnicate: 1', 'keys of your own have to start with `x-`'],
  ])('%s', (body, hint) => {
    const issue = only(service(body));
    expect(issue).toMatchObject({ code: 'unknown-key', onKey: true, hint });
  });

  it('names the key and where it stands', () => {
    const issue = only('services:\n  web: { image: x }\nvolumes:\n  data: { drivr: local }\n');
    expect(issue.path).toEqual(['volumes', 'data', 'drivr']);
    expect(issue.message).toBe('volumes.data.drivr is not known: volumes.data has no key "drivr"');
  });

  it('does not take names of Object.prototype for known', () => {
    expect(only(service('constructor: 1')).code).toBe('unknown-key');
    expect(validateDocument(JSON.parse('{"services":{"a":{"__proto__":1}}}'))).toHaveLength(1);
  });

  it('lets extensions pass everywhere', () => {
    expect(issuesOf(`x-top: 1\n${service('x-own: [1]\ndeploy: { x-deep: true }')}`)).toEqual([]);
  });

  it('says once that a file has the first format', () => {
    const issue = only('web:\n  image: a\ndb:\n  image: b\ncache:\n  build: .\n');
    expect(issue).toMatchObject({ code: 'legacy-format', path: ['web'] });
    expect(issue.message).toContain('"web", "db" and "cache"');
  });

  it('refuses names with other characters', () => {
    const issue = only('services:\n  "my web":\n    image: x\n');
    expect(issue).toMatchObject({ code: 'invalid-value', onKey: true, path: ['services', 'my web'] });
  });
});

describe('wrong types', () => {
  it.each([
    ['user: 1000', 'services.web.user must be a string, not the number 1000', 'quote it: user: "1000"'],
    [
      'privileged: 1',
      'services.web.privileged must be true or false, not the number 1',
      'write privileged: true',
    ],
    ['image: [a]', 'services.web.image must be a string, not a list', 'for example `image: postgres:17`'],
    ['profiles: dev', 'services.web.profiles must be a list, not a string', 'write profiles: ["dev"]'],
    ['ports: "80:80"', 'services.web.ports must be a list, not a string', 'start each entry with a dash'],
    ['networks:', 'services.web.networks must be a list or a mapping, not empty', 'remove the key'],
    [
      'environment: A=1',
      'services.web.environment must be a list or a mapping, not a string',
      'start each entry',
    ],
    [
      'environment: { A: [1] }',
      'services.web.environment.A must be a string, a number, true or false or empty, not a list',
      '',
    ],
    ['environment:\n  - A: 1', 'services.web.environment[0] must be a string, not a mapping', '- A=1'],
    ['command: [sleep, 5]', 'services.web.command[1] must be a string, not the number 5', 'quote it: - "5"'],
    [
      'healthcheck: { interval: 30 }',
      'services.web.healthcheck.interval must be a string, not the number 30',
      'with a unit, for example interval: 30s',
    ],
    [
      'logging: { options: { a: true } }',
      'services.web.logging.options.a must be a string, a number or empty, not the boolean true',
      'quote it',
    ],
    [
      'ports: [{ target: [1] }]',
      'services.web.ports[0].target must be a string or an integer, not a list',
      'target: 80',
    ],
    [
      'oom_score_adj: 1.5',
      'services.web.oom_score_adj must be a string or an integer between -1000 and 1000, not the number 1.5',
      '',
    ],
  ])('%s', (body, message, hint) => {
    const issue = only(service(body));
    expect(issue.message).toBe(message);
    expect(issue.code).toBe('wrong-type');
    if (hint !== '') expect(issue.hint).toContain(hint);
  });

  it('of the document itself', () => {
    expect(validateDocument(['a'])[0]?.message).toBe('the document must be a mapping, not a list');
    expect(validateDocument(Number.NaN)).toHaveLength(1);
  });
});

describe('wrong values', () => {
  it.each([
    ['volumes: [{ type: bnd, target: /x }]', 'type must be one of "bind", "volume"', 'did you mean bind?'],
    ['pull_policy: sometimes', 'pull_policy has the invalid value "sometimes"', 'missing, always, every_12h'],
    ['container_name: x', 'container_name has the invalid value "x"', 'my-db'],
    ['oom_score_adj: 2000', 'oom_score_adj must be between -1000 and 1000, not 2000', ''],
    ['group_add: [a, b, a]', 'group_add[2] is the same as services.web.group_add[0]', 'remove one'],
    ['ports: [{ target: 80, mode: host }, { mode: host, target: 80 }]', 'ports[1] is the same as', ''],
  ])('%s', (body, message, hint) => {
    const issue = only(service(body));
    expect(issue.code).toBe('invalid-value');
    expect(issue.message).toContain(message);
    if (hint !== '') expect(issue.hint).toContain(hint);
  });

  it('keeps 80 and "80" apart in lists without repeats', () => {
    expect(issuesOf(service('expose: [80, "80"]'))).toEqual([]);
  });
});

describe('missing keys', () => {
  it('are reported where they are missing', () => {
    const issue = only(service('develop: { watch: [{ path: . }] }'));
    expect(issue).toMatchObject({ code: 'missing-key', path: ['services', 'web', 'develop', 'watch', 0] });
    expect(issue.message).toBe('services.web.develop.watch[0] needs the key "action"');
  });

  it('show an example', () => {
    expect(only('models:\n  m: {}\nservices: {}\n').hint).toBe('add it, for example `model: ai/smollm2`');
  });
});

it('reports all mistakes at once, one each', () => {
  const messages = messagesOf(service('user: 1\nprts: []\nhealthcheck: { tst: a, retries: [] }'));
  expect(messages).toHaveLength(4);
});

it('accepts what is newer than the reference', () => {
  const yaml = `${service('pre_start: [{ command: a, image: b, per_replica: true }]\nbuild: { no_cache_filter: [a] }')}
jobs:
  backup: { image: a, triggers: { manual: true, schedule: [{ cron: "* * * * *", concurrency: queue }] } }
`;
  expect(issuesOf(yaml)).toEqual([]);
  expect(messagesOf('jobs: { a: { image: x, restart: always, triggers: {} } }')).toHaveLength(1);
});

it('formats paths', () => {
  expect(joinPath(['services', 'web', 'ports', 0, 'target'])).toBe('services.web.ports[0].target');
});

function randomFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}
