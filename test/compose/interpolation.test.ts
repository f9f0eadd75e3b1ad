// Variables: every operator, nesting, escapes, types, and what is told about them.
import { describe, expect, it } from 'vitest';
import { substitute, TemplateError, variablesOf } from '../../src/compose/template.ts';
import { failure, load, serviceFile, warnings, web } from './fixture.ts';

const variables: Readonly<Record<string, string>> = { SET: 'v', EMPTY: '', N: '3', OTHER: 'o' };

function expand(template: string): { text: string; unset: string[] } {
  const unset: string[] = [];
  const text = substitute(
    template,
    (name) => variables[name],
    (name) => unset.push(name),
  );
  return { text, unset };
}

describe('a template', () => {
  it.each([
    ['plain', 'plain'],
    ['$SET and ${SET}', 'v and v'],
    ['${NO:-d} ${EMPTY:-d} ${SET:-d}', 'd d v'],
    ['${NO-d} ${EMPTY-d} ${SET-d}', 'd  v'],
    ['${NO:+r} ${EMPTY:+r} ${SET:+r}', '  r'],
    ['${NO+r} ${EMPTY+r} ${SET+r}', ' r r'],
    ['${SET:?e} ${SET?e} ${EMPTY?e}', 'v v '],
    ['${NO:-${OTHER}} ${NO:-${NO2:-deep}}', 'o deep'],
    ['${NO:-a:-b} ${NO-?x} ${NO:-}', 'a:-b ?x '],
    ['$$SET $${SET} $$$SET', '$SET ${SET} $v'],
    ['$ 100$ $1 $(date) $%', '$ 100$ $1 $(date) $%'],
    ['$SET.x $SET-y', 'v.x v-y'],
    ['${NO:-{}}', '{}'],
    ['${NO:-a{b}c}', 'a{b}c'],
  ])('%s', (template, expected) => {
    expect(expand(template).text).toBe(expected);
  });

  it('names the variables that are not set, also in defaults that are not used', () => {
    expect(expand('$NO1 ${NO2} ${NO3:-x} ${SET:-$NO4}').unset).toEqual(['NO1', 'NO2', 'NO4']);
  });

  it.each(['${', '${}', '${1A}', '${A', '${A.B}', '${A:-x', '${A!x}', '${NO:-a\nb}'])(
    'refuses %j',
    (template) => {
      expect(() => expand(template)).toThrow(TemplateError);
    },
  );

  it('refuses what is required and missing', () => {
    expect(() => expand('${EMPTY:?say why}')).toThrow('required variable EMPTY is missing a value: say why');
    expect(() => expand('${NO?}')).toThrow('required variable NO is missing a value');
  });

  it('lists the variables it uses', () => {
    expect(variablesOf('$A ${B:-$C} $$D ${E?f}')).toEqual([
      { name: 'A', operator: '', argument: '' },
      { name: 'B', operator: ':-', argument: '$C' },
      { name: 'C', operator: '', argument: '' },
      { name: 'E', operator: '?', argument: 'f' },
    ]);
  });
});

describe('in a document, variables', () => {
  const env = { N: '3', YES: 'yes' };

  it('become numbers and booleans where those are wanted', () => {
    expect(web('scale: ${N}\ntty: ${YES}\nprivileged: "${NO:-false}"', { env })).toEqual({
      scale: 3,
      tty: true,
    });
  });

  it('are expanded in values and list entries, never in keys', () => {
    expect(web('labels: { "$N": "$N" }\nenvironment: ["A${N}=$N"]', { env, isReadable: false })).toEqual({
      environment: { A3: '3' },
      labels: { $N: '3' },
    });
  });

  it('are told about once when they are not set', () => {
    expect(warnings(serviceFile('hostname: a$NOPE\ndomainname: b$NOPE'))).toEqual([
      'the "NOPE" variable is not set, defaulting to a blank string',
    ]);
  });

  it.each([
    ['scale: ${W}', 'invalid-value', 'compose.yaml:4:12'],
    ['hostname: ${W', 'interpolation', 'compose.yaml:4:15'],
    ['hostname: ${W:?must be}', 'required-variable', 'compose.yaml:4:15'],
  ])('%s is refused at its place', (body, code, place) => {
    const { codes, places } = failure(serviceFile(body));
    expect([codes[0], places[0]]).toEqual([code, place]);
  });

  it('that are not set are told of beside what comes of it', () => {
    const { codes, error } = failure(serviceFile('scale: ${W}'));
    expect(codes).toEqual(['invalid-value', 'unset-variable']);
    expect(error.hint).toMatch(/^W is not set: set it in \.env/);
  });

  it('that are wrong do not hide the other mistakes of the file', () => {
    const { codes, places } = failure(serviceFile('ports: ["${W?}"]\nimge: x\nscale: [1]'));
    expect(codes).toEqual(['required-variable', 'unknown-key', 'wrong-type']);
    expect(places).toEqual(['compose.yaml:4:13', 'compose.yaml:5:5', 'compose.yaml:6:12']);
  });

  it('stay when nothing is to be interpolated', () => {
    const { project } = load(serviceFile('hostname: $N'), { env, interpolate: false });
    expect(project.services.web?.hostname).toBe('$N');
  });

  it('of YAML 1.1 booleans are taken with a warning', () => {
    expect(warnings(serviceFile('init: "on"'))).toEqual([
      '"on" for boolean is not supported by YAML 1.2, please use `true`',
    ]);
  });
});
