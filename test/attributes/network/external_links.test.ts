// external_links
import { describe, expect, test } from 'vitest';
import { isImpossible, serviceOf, titled } from '../inside.ts';
import { ask, neighbours, server } from './neighbours.ts';

describe.skipIf(isImpossible)(titled('external_links'), () => {
  test('are names of containers that others started on a common network', async () => {
    await using stack = await neighbours([server('db', 'networks: [default]')]);
    const link = `external_links: ["${stack.project}-db-1:database"]`;
    const network = `networks: { default: { name: ${stack.project}_default, external: true } }\n`;
    stack.write(
      'other.yaml',
      `name: ${stack.project}x\nservices:\n${serviceOf(`init: true\nnetworks: [default]\n${link}`, 'sleep 600', 'web')}${network}`,
    );
    await stack.ok('-f', 'other.yaml', 'up', '-d');
    const answer = await stack.ok(
      '-f',
      'other.yaml',
      'exec',
      '-T',
      'web',
      'wget',
      '-qO-',
      'http://database/',
    );
    expect([answer.trim()]).toEqual(await ask(stack, 'db', 'hostname'));
    await stack.ok('-f', 'other.yaml', 'down', '-t', '1');
  });
});
