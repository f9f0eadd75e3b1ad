// `image: host`: the machine's own files without its secrets, whatever the container does to find them.
import { existsSync, readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { describe, expect, test } from 'vitest';
import { isImpossible, titled } from '../attributes/inside.ts';
import { attempt, logged, place } from './place.ts';

const HOST = 'image: host';
/** The machine has a password file whose content can be told. */
const isSecretive = existsSync('/etc/shadow') && /^root:/m.test(readFileSync('/etc/shadow', 'utf8'));
/** Says of each file that has the line of root, where it is. */
const LOOK = 'look() { for file in "$@"; do grep -qs ^root: "$file" && echo "read $file"; done; }; ';

describe.skipIf(isImpossible || !isSecretive)(titled('image: host'), () => {
  test('the passwords are not there, by whatever path', async () => {
    const script = `${LOOK} look /etc/shadow /etc/shadow- /proc/1/root/etc/shadow /proc/self/root/etc/shadow /proc/self/cwd/etc/shadow /etc/../etc/shadow
      ln /etc/shadow /tmp/x 2>/dev/null; ln -f /etc/shadow /etc/x 2>/dev/null; look /tmp/x /etc/x
      cp -a /etc /tmp/etc 2>/dev/null; look /tmp/etc/shadow; umount /etc/shadow 2>/dev/null && echo unmounted
      look /etc/shadow; grep -qs ^root: /etc/passwd && echo there`;
    expect(await attempt(HOST, script)).toEqual(['there']);
  });

  test('a renamed directory shows nothing, neither now nor after a restart', async () => {
    const script = `${LOOK} look /etc/shadow /e2/shadow /tmp/e2/shadow /var/l2/private; mv -f /etc /e2 2>/dev/null; cp -a /etc /tmp/e2 2>/dev/null; look /e2/shadow /tmp/e2/shadow; echo ran; exit 1`;
    const lines = await attempt(`${HOST}\nrestart: "on-failure:1"`, script, { mayFail: true });
    expect(lines).toEqual(['ran', 'ran']);
  });

  test('homes, temporary files and runtime directories are empty, and the state of others is hidden', async () => {
    await using stack = place(
      HOST,
      `ls -A /root ${homedir()} /tmp /home 2>/dev/null | grep -v ':$' | grep . ; ls -A /run | grep -v -x -e lock -e secrets; ls -A /var/log /boot 2>/dev/null | grep -v ':$' | grep .; echo end`,
    );
    await stack.run('up');
    expect(await logged(stack)).toEqual(['end']);
  });

  test('what the container writes stays in it', async () => {
    const name = `tscompose-test-${process.pid}`;
    await attempt(
      HOST,
      `echo x > /etc/${name}; echo x > /usr/${name}; mkdir /opt/${name}; rm -f /etc/hostname`,
    );
    expect([`/etc/${name}`, `/usr/${name}`, `/opt/${name}`].filter(existsSync)).toEqual([]);
    expect(existsSync('/etc/hostname')).toBe(true);
  });
});
