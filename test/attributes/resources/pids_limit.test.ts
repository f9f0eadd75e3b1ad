// pids_limit
import { describe, expect, test } from 'vitest';
import { groupFile } from '../groups.ts';
import { inside, isImpossible, titled } from '../inside.ts';

describe.skipIf(isImpossible)(titled('pids_limit'), () => {
  test.each([['pids_limit: 50'], ['deploy: {resources: {limits: {pids: 50}}}']])(
    '%s is the limit of the group',
    async (text) => {
      const { lines } = await inside(text, `cat ${groupFile('pids/pids.max', 'pids.max')}`);
      expect(lines).toEqual(['50']);
    },
  );

  test('no more processes can be made', async () => {
    const { lines } = await inside(
      'pids_limit: 10',
      'i=0; while [ $i -lt 30 ]; do sleep 3 & i=$((i+1)); done 2>/tmp/e; grep -c fork /tmp/e',
      { mayFail: true },
    );
    expect(lines.join('\n')).not.toBe('0');
  });
});
