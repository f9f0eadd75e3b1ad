// `features`: what of the specification is implemented, in the form of its features document.
import { ALL_CAPABILITIES } from '../capabilities.ts';
import { NAMESPACE_FLAGS } from '../launch.ts';
import type { Machine } from '../machine.ts';
import { MOUNT_OPTIONS } from '../mount-options.ts';
import { OCI_HOOKS } from '../oci.ts';
import { SECCOMP_ACTIONS, SECCOMP_ARCHITECTURES, SECCOMP_FLAGS, SECCOMP_OPERATORS } from '../seccomp-bpf.ts';

export function features(machine: Pick<Machine, 'cgroups' | 'apparmor' | 'selinux'>) {
  const { mode } = machine.cgroups;
  return {
    ociVersionMin: '1.0.0',
    ociVersionMax: '1.2.0',
    hooks: OCI_HOOKS,
    mountOptions: MOUNT_OPTIONS,
    linux: {
      namespaces: Object.keys(NAMESPACE_FLAGS).sort(),
      capabilities: ALL_CAPABILITIES,
      cgroup: {
        v1: mode === 'v1' || mode === 'hybrid',
        v2: mode === 'v2',
        systemd: true,
        systemdUser: false,
        rdma: false,
      },
      seccomp: {
        enabled: true,
        actions: SECCOMP_ACTIONS,
        operators: SECCOMP_OPERATORS,
        archs: SECCOMP_ARCHITECTURES,
        knownFlags: SECCOMP_FLAGS,
        supportedFlags: SECCOMP_FLAGS,
      },
      apparmor: { enabled: machine.apparmor },
      selinux: { enabled: machine.selinux },
      intelRdt: { enabled: false },
      mountExtensions: { idmap: { enabled: true } },
    },
  };
}
