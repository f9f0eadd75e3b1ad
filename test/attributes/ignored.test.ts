// What a service asks for and cannot have here: one warning each, with its place, and the container runs all the same.
import { describe, expect, test } from 'vitest';
import { isImpossible, linesOf, scene, serviceOf, titled } from './inside.ts';

/** Attributes of a service, and the attribute that is warned about. */
const IGNORED: readonly (readonly [attributes: string, attribute: string, reason: RegExp])[] = [
  ['network_mode: host\nports: ["80"]', 'ports', /nothing is published/],
  ['network_mode: none\nports: ["80"]', 'ports', /has no network/],
  ['network_mode: host\nmac_address: 02:42:ac:11:65:43', 'mac_address', /that of the machine/],
  ['network_mode: service:lender\ndns: 192.0.2.1', 'dns', /another container/],
  ['network_mode: service:lender\ndns_search: example.com', 'dns_search', /another container/],
  ['network_mode: service:lender\ndns_opt: ["ndots:2"]', 'dns_opt', /another container/],
  ['network_mode: service:lender\nextra_hosts: ["x:192.0.2.1"]', 'extra_hosts', /another container/],
  ['network_mode: none\nlinks: [lender]', 'links', /has no network/],
  ['ipc: host\nshm_size: 5m', 'shm_size', /that of the machine/],
  ['uts: host\nhostname: other', 'hostname', /name of the machine/],
  ['uts: host\ndomainname: other', 'domainname', /name of the machine/],
  ['storage_opt: { wings: "2" }', 'storage_opt.wings', /only size/],
  ['deploy: { placement: { constraints: [node.role == manager] } }', 'deploy.placement', /not a cluster/],
  ['deploy: { update_config: { parallelism: 2 } }', 'deploy.update_config', /all at once/],
  ['deploy: { rollback_config: { parallelism: 2 } }', 'deploy.rollback_config', /all at once/],
  ['secrets: [s]', 'secrets[0]', /template_driver of s/],
  ['configs: [c]', 'configs[0]', /template_driver of c/],
  ['cap_add: [SYS_RESOURCE]', 'cap_add', /SYS_RESOURCE/],
];
/** Nothing is said of these: they mean here what they mean everywhere, or nothing anywhere. */
const QUIET = [
  'volumes: [{ type: bind, source: ., target: /d, consistency: cached, bind: { selinux: Z } }]',
  'isolation: default',
  'logging: { driver: json-file, options: { max-size: 1m, max-file: "2", mode: non-blocking } }',
  'deploy: { mode: replicated, labels: { a: b } }',
];
const TOP = `secrets: { s: { environment: HOME, template_driver: golang } }
configs: { c: { content: text, template_driver: golang } }
networks: { default: {} }
`;

describe.skipIf(isImpossible)(titled('an attribute without effect'), () => {
  test('is told once, with its place; the rest of the service holds', async () => {
    const hasResource = (process.getuid?.() ?? 1) === 0 && (await ownCapabilities()).includes('sys_resource');
    const rows = IGNORED.filter(([, attribute]) => attribute !== 'cap_add' || !hasResource);
    const services = [
      serviceOf('network_mode: none', 'sleep 1000', 'lender'),
      ...rows.map(([attributes], index) => serviceOf(attributes, 'true', `s${index}`)),
      ...QUIET.map((attributes, index) => serviceOf(attributes, 'true', `q${index}`)),
    ];
    await using stack = scene(`services:\n${services.join('')}${TOP}`);
    const { code, stderr } = await stack.run('up', '-d', '-t', '1');
    const told = linesOf(stderr).filter((line) => line.startsWith('warning'));
    expect([code, told.length]).toEqual([0, rows.length]);
    for (const [index, [, attribute, reason]] of rows.entries()) {
      const own = told.filter((line) => line.startsWith(`warning: service s${index}: ${attribute}: `));
      expect(own).toEqual([expect.stringMatching(/\(compose\.yaml:\d+\)$/)]);
      expect(own[0]).toMatch(reason);
    }
  });
});

async function ownCapabilities(): Promise<string> {
  const { readFileSync } = await import('node:fs');
  const mask = /^CapEff:\s*(\w+)/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1] ?? '0';
  return (BigInt(`0x${mask}`) >> 24n) & 1n ? 'sys_resource' : '';
}
