// Findings as text, JSON, SARIF and workflow commands.
import { describe, expect, it } from 'vitest';
import { type RenderOptions, renderDiagnostics } from '../../src/compose/diagnostics.ts';
import { widthOf } from '../../src/compose/frame.ts';
import type { Diagnostic } from '../../src/errors.ts';

const YAML = `services:
  web:
    image: nginx
    ports: "80:80"
\tbad: 1
    labels: { 名前: wert, é: x }
`;

const render = (
  diagnostics: readonly Diagnostic[],
  options: Partial<RenderOptions> = {},
  source: string | undefined = YAML,
): string =>
  renderDiagnostics(diagnostics, {
    format: 'text',
    color: false,
    readSource: (file) => (file.endsWith('.yaml') ? source : undefined),
    directory: '/project',
    ...options,
  });

const wrongPorts: Diagnostic = {
  severity: 'error',
  code: 'wrong-type',
  message: 'services.web.ports must be a list, not a string',
  at: { file: '/project/compose.yaml', line: 4, column: 12, endColumn: 19 },
  hint: 'start each entry with a dash',
  path: 'services.web.ports',
};
const at = (line: number, column: number, endColumn?: number): Diagnostic => ({
  severity: 'error',
  code: 'yaml-syntax',
  message: 'm',
  at: { file: '/project/compose.yaml', line, column, ...(endColumn === undefined ? {} : { endColumn }) },
});
/** What stands above the carets. */
const underlined = (text: string): string => {
  const lines = text.split('\n');
  const index = lines.findIndex((line) => /^\s*\|\s+\^+$/.test(line));
  const carets = lines[index] ?? '';
  const from = carets.indexOf('^');
  const cells = [...(lines[index - 1] ?? '')].flatMap((sign) => (widthOf(sign) === 2 ? [sign, ''] : [sign]));
  return cells.slice(from, carets.lastIndexOf('^') + 1).join('');
};

describe('text', () => {
  it('shows code, place, frame and hint', () => {
    expect(render([wrongPorts])).toBe(`error[wrong-type]: services.web.ports must be a list, not a string
 --> compose.yaml:4:12
  |
3 |     image: nginx
4 |     ports: "80:80"
  |            ^^^^^^^
5 |     bad: 1
   hint: start each entry with a dash
`);
  });

  it('puts carets under text after tabs', () => {
    expect(underlined(render([at(5, 2, 5)]))).toBe('bad');
  });

  it('puts carets under text after and in wide characters', () => {
    expect(underlined(render([at(6, 15, 17)]))).toBe('名前');
    expect(underlined(render([at(6, 19, 23)]))).toBe('wert');
    expect(underlined(render([at(6, 25, 26)]))).toBe('é');
  });

  it('marks one column where no end is known, and at the end of a line', () => {
    expect(underlined(render([at(3, 12)]))).toBe('n');
    expect(render([at(1, 10)])).toContain('1 | services:\n  |          ^\n');
  });

  it('does without a frame when the file or line is not there', () => {
    expect(render([{ ...wrongPorts, at: { file: '-', line: 1, column: 1 } }])).toContain(
      '--> <stdin>:1:1\n   hint',
    );
    expect(render([at(99, 1)])).toBe('error[yaml-syntax]: m\n   --> compose.yaml:99:1\n');
  });

  it('does without a place', () => {
    expect(render([{ severity: 'warning', code: 'deprecated', message: 'old' }])).toBe(
      'warning[deprecated]: old\n',
    );
  });

  it('shows only the part around the mistake of a long line', () => {
    const long = `a: "${'x'.repeat(5000)}OOPS${'y'.repeat(5000)}"`;
    const text = render([at(1, 5005, 5009)], {}, long);
    expect(underlined(text)).toBe('OOPS');
    expect(Math.max(...text.split('\n').map((line) => line.length))).toBeLessThan(200);
  });

  it('is not fooled by control characters', () => {
    const text = render([{ ...at(1, 1), message: 'a\u001b[31mb\nc' }], {}, 'x: \u001b]0;title\u0007\u202e');
    expect(text).not.toMatch(/(?!\n)\p{Cc}|\u202e/u);
    expect(text).toContain('b c');
  });

  it('puts together what one place caused several times', () => {
    const other = (name: string): Diagnostic => ({
      ...wrongPorts,
      message: `services.${name}.ports must be a list, not a string`,
      path: `services.${name}.ports`,
    });
    const text = render([wrongPorts, other('a'), other('b'), other('c'), other('d'), at(1, 1)]);
    expect(text.match(/error\[/g)).toHaveLength(2);
    expect(text).toContain('also at: services.a.ports, services.b.ports, services.c.ports and 1 more places');
  });

  it('stops where nobody reads on, for people only', () => {
    const many = Array.from({ length: 80 }, (_, index) => at(index + 1, 1));
    expect(render(many).match(/error\[/g)).toHaveLength(50);
    expect(render(many)).toMatch(/\n… and 30 more\n$/);
    expect(JSON.parse(render(many, { format: 'json' }))).toHaveLength(80);
  });

  it('uses colours when asked', () => {
    expect(render([wrongPorts], { color: true })).toContain('\u001b[31merror[wrong-type]\u001b[0m');
  });

  it('is empty without findings', () => {
    expect(render([])).toBe('');
  });
});

describe('json', () => {
  it('is a list of flat objects', () => {
    expect(JSON.parse(render([wrongPorts], { format: 'json' }))).toEqual([
      {
        severity: 'error',
        code: 'wrong-type',
        message: wrongPorts.message,
        file: '/project/compose.yaml',
        line: 4,
        column: 12,
        endColumn: 19,
        path: 'services.web.ports',
        hint: 'start each entry with a dash',
      },
    ]);
    expect(JSON.parse(render([], { format: 'json' }))).toEqual([]);
  });
});

describe('sarif', () => {
  const log = JSON.parse(
    render(
      [wrongPorts, { ...at(1, 2), severity: 'warning', at: { file: '/else/a b#.yaml', line: 1, column: 2 } }],
      {
        format: 'sarif',
        version: '1.2.3',
      },
    ),
  );
  const [run] = log.runs;

  it('has what version 2.1.0 requires', () => {
    expect(log.version).toBe('2.1.0');
    expect(run.tool.driver).toMatchObject({ name: 'tscompose', version: '1.2.3' });
    for (const result of run.results) {
      expect(run.tool.driver.rules[result.ruleIndex].id).toBe(result.ruleId);
      expect(typeof result.message.text).toBe('string');
      expect(['error', 'warning']).toContain(result.level);
    }
  });

  it('places results', () => {
    expect(run.originalUriBaseIds).toEqual({ ROOT: { uri: 'file:///project/' } });
    expect(run.results[0].locations[0]).toEqual({
      physicalLocation: {
        artifactLocation: { uri: 'compose.yaml', uriBaseId: 'ROOT' },
        region: { startLine: 4, startColumn: 12, endColumn: 19 },
      },
      logicalLocations: [{ fullyQualifiedName: 'services.web.ports' }],
    });
    expect(run.results[1].locations[0].physicalLocation.artifactLocation.uri).toBe(
      'file:///else/a%20b%23.yaml',
    );
  });
});

describe('github', () => {
  it('is one command a finding', () => {
    expect(render([wrongPorts], { format: 'github' })).toBe(
      '::error file=compose.yaml,line=4,col=12,endColumn=19,title=wrong-type::' +
        'services.web.ports must be a list, not a string%0Ahint: start each entry with a dash\n',
    );
  });

  it('escapes what would end a command or a property', () => {
    const text = render(
      [
        {
          ...at(1, 1),
          severity: 'warning',
          message: '100%\r\n::error::x',
          at: { file: '/project/a,b:c.yaml', line: 1, column: 1 },
        },
      ],
      { format: 'github' },
    );
    expect(text).toBe(
      '::warning file=a%2Cb%3Ac.yaml,line=1,col=1,title=yaml-syntax::100%25%0D%0A::error::x\n',
    );
  });
});
