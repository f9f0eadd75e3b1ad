// Broken files as people write them: what is wrong, exactly where, what the caret marks, and the hint.
import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { findingsOf, renderDiagnostics } from '../../src/compose/diagnostics.ts';
import { directory, type Files, failure, type Options } from './fixture.ts';

interface Broken {
  readonly files: Files;
  readonly options?: Options;
  /** Code, place, marked text and hint of each finding, in order. */
  readonly findings: readonly (readonly [code: string, place: string, marked: string, hint: RegExp])[];
}

const nothing = /^$/;

const broken: Readonly<Record<string, Broken>> = {
  'a misspelt attribute': {
    files: 'services:\n  web:\n    image: nginx\n    enviroment:\n      A: b\n',
    findings: [['unknown-key', 'compose.yaml:4:5', 'enviroment', /did you mean `environment`\?/]],
  },
  'a misspelt section': {
    files: 'servies:\n  web:\n    image: nginx\n',
    findings: [['unknown-key', 'compose.yaml:1:1', 'servies', /did you mean `services`\?/]],
  },
  'the name that another tool uses': {
    files: 'services:\n  web:\n    image: nginx\n    env: [A=b]\n',
    findings: [['unknown-key', 'compose.yaml:4:5', 'env', /`environment` is the key for that/]],
  },
  'an attribute one level too high': {
    files: 'services:\n  web:\n    image: nginx\n    replicas: 3\n',
    findings: [['unknown-key', 'compose.yaml:4:5', 'replicas', /belongs under `deploy`/]],
  },
  'a section among the services': {
    files: 'services:\n  web:\n    image: nginx\n  volumes:\n    data: {}\n',
    findings: [['unknown-key', 'compose.yaml:5:5', 'data', /belongs at the top of the file: indent it less/]],
  },
  'a service beside the services': {
    files: 'services:\nweb:\n  image: nginx\n',
    findings: [
      ['wrong-type', 'compose.yaml:1:1', 'services', /indent what belongs to it/],
      ['unknown-key', 'compose.yaml:2:1', 'web', /looks like a service: indent it below `services:`/],
    ],
  },
  'a tab': {
    files: 'services:\n  web:\n\timage: nginx\n',
    findings: [['yaml-syntax', 'compose.yaml:3:1', '    ', /a tab indents this line/]],
  },
  'a key without a colon': {
    files: 'services:\n  web:\n    image nginx\n',
    findings: [['wrong-type', 'compose.yaml:3:5', 'image nginx', /a colon is missing after `image`/]],
  },
  'a colon without a space': {
    files: 'services:\n  web:\n    image:nginx\n',
    findings: [['wrong-type', 'compose.yaml:3:5', 'image:nginx', /a space is missing after the colon/]],
  },
  'a line that is indented too far': {
    files: 'services:\n  web:\n    image: nginx\n     ports: []\n',
    findings: [['yaml-syntax', 'compose.yaml:4:6', 'ports: []', /line 4 is indented further than line 3/]],
  },
  'a line that is indented like none above it': {
    files: 'services:\n  web:\n    image: a\n    environment:\n      - A=1\n      B: 2\n',
    findings: [['yaml-syntax', 'compose.yaml:6:7', 'B', /have to be indented alike/]],
  },
  'an entry of a list among keys': {
    files: 'services:\n  web:\n    image: a\n    environment:\n      A: 1\n      - B=2\n',
    findings: [['yaml-syntax', 'compose.yaml:6:7', '-', /without a dash/]],
  },
  'a dash without a space': {
    files: 'services:\n  web:\n    image: a\n    ports:\n      -"80:80"\n',
    findings: [['wrong-type', 'compose.yaml:5:7', '-"80:80"', /a space is missing after the dash/]],
  },
  'the long form of a dependency in a list': {
    files:
      'services:\n  web:\n    image: a\n    depends_on:\n      - db:\n          condition: service_healthy\n  db: { image: b }\n',
    findings: [['wrong-type', 'compose.yaml:5:9', 'db:', /leave out the dash/]],
  },
  'a condition where a mapping is expected': {
    files: 'services:\n  web: { image: a, depends_on: { db: service_healthy } }\n  db: { image: b }\n',
    findings: [
      ['wrong-type', 'compose.yaml:2:38', 'service_healthy', /`db: \{ condition: service_healthy \}`/],
    ],
  },
  'a blank that is none to YAML': {
    files: 'services: { a: { image: b } }\n\u00a0web: 1\n',
    findings: [['unknown-key', 'compose.yaml:2:1', '\u00a0web', /U\+00A0/]],
  },
  'typographic quotes': {
    files: 'services:\n  web:\n    image: a\n    ports: [\u201c80:80\u201d]\n',
    findings: [['invalid-value', 'compose.yaml:4:13', '\u201c80:80\u201d', /typographic quotes/]],
  },
  'a key of networks in a service': {
    files: 'services:\n  web:\n    image: a\n    subnet: 10.0.0.0/24\n',
    findings: [['unknown-key', 'compose.yaml:4:5', 'subnet', /at the top of the file, into `networks/]],
  },
  'a directory that looks like a volume': {
    files: 'services:\n  web:\n    image: a\n    volumes: [data/sub:/x]\n',
    findings: [['undefined-reference', 'compose.yaml:4:15', 'data/sub:/x', /write \.\/data\/sub/]],
  },
  'an env file that is missing': {
    files: 'services:\n  web:\n    image: a\n    env_file: web.env\n',
    findings: [['file-not-found', 'compose.yaml:4:15', 'web.env', /required: false/]],
  },
  'a secret without a name': {
    files: 'services:\n  web:\n    image: a\n    secrets: [""]\n',
    findings: [['undefined-reference', 'compose.yaml:4:15', '""', /the entry has no name/]],
  },
  'a quote that is not closed': {
    files: 'services:\n  web:\n    image: "nginx\n    tty: true\n',
    findings: [['yaml-syntax', 'compose.yaml:3:12', '"', /close it, or quote/]],
  },
  'a bracket that is not closed': {
    files: 'services:\n  web:\n    image: nginx\n    command: [sh, -c\n    tty: true\n',
    findings: [['yaml-syntax', 'compose.yaml:4:14', '[', /close it, or quote/]],
  },
  'a brace of JSON that is not closed': {
    files: '{"services": {"web": {"image": "x",}}',
    findings: [['yaml-syntax', 'compose.yaml:1:1', '{', /close it, or quote/]],
  },
  'a key twice': {
    files: 'services:\n  web:\n    image: nginx\n    image: apache\n',
    findings: [['duplicate-key', 'compose.yaml:4:5', 'image', /remove one of them/]],
  },
  'a merge conflict': {
    files: 'services:\n  web:\n<<<<<<< HEAD\n    image: a\n=======\n    image: b\n>>>>>>> main\n',
    findings: [['yaml-syntax', 'compose.yaml:3:1', '<<<<<<< HEAD', /merge conflict/]],
  },
  'a template that was not filled in': {
    files: 'services:\n  web:\n    image: {{ image }}\n',
    findings: [['yaml-syntax', 'compose.yaml:3:13', '{ image }', /fill it in first, or quote the value/]],
  },
  'an anchor of another name': {
    files: 'x-common: &common\n  tty: true\nservices:\n  web:\n    <<: *comon\n    image: nginx\n',
    findings: [['yaml-syntax', 'compose.yaml:5:9', '*comon', /did you mean \*common\?/]],
  },
  'ports that are no list': {
    files: 'services:\n  web:\n    image: nginx\n    ports: 80:80\n',
    findings: [['wrong-type', 'compose.yaml:4:12', '80:80', /or write ports: \["80:80"\]/]],
  },
  'a port that does not exist': {
    files: 'services:\n  web:\n    image: nginx\n    ports:\n      - 80800:80\n',
    findings: [['invalid-value', 'compose.yaml:5:9', '80800:80', /numbers up to 65535/]],
  },
  'a mapping in a list of variables': {
    files: 'services:\n  web:\n    image: nginx\n    environment:\n      - DEBUG: on\n',
    findings: [['wrong-type', 'compose.yaml:5:9', 'DEBUG: on', /- DEBUG=on, or leave out the dashes/]],
  },
  'a number that has to be text': {
    files: 'services:\n  web:\n    image: nginx\n    user: 1000\n',
    findings: [['wrong-type', 'compose.yaml:4:11', '1000', /quote it: user: "1000"/]],
  },
  'a duration without a unit': {
    files: 'services:\n  web:\n    image: nginx\n    healthcheck: { test: [CMD, x], interval: 30 }\n',
    findings: [['wrong-type', 'compose.yaml:4:46', '30', /interval: 30s/]],
  },
  'a size with a unit that nobody knows': {
    files: 'services:\n  web:\n    image: nginx\n    mem_limit: 512megs\n',
    findings: [['invalid-value', 'compose.yaml:4:16', '512megs', /512k, 64m, 2g/]],
  },
  'a check without CMD': {
    files: 'services:\n  web:\n    image: nginx\n    healthcheck:\n      test: [curl, -f, x]\n',
    findings: [['invalid-value', 'compose.yaml:5:13', '[curl, -f, x]', /write `\[CMD, curl, …\]`/]],
  },
  'a condition by half its name': {
    files:
      'services:\n  web:\n    image: nginx\n    depends_on:\n      db: { condition: healthy }\n  db: { image: x }\n',
    findings: [['invalid-value', 'compose.yaml:5:24', 'healthy', /did you mean service_healthy\?/]],
  },
  'a dependency on nothing': {
    files: 'services:\n  web:\n    image: nginx\n    depends_on: [databse]\n  database: { image: x }\n',
    findings: [['undefined-reference', 'compose.yaml:4:18', 'databse', /did you mean database\?/]],
  },
  'a dependency that a profile disables': {
    files: 'services:\n  web: { image: nginx, depends_on: [db] }\n  db: { image: x, profiles: [data] }\n',
    findings: [['undefined-reference', 'compose.yaml:2:37', 'db', /add `--profile data`/]],
  },
  'services that wait for each other': {
    files: 'services:\n  a: { image: x, depends_on: [b] }\n  b: { image: x, depends_on: [a] }\n',
    findings: [['dependency-cycle', 'compose.yaml:2:31', 'b', /remove one of these dependencies/]],
  },
  'a volume that is declared nowhere': {
    files: 'services:\n  web:\n    image: nginx\n    volumes: [data:/data]\n',
    findings: [['undefined-reference', 'compose.yaml:4:15', 'data:/data', /`volumes: \{ data: \{\} \}`/]],
  },
  'a service without an image': {
    files: 'services:\n  web:\n    tty: true\n',
    findings: [['missing-key', 'compose.yaml:2:3', 'web', /add `image:` or `build:`/]],
  },
  'a dollar sign in a password': {
    files: 'services:\n  db:\n    image: x\n    environment:\n      PASSWORD: pa${ss\n',
    findings: [['interpolation', 'compose.yaml:5:17', 'pa${ss', /write `\$\$` for a dollar sign/]],
  },
  'a variable that only containers get': {
    files: {
      'compose.yaml': 'services:\n  web:\n    image: nginx:${TAG:?}\n    env_file: web.env\n',
      'web.env': 'TAG=1\n',
    },
    findings: [
      ['required-variable', 'compose.yaml:3:12', 'nginx:${TAG:?}', /TAG is set in web\.env, which only/],
    ],
  },
  'a misspelt variable where a number has to be': {
    files: {
      'compose.yaml': 'services:\n  web:\n    image: x\n    scale: ${WEB_COUTN}\n',
      '.env': 'WEB_COUNT=2\n',
    },
    findings: [
      [
        'invalid-value',
        'compose.yaml:4:12',
        '${WEB_COUTN}',
        /WEB_COUTN is not set: did you mean WEB_COUNT\?/,
      ],
      ['unset-variable', 'compose.yaml:4:12', '${WEB_COUTN}', /did you mean WEB_COUNT\?/],
    ],
  },
  'a file to extend that is called otherwise': {
    files: {
      'compose.yaml': 'services:\n  web:\n    extends:\n      file: comon.yaml\n      service: web\n',
      'common.yaml': 'services: {}\n',
    },
    findings: [['file-not-found', 'compose.yaml:4:13', 'comon.yaml', /did you mean .*common\.yaml\?/]],
  },
  'a mistake in an included file': {
    files: {
      'compose.yaml': 'include: [inner/more.yaml]\nservices: { web: { image: nginx } }\n',
      'inner/more.yaml': 'services:\n  db:\n    image: x\n    restart: 5\n',
    },
    findings: [['wrong-type', 'more.yaml:4:14', '5', /quote it: restart: "5"/]],
  },
  'a mistake in an override file': {
    files: {
      'compose.yaml': 'services:\n  web:\n    image: nginx\n',
      'compose.override.yaml': 'services:\n  web:\n    prots: ["80:80"]\n',
    },
    findings: [['unknown-key', 'compose.override.yaml:3:5', 'prots', /did you mean `ports`\?/]],
  },
  'a file of variables with a quote that is not closed': {
    files: { 'compose.yaml': 'services:\n  web: { image: x }\n', '.env': 'A=1\nB="x\n' },
    findings: [['env-file', '.env:2:1', 'B', nothing]],
  },
  'a file of the first format': {
    files: 'web:\n  image: nginx\ndb:\n  image: postgres\n',
    findings: [['legacy-format', 'compose.yaml:1:1', 'web', /called fig\.yml, or with --legacy/]],
  },
  'several mistakes of all kinds': {
    files:
      'services:\n  web:\n    imge: nginx\n    ports: "80:80"\n    scale: ${N?}\n    cap_add: NET_ADMIN\n',
    findings: [
      ['unknown-key', 'compose.yaml:3:5', 'imge', /did you mean `image`\?/],
      ['wrong-type', 'compose.yaml:4:12', '"80:80"', /start each entry with a dash/],
      ['required-variable', 'compose.yaml:5:12', '${N?}', /set it in \.env or in the shell/],
      ['wrong-type', 'compose.yaml:6:14', 'NET_ADMIN', /cap_add: \["NET_ADMIN"\]/],
    ],
  },
  'an empty file': {
    files: '# nothing yet\n',
    findings: [['missing-key', 'compose.yaml:1:1', '#', /at least `services:`/]],
  },
};

/** The text above the carets of a frame. */
function markedText(shown: string): string {
  const lines = shown.split('\n');
  const carets = lines.findIndex((line) => /^ *\| *\^+$/.test(line));
  const start = lines[carets]?.indexOf('^') ?? 0;
  return lines[carets - 1]?.slice(start, lines[carets]?.length) ?? '';
}

it.each(Object.entries(broken))('%s', (_name, { files, options, findings }) => {
  const cwd = directory(files);
  const { error } = failure(files, { ...options, cwd });
  const found = findingsOf(error).map((finding) => {
    const shown = renderDiagnostics([finding], {
      format: 'text',
      color: false,
      directory: cwd,
      readSource: (file) => readFileSync(file, 'utf8'),
    });
    const place = /--> (?:.*\/)?(.*)$/m.exec(shown)?.[1] ?? '';
    return { code: finding.code, place, marked: markedText(shown), hint: finding.hint ?? '' };
  });
  expect(found).toEqual(
    findings.map(([code, place, marked, hint]) => ({
      code,
      place,
      marked,
      hint: expect.stringMatching(hint),
    })),
  );
});
