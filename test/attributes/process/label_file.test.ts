// label_file
import { describe, expect, test } from 'vitest';
import { isImpossible, scene, serviceOf, titled } from '../inside.ts';

describe.skipIf(isImpossible)(titled('label_file'), () => {
  test('adds labels, and labels win', async () => {
    const app = serviceOf('label_file: a.labels\nlabels:\n  own: "1"\n  both: own', 'true');
    await using stack = scene(`services:\n${app}`, { files: { 'a.labels': 'both=file\nonly=file\n' } });
    await stack.ok('create');
    const labels = (await stack.ps())[0]?.Labels.split(',') ?? [];
    expect(labels).toEqual(expect.arrayContaining(['own=1', 'both=own', 'only=file']));
  });
});
