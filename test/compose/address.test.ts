// IP addresses are told from other texts as Node tells them.
import { isIP } from 'node:net';
import { expect, it } from 'vitest';
import { familyOf } from '../../src/compose/address.ts';

it.each([
  ['127.0.0.1', 4],
  ['255.255.255.255', 4],
  ['256.0.0.1', 0],
  ['010.0.0.1', 0],
  ['1.2.3', 0],
  ['1.2.3.4.5', 0],
  ['::', 6],
  ['fe80::1%eth0', 6],
  ['2001:db8::192.0.2.1', 6],
  ['1:2:3:4:5:6:7:8', 6],
  ['1::2::3', 0],
  ['1:2:3:4:5:6:7:8:9', 0],
  ['::12345', 0],
  ['::1]@[::2', 0],
  ['localhost', 0],
  ['', 0],
])('%s', (text, family) => {
  expect([familyOf(text), isIP(text)]).toEqual([family, family]);
});
