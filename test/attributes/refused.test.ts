// What a service asks for and no container can have: an error with file, line and column, before anything runs.
import { describe, expect, test } from 'vitest';
import { isImpossible, scene, serviceOf, titled } from './inside.ts';

const REFUSED: readonly (readonly [attributes: string, words: RegExp])[] = [
  ['cap_add: [NET_ADMIN, FLY]', /unknown capability FLY/],
  ['cap_drop: [FLY]', /unknown capability FLY/],
  ['security_opt: [no-new-privileges:true, whatever]', /unknown security_opt "whatever"/],
  ['security_opt: [seccomp=./missing.json]', /seccomp profile .* does not exist/],
  ['sysctls: { vm.swappiness: 1 }', /sysctl vm\.swappiness cannot be set/],
  ['ulimits: { wings: 2 }', /unknown ulimit wings/],
  ['ulimits: { nofile: { soft: 30, hard: 20 } }', /above the hard limit/],
  ['devices: [/dev/null, /dev/nothing7]', /nothing7 is no device/],
  ['device_cgroup_rules: ["x 1:3 rwm"]', /is no rule/],
  ['devices: ["nobody.example/gpu=7"]', /no CDI specification has the device/],
  ['pid: mine', /pid mode "mine"/],
  ['ipc: mine', /ipc mode "mine"/],
  ['uts: mine', /uts mode "mine"/],
  ['cgroup: mine', /cgroup must be one of/],
  ['userns_mode: mine', /unknown userns_mode "mine"/],
  ['pid: container:nobody7', /no container nobody7/],
  ['ipc: container:nobody7', /no container nobody7/],
  ['network_mode: container:nobody7', /no container nobody7/],
  ['volumes_from: ["container:nobody7"]', /no container nobody7/],
  ['cpus: 4096', /4096 cpus/],
  ['deploy: { resources: { limits: { cpus: "4096" } } }', /4096 cpus/],
  ['memswap_limit: 64m', /memswap_limit needs mem_limit/],
  ['mem_limit: 64m\nmemswap_limit: 32m', /cannot be below mem_limit/],
  ['blkio_config: { device_read_bps: [{ path: /dev/nothing7, rate: 1m }] }', /no device of this machine/],
  ['storage_opt: { size: huge }', /is no size/],
  ['extra_hosts: ["x:host-gateway"]', /no network leads to the host/],
  ['restart: sometimes', /sometimes/],
  ['healthcheck: { test: [WHATEVER, ls] }', /WHATEVER/],
  ['x-tscompose: { wings: 2 }', /wings is not known/],
  ['x-tscompose: { time: { wall: 1s } }', /time\.wall is not known/],
  ['user: nobody7', /user or group "nobody7" does not exist/],
  ['group_add: [nobody7]', /user or group "nobody7" does not exist/],
  ['working_dir: /bin/busybox', /cannot use \/bin\/busybox as working directory/],
  ['command: [/missing7]', /"\/missing7" was not found/],
  ['command: [/etc/passwd]', /may not be executed/],
  ['volumes: ["./root/etc/passwd:/tmp"]', /file on one side of the mount/],
  ['runtime: other', /there is no runtime other/],
  ['networks: { default: { ipv4_address: 192.0.2.7 } }', /is in no subnet/],
  [
    'networks: { default: { driver_opts: { com.docker.network.endpoint.sysctls: x } } }',
    /no setting of an interface/,
  ],
];

describe.skipIf(isImpossible)(titled('an attribute that cannot be had'), () => {
  test.each(REFUSED)('%s is refused where it is written', async (attributes, words) => {
    await using stack = scene(`services:\n${serviceOf(attributes, 'true')}`);
    const { code, stderr } = await stack.run('up', '-d');
    expect(code).not.toBe(0);
    expect(stderr).toMatch(words);
    expect(stderr).toMatch(/compose\.yaml:\d+:\d+/);
    expect(stderr).not.toContain('internal error');
  });
});
