// Bundles that other programs make.
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { hasProgram, missing, Room } from './room.ts';

const reason = missing();

describe.skipIf(reason)(`a bundle made by${reason ? ` (${reason})` : ''}`, () => {
  let room: Room;
  beforeAll(() => {
    room = new Room();
  });
  afterAll(() => room.close());

  const changed = (path: string, args: readonly string[]) => {
    const content = JSON.parse(readFileSync(path, 'utf8'));
    Object.assign(content.process, { terminal: false, args });
    writeFileSync(path, JSON.stringify(content));
  };

  test.each(['runc', 'crun'].filter(hasProgram))('%s spec', (program) => {
    execFileSync('rm', ['-f', join(room.bundle, 'config.json')]);
    execFileSync(program, ['spec'], { cwd: room.bundle });
    changed(join(room.bundle, 'config.json'), ['sh', '-c', 'id -u; pwd; exit 3']);
    expect(room.call('run', '--bundle', room.bundle, room.id())).toEqual({
      code: 3,
      stdout: '0\n/\n',
      stderr: '',
    });
  });

  test.skipIf(!hasProgram('umoci'))('umoci unpack', () => {
    const layout = join(room.dir, 'layout');
    const bundle = join(room.dir, 'unpacked');
    const umoci = (...words: readonly string[]) => execFileSync('umoci', words, { stdio: 'pipe' });
    umoci('init', '--layout', layout);
    umoci('new', '--image', `${layout}:one`);
    umoci('insert', '--image', `${layout}:one`, join(room.bundle, 'rootfs/bin'), '/bin');
    umoci('config', '--image', `${layout}:one`, '--config.env', 'FROM=umoci', '--config.user', '5:6');
    umoci('unpack', '--image', `${layout}:one`, bundle);
    changed(join(bundle, 'config.json'), ['/bin/sh', '-c', '/bin/busybox id -u; echo $FROM']);
    const { code, stdout } = room.call('run', '--bundle', bundle, room.id());
    expect({ code, stdout }).toEqual({ code: 0, stdout: '5\numoci\n' });
  });
});
