// The keys that leave a container alone.
import { describe, expect, test } from 'vitest';
import { keyFilter, parseKeys } from '../../src/cli/detach-keys.ts';

const bytes = (text: string) => Uint8Array.from(text, (char) => char.charCodeAt(0));
const pass = (keys: string, ...pieces: readonly string[]) => {
  const filter = keyFilter(keys === '' ? new Uint8Array() : parseKeys(keys));
  return pieces.map((piece) => {
    const { bytes: passed, detached } = filter(bytes(piece));
    return `${String.fromCharCode(...passed)}${detached ? '!' : ''}`;
  });
};

describe('keys', () => {
  test('are letters and ctrl-letters', () => {
    expect([...parseKeys('ctrl-p,ctrl-Q,a,ctrl-@,ctrl-[')]).toEqual([16, 17, 97, 0, 27]);
    expect(() => parseKeys('ctrl-p,esc')).toThrow(expect.objectContaining({ code: 'usage' }));
  });
  test('are held back until they are all there', () => {
    expect(pass('ctrl-p,ctrl-q', 'ab\x10', '\x11')).toEqual(['ab', '!']);
    expect(pass('ctrl-p,ctrl-q', 'ab\x10\x11cd')).toEqual(['ab!']);
  });
  test('that were something else pass with what follows', () => {
    expect(pass('ctrl-p,ctrl-q', '\x10', 'x')).toEqual(['', '\x10x']);
    expect(pass('ctrl-p,ctrl-q', '\x10\x10', '\x11')).toEqual(['\x10', '!']);
    expect(pass('a,b,c', 'abab', 'c')).toEqual(['ab', '!']);
  });
  test('may be none', () => {
    expect(pass('', '\x10\x11')).toEqual(['\x10\x11']);
  });
});
