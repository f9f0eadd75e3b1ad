// devices.cdi
import { mkdirSync, readdirSync, rmdirSync, rmSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { inside, isImpossible, titled } from '../inside.ts';

describe.skipIf(isImpossible)(titled('devices.cdi'), () => {
  // The directories of the machine itself: a class of this test's own, taken away again.
  const kind = `tscompose-test-${process.pid}.example/gpu`;
  const text = `
cdiVersion: "0.6.0"
kind: ${kind}
containerEdits:
  env: [EVERY=one]
devices:
  - name: "0"
    containerEdits:
      env: [FIRST=yes]
      deviceNodes: [{path: /dev/vendor0, hostPath: /dev/full, permissions: r}]
      mounts: [{hostPath: /etc/hostname, containerPath: /vendor/name, options: [ro, bind]}]
  - name: "1"
    containerEdits: {env: [SECOND=yes]}
`;
  const path = `/var/run/cdi/tscompose-test-${process.pid}.yaml`;
  beforeAll(() => {
    mkdirSync('/var/run/cdi', { recursive: true });
    writeFileSync(path, text);
  });
  afterAll(() => {
    rmSync(path);
    if (readdirSync('/var/run/cdi').length === 0) rmdirSync('/var/run/cdi');
  });
  const script = 'echo $EVERY $FIRST $SECOND; ls -d /dev/vendor0 /vendor/name 2>/dev/null';

  test('a CDI name brings nodes, mounts and variables', async () => {
    const { lines, warnings } = await inside(`devices: ["${kind}=0"]`, script);
    expect([lines, warnings]).toEqual([['one yes', '/dev/vendor0', '/vendor/name'], []]);
  });

  test('one that no vendor has is an error', async () => {
    const { code, stderr } = await inside(`devices: ["${kind}=9"]`, script, { mayFail: true });
    expect([code > 0, stderr.includes(`${kind}=1`)]).toEqual([true, true]);
  });
});
