// What is printed: tables, durations, ports, and the templates of --format.
import { describe, expect, it } from 'vitest';
import { portsText } from '../../src/cli/container-row.ts';
import { renderListing } from '../../src/cli/listing.ts';
import { binarySize, decimalSize, humanDuration, rainbow, styled, table } from '../../src/cli/output.ts';
import { compileTemplate } from '../../src/cli/template.ts';
import { ComposeError } from '../../src/errors.ts';

const rows = [
  {
    Name: 'demo-web-1',
    Ports: '',
    State: 'running',
    Nets: ['a', 'b'],
    Label: (name: unknown) => `<${String(name)}>`,
  },
  { Name: 'demo-db-1', Ports: '5432/tcp', State: 'exited', Nets: [], Label: () => '' },
];
const columns = [
  { title: 'NAME', field: 'Name' },
  { title: 'PORTS', field: 'Ports' },
];

describe('tables', () => {
  it('align columns and leave no blanks at the end', () => {
    expect(table(['A', 'B'], [['longer than ten', 'x']])).toBe('A                 B\nlonger than ten   x\n');
  });

  it('count wide characters twice', () => {
    const [first = '', second = ''] = table(
      [],
      [
        ['数据', 'x'],
        ['abcd', 'x'],
      ],
    ).split('\n');
    expect(first.indexOf('x')).toBe(second.indexOf('x') - 2);
  });
});

describe('formats', () => {
  const show = (format?: string) => renderListing(rows, { format, columns, json: 'lines' });

  it('are a table, chosen columns, JSON lines or a template', () => {
    expect(show()).toBe('NAME         PORTS\ndemo-web-1   \ndemo-db-1    5432/tcp\n');
    expect(show('table {{.Name}}\\t{{.State}}')).toBe(
      'NAME         STATE\ndemo-web-1   running\ndemo-db-1    exited\n',
    );
    expect(
      show('json')
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line).Name),
    ).toEqual(['demo-web-1', 'demo-db-1']);
    expect(show('{{.Name}}:{{upper .State}}')).toBe('demo-web-1:RUNNING\ndemo-db-1:EXITED\n');
  });

  it('give one array where other tools do', () => {
    expect(JSON.parse(renderListing(rows, { format: 'json', columns, json: 'array' }))).toHaveLength(2);
  });
});

describe('templates', () => {
  const render = (text: string) => compileTemplate(text)(rows[0]);

  it.each([
    ['{{json .Nets}}', '["a","b"]'],
    ['{{.Label "x y"}}', '<x y>'],
    ['{{range .Nets}}[{{.}}]{{end}}', '[a][b]'],
    ['{{if eq .State "running"}}up{{else}}not{{end}}', 'up'],
    ['{{if eq .State "x"}}1{{else if .Ports}}2{{else}}3{{end}}', '3'],
    ['{{join .Nets ", " | upper}}', 'A, B'],
    ['{{with .Ports}}{{.}}{{else}}none{{end}}', 'none'],
    ['{{(index .Nets 1)}}', 'b'],
    ['a {{- .State -}} b', 'arunningb'],
    ['{{/* nothing */}}x', 'x'],
    ['{{len .Nets}}{{println "!"}}', '2!\n'],
  ])('%s', (text, wanted) => expect(render(text)).toBe(wanted));

  it.each(['{{.Nope}}', '{{nope .Name}}', '{{if .Name}}', '{{end}}', '{{.Name', '{{}}'])(
    '%s says what is wrong',
    (text) => expect(() => render(text)).toThrow(ComposeError),
  );
});

describe('words', () => {
  it.each([
    [400, 'Less than a second'],
    [1000, '1 second'],
    [59_900, '59 seconds'],
    [61_000, 'About a minute'],
    [3_540_000, '59 minutes'],
    [3_660_000, 'About an hour'],
    [47 * 3_600_000, '47 hours'],
    [3 * 86_400_000, '3 days'],
    [20 * 86_400_000, '2 weeks'],
  ])('%d ms', (ms, wanted) => expect(humanDuration(ms)).toBe(wanted));

  it('sizes', () => {
    expect([binarySize(0), binarySize(1536), binarySize(5 * 2 ** 30)]).toEqual(['0B', '1.5KiB', '5GiB']);
    expect([decimalSize(999), decimalSize(1_234_567)]).toEqual(['999B', '1.23MB']);
  });

  it('ports are put together when they follow each other', () => {
    const port = (PublishedPort: number, TargetPort: number, URL = '0.0.0.0', Protocol = 'tcp') => ({
      URL,
      TargetPort,
      PublishedPort,
      Protocol,
    });
    expect(portsText([port(8001, 81), port(8000, 80), port(0, 53, '', 'udp'), port(9000, 90, '::')])).toBe(
      '0.0.0.0:8000-8001->80-81/tcp, [::]:9000->90/tcp, 53/udp',
    );
  });

  it('colours are stable per name, and off when they are off', () => {
    const paint = rainbow(true);
    expect(paint('a', 'x')).toBe(paint('a', 'x'));
    expect(paint('a', 'x')).not.toBe(paint('b', 'x'));
    expect(rainbow(false)('a', 'x')).toBe('x');
    expect(styled('x', 'red', false)).toBe('x');
  });
});
