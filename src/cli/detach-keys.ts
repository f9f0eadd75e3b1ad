// Keys that leave a container alone: held back until it is clear that they are not the start of leaving.
import { ComposeError } from '../errors.ts';

/** `ctrl-p,ctrl-q` or plain characters as bytes; throws `usage` for what is no key. */
export function parseKeys(text: string): Uint8Array {
  const bytes = text.split(',').map((key) => {
    const control = /^ctrl-([a-z@[\\\]^_])$/i.exec(key)?.[1];
    if (control !== undefined) return control.toUpperCase().charCodeAt(0) & 0x1f;
    if (key.length === 1) return key.charCodeAt(0);
    throw new ComposeError('usage', `--detach-keys: ${JSON.stringify(key)} is no key`, {
      hint: 'keys are single characters or ctrl-LETTER, with commas between them',
    });
  });
  return Uint8Array.from(bytes);
}

export interface Typed {
  /** What the container is to get. */
  readonly bytes: Uint8Array;
  readonly detached: boolean;
}

/** Takes what is typed, piece by piece; without keys all of it passes. */
export function keyFilter(keys: Uint8Array): (typed: Uint8Array) => Typed {
  let matched = 0;
  return (typed) => {
    const bytes: number[] = [];
    for (const byte of typed) {
      if (byte === keys[matched]) {
        matched++;
        if (matched === keys.length) return { bytes: Uint8Array.from(bytes), detached: true };
        continue;
      }
      bytes.push(...keys.subarray(0, matched));
      matched = byte === keys[0] ? 1 : 0;
      if (matched === 0) bytes.push(byte);
    }
    return { bytes: Uint8Array.from(bytes), detached: false };
  };
}
