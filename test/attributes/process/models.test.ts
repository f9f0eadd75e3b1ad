// models
import { describe, expect, test } from 'vitest';
import { inside, isImpossible, titled } from '../inside.ts';

describe.skipIf(isImpossible)(titled('models'), () => {
  test('become variables of the environment', async () => {
    const { lines } = await inside(
      'models:\n  llm:\n    endpoint_var: AT\n    model_var: NAME',
      'echo $NAME',
      { top: 'models:\n  llm:\n    model: ai/small\n', mayFail: true },
    );
    expect(lines).toEqual(['ai/small']);
  });
});
