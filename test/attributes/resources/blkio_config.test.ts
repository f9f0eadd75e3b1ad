// blkio_config
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { groupFile, ofVersion } from '../groups.ts';
import { inside, isImpossible, titled } from '../inside.ts';

function blockDevice(): { readonly path: string; readonly numbers: string } | undefined {
  const names = existsSync('/sys/block') ? readdirSync('/sys/block') : [];
  const name = names.find((one) => !/^(loop|ram|zram)/.test(one) && existsSync(`/dev/${one}`));
  return (
    (name && { path: `/dev/${name}`, numbers: readFileSync(`/sys/block/${name}/dev`, 'utf8').trim() }) ||
    undefined
  );
}

describe.skipIf(isImpossible)(titled('blkio_config'), () => {
  const device = blockDevice();
  const throttles = [
    ['device_read_bps', '1mb', 'blkio.throttle.read_bps_device', 'rbps', '1048576'],
    ['device_write_bps', '1mb', 'blkio.throttle.write_bps_device', 'wbps', '1048576'],
    ['device_read_iops', '100', 'blkio.throttle.read_iops_device', 'riops', '100'],
    ['device_write_iops', '100', 'blkio.throttle.write_iops_device', 'wiops', '100'],
  ] as const;
  test.skipIf(device === undefined).each(throttles)('%s', async (name, rate, v1, v2, bytes) => {
    const config = `blkio_config:\n  ${name}:\n    - {path: ${device?.path}, rate: ${rate}}`;
    const { lines } = await inside(config, `cat ${groupFile(`blkio/${v1}`, 'io.max')}`);
    expect(lines).toEqual([
      ofVersion(`${device?.numbers} ${bytes}`, expect.stringContaining(`${v2}=${bytes}`)),
    ]);
  });

  test('weight: where the kernel has it, else one warning with its place', async () => {
    const files = ofVersion('blkio/blkio.bfq.weight blkio/blkio.weight', 'io.bfq.weight io.weight');
    const { lines, warnings } = await inside(
      'blkio_config: {weight: 300}',
      `cd /sys/fs/cgroup; cat ${files} 2>/dev/null; echo ran`,
    );
    if (warnings.length === 0) expect(lines.join(' ')).toMatch(/^(300|default (300|2930)) /);
    else
      expect([lines.at(-1), warnings]).toEqual([
        'ran',
        [expect.stringMatching(/blkio_config\.weight: .*compose\.yaml:\d+/)],
      ]);
  });

  test('a path that is no device is refused', async () => {
    const { code, stderr } = await inside(
      'blkio_config: {device_read_bps: [{path: /etc/passwd, rate: 1mb}]}',
      'true',
      { mayFail: true },
    );
    expect([code > 0, /no device/.test(stderr)]).toEqual([true, true]);
  });
});
