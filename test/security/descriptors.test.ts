// Descriptors of the host that would lead out of the container (CVE-2016-9962, CVE-2024-21626).
import { describe, expect, test } from 'vitest';
import { isImpossible, titled } from '../attributes/inside.ts';
import { attempt, FOREVER, place, saying } from './place.ts';

const NUMBERS = Array.from({ length: 40 }, (_, index) => index);

/** Prints what each of its descriptors is. */
const LIST = {
  descriptors: `
    #include <stdio.h>
    #include <unistd.h>
    int main(void) {
      for (int fd = 0; fd < 1024; fd++) {
        char path[64], target[256];
        snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
        ssize_t length = readlink(path, target, sizeof target);
        if (length > 5 && target[4] == ':') length = 4;
        if (length > 0) printf("%d %.*s\\n", fd, (int)length, target);
      }
      return 0;
    }`,
};
const STANDARD = ['0 /dev/null', '1 pipe', '2 pipe'];

describe.skipIf(isImpossible)(titled('descriptors'), () => {
  test('the first process has the standard ones and no other', async () => {
    expect(await attempt('command: [descriptors]', '', { programs: LIST })).toEqual(STANDARD);
  });

  test('with init it is the same', async () => {
    const lines = await attempt('init: true\ncommand: [descriptors]', '', { programs: LIST });
    expect(lines).toEqual(STANDARD);
  });

  test('exec has the standard ones and no other', async () => {
    await using stack = place('', `echo up; ${FOREVER}`, { programs: LIST });
    await stack.ok('up', '-d');
    await saying(stack, 'up');
    const listing = await stack.ok('exec', '-T', 'app', 'descriptors');
    expect(listing.replace('0 pipe', '0 /dev/null').trim().split('\n')).toEqual(STANDARD);
  });

  test('working_dir: no number leads to a directory of the host', async () => {
    const services = NUMBERS.slice(3).map(
      (number) => `  app${number}:
    image: rootfs:./root
    network_mode: none
    working_dir: /proc/self/fd/${number}
    command: [cat, ../../../../../../../../../../etc/hostname, ../proc/1/comm]
`,
    );
    await using stack = place('', 'true');
    stack.write('compose.yaml', `services:\n${services.join('')}`);
    await stack.run('up', '-d');
    const states = (await stack.ps()).map(({ State }) => State);
    expect(states).toEqual(services.map(() => 'created'));
  });

  test('exec --workdir: no number leads to a directory of the host', async () => {
    await using stack = place('', `echo up; ${FOREVER}`);
    await stack.ok('up', '-d');
    await saying(stack, 'up');
    for (const number of NUMBERS.slice(3, 20)) {
      const { code, stdout } = await stack.run(
        'exec',
        '-T',
        '-w',
        `/proc/self/fd/${number}`,
        'app',
        'cat',
        '1/comm',
      );
      expect({ number, code, stdout }).toMatchObject({
        code: expect.toSatisfy((value) => value !== 0),
        stdout: '',
      });
    }
  });

  test('the program: no number leads to a program of the host', async () => {
    const services = NUMBERS.slice(3).map(
      (number) => `  app${number}:
    image: rootfs:./root
    network_mode: none
    environment: { PATH: /proc/self/fd/${number}/1/root/usr/bin:/proc/self/fd/${number}/usr/bin }
    command: [stat, -c, "host program", /proc/self/exe]
`,
    );
    await using stack = place('', 'true');
    stack.write('compose.yaml', `services:\n${services.join('')}`);
    await stack.run('up', '-d');
    const states = (await stack.ps()).map(({ State }) => State);
    expect(states).toEqual(services.map(() => 'created'));
    expect(await stack.ok('logs', '--no-log-prefix', '--no-color')).not.toContain('host program');
  });

  test('a health check: no number leads to a program of the host', async () => {
    const check = NUMBERS.slice(3)
      .map((number) => `/proc/self/fd/${number}/1/root/bin/true && echo out`)
      .join('; ');
    await using stack = place(
      `healthcheck: { test: ["CMD", "sh", "-c", ${JSON.stringify(`${check}; ls /proc/self/fd`)}], interval: 100ms }`,
      FOREVER,
    );
    await stack.ok('up', '-d', '--wait');
    const [, output] = /"output": "([^"]*)"/.exec(await stack.ok('inspect', 'app')) ?? [];
    expect(output).toMatch(/0\\n1\\n2\\n3\\n$/);
    expect(output).not.toContain('out');
  });
});
