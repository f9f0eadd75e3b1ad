// devices.cdi
import { mkdirSync, readdirSync, readFileSync, rmdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { inside, isImpossible, titled } from '../inside.ts';

describe.skipIf(isImpossible)(titled('devices.cdi'), () => {
  // The directories of the machine itself: a class of this test's own, taken away again.
  const kind = `tscompose-test-${process.pid}.example/gpu`;
  const said = `${tmpdir()}/tscompose-cdi-${process.pid}`;
  const text = `
cdiVersion: "0.6.0"
kind: ${kind}
containerEdits:
  env: [EVERY=one]
devices:
  - name: "0"
    containerEdits:
      env: [FIRST=yes]
      deviceNodes: [{path: /dev/vendor0, hostPath: /dev/full, permissions: r, uid: 33, gid: 44, fileMode: 0o640}]
      additionalGids: [1234]
      hooks:
        - {hookName: createContainer, path: /bin/sh, args: [sh, -c, "cat > '${said}.createContainer'"]}
        - {hookName: createRuntime, path: /bin/sh, args: [sh, -c, "cat > '${said}.createRuntime'"]}
      mounts: [{hostPath: /etc/hostname, containerPath: /vendor/name, options: [ro, bind]}]
  - name: "1"
    containerEdits: {env: [SECOND=yes], intelRdt: {closID: x}, hooks: [{hookName: poststop, path: /bin/true}]}
  - name: "2"
    containerEdits: {hooks: [{hookName: createContainer, path: /bin/sh, args: [sh, -c, "echo no such driver >&2; exit 3"]}]}
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

  test('nodes have the owner and mode that the vendor gives, the process the groups; hooks run and read the state', async () => {
    const { lines, warnings } = await inside(
      `devices: ["${kind}=0"]`,
      'stat -c "%u:%g %a" /dev/vendor0; id -G',
    );
    expect([lines, warnings]).toEqual([['33:44 640', '0 1234'], []]);
    for (const moment of ['createContainer', 'createRuntime']) {
      const state = JSON.parse(readFileSync(`${said}.${moment}`, 'utf8'));
      expect(state).toMatchObject({ status: 'creating', id: expect.stringMatching(/^[0-9a-f]{64}$/) });
      expect(state.bundle).toContain(state.id);
      rmSync(`${said}.${moment}`);
    }
  });

  test('a hook that fails keeps the container from starting, with its words', async () => {
    const { code, stderr } = await inside(`devices: ["${kind}=2"]`, 'true', { mayFail: true });
    expect([code > 0, stderr.includes('exited with 3: no such driver')]).toEqual([true, true]);
  });

  test('what a vendor wants and nobody does here is told', async () => {
    const { lines, warnings } = await inside(`devices: ["${kind}=1"]`, 'echo $SECOND');
    expect(lines).toEqual(['yes']);
    expect(warnings).toEqual([
      expect.stringMatching(/devices: .*intelRdt.*compose\.yaml:\d+/),
      expect.stringMatching(/devices: .*hook \/bin\/true after the start.*compose\.yaml:\d+/),
    ]);
  });

  test('one that no vendor has is an error', async () => {
    const { code, stderr } = await inside(`devices: ["${kind}=9"]`, script, { mayFail: true });
    expect([code > 0, stderr.includes(`${kind}=1`)]).toEqual([true, true]);
  });
});
