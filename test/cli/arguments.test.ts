// The command line's grammar: what the tables of options mean.
import { describe, expect, it } from 'vitest';
import { parseArguments } from '../../src/cli/arguments.ts';
import type { OptionSpec } from '../../src/cli/command.ts';
import { nearest } from '../../src/cli/nearest.ts';
import { ComposeError } from '../../src/errors.ts';

const options: readonly OptionSpec[] = [
  { name: 'detach', short: 'd', type: 'boolean', summary: '' },
  { name: 'no-TTY', short: 'T', type: 'boolean', summary: '' },
  { name: 'env', short: 'e', type: 'list', summary: '' },
  { name: 'timeout', short: 't', type: 'number', summary: '' },
  { name: 'format', type: 'string', summary: '', choices: ['table', 'json'] },
  { name: 'wait', type: 'boolean', summary: '', excludes: ['detach'] },
];

function parse(argv: readonly string[], stopsAtPositional = false) {
  return parseArguments(argv, { owner: 'tscompose x', options, stopsAtPositional }).args;
}

function failure(argv: readonly string[]): ComposeError {
  try {
    parse(argv);
  } catch (error) {
    if (error instanceof ComposeError) return error;
  }
  throw new Error(`${argv.join(' ')} was accepted`);
}

describe('options', () => {
  it('come in all the usual spellings', () => {
    for (const argv of [['-t', '5'], ['-t5'], ['-t=5'], ['--timeout', '5'], ['--timeout=5'], ['-dt5']]) {
      expect(parse(argv).number('timeout'), argv.join(' ')).toBe(5);
    }
  });

  it('combine short flags, the last of which may take a value', () => {
    const args = parse(['-dTe', 'A=1', 'web', '-eB=2']);
    expect(args.flag('detach') && args.flag('no-TTY')).toBe(true);
    expect(args.list('env')).toEqual(['A=1', 'B=2']);
    expect(args.positionals).toEqual(['web']);
  });

  it('keep a value that looks like an option, and an empty one', () => {
    expect(parse(['-e', '-d', '--env=']).list('env')).toEqual(['-d', '']);
    expect(parse(['-e', '-d']).flag('detach')).toBe(false);
  });

  it('can be switched off', () => {
    const args = parse(['--detach=false']);
    expect(args.flag('detach')).toBe(false);
    expect(args.given('detach')).toBe(true);
  });

  it('end at --', () => {
    expect(parse(['a', '--', '-d', '--', 'b']).positionals).toEqual(['a', '-d', '--', 'b']);
  });

  it('end at the first positional for commands that run commands', () => {
    const args = parse(['-d', 'web', 'ls', '-T', '--', '-t'], true);
    expect(args.positionals).toEqual(['web', 'ls', '-T', '--', '-t']);
    expect(args.flag('no-TTY')).toBe(false);
  });

  it('take a lone dash as an argument', () => {
    expect(parse(['-']).positionals).toEqual(['-']);
  });
});

describe('mistakes', () => {
  it.each([
    [['--detatch'], '--detatch', '--detach'],
    [['--formt=json'], '--formt', '--format'],
  ])('%j suggests the nearest option', (argv, shown, hint) => {
    expect(failure(argv).message).toContain(shown);
    expect(failure(argv).hint).toContain(hint);
  });

  it.each([
    [['-x']],
    [['-dx']],
    [['--timeout']],
    [['--timeout', 'soon']],
    [['--detach=maybe']],
    [['--format', 'xml']],
    [['--wait', '-d']],
  ])('%j is a usage error', (argv) => {
    expect(failure(argv).code).toBe('usage');
  });

  it('names the accepted values', () => {
    expect(failure(['--format', 'xml']).message).toMatch(/table, json/);
  });
});

describe('nearest', () => {
  it('knows swapped, missing and wrong letters, and gives up on other words', () => {
    const names = ['up', 'down', 'restart', 'version'];
    expect(nearest('verison', names)).toBe('version');
    expect(nearest('dwn', names)).toBe('down');
    expect(nearest('restrat', names)).toBe('restart');
    expect(nearest('kubernetes', names)).toBeUndefined();
  });
});
