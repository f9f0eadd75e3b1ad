// volumes_from
import { describe, expect, test } from 'vitest';
import { isImpossible, linesOf, look, scene, serviceOf, titled } from '../inside.ts';

describe.skipIf(isImpossible)(titled('volumes_from'), () => {
  const lender = serviceOf(
    'volumes: ["./dir:/bound", "data:/data", "/anonymous"]',
    'echo lent >/data/file; echo more >/anonymous/file',
    'lender',
  );
  const app = (from: string) =>
    serviceOf(
      `volumes_from: ["${from}"]\ndepends_on: {lender: {condition: service_completed_successfully}}`,
      'cat /bound/file /data/file /anonymous/file; touch /data/x 2>/dev/null && echo writable || echo refused',
    );
  test.each([
    ['lender', 'writable'],
    ['lender:ro', 'refused'],
  ])('%s', async (from, expected) => {
    await using stack = scene(`services:\n${lender}${app(from)}volumes:\n  data: {}\n`, {
      files: { 'dir/file': 'bound\n' },
    });
    await look(stack);
    expect(linesOf(await stack.ok('logs', '--no-log-prefix', 'app'))).toEqual([
      'bound',
      'lent',
      'more',
      expected,
    ]);
  });
});
