// Seccomp profiles: ours and Docker-style JSON, resolved for one set of capabilities.
import { ComposeError } from '../errors.ts';
import { asArray, asDict, asNumber, asObject, asString, type JsonObject, optional } from '../state/decode.ts';
import type { Architecture } from './machine.ts';
import type { OciSeccomp, OciSyscallArgument, OciSyscallRule } from './oci.ts';
import { DEFAULT_PROFILE, type ProfileRow } from './seccomp-default.ts';

/** What the conditions of a profile are asked about. */
export interface SeccompScope {
  readonly architecture: Architecture;
  readonly capabilities: readonly string[];
  /** `6.1.0-debian`, as uname prints it. */
  readonly kernel: string;
}

const ARCHITECTURES: Readonly<Record<Architecture, readonly string[]>> = {
  x64: ['SCMP_ARCH_X86_64', 'SCMP_ARCH_X86', 'SCMP_ARCH_X32'],
  arm64: ['SCMP_ARCH_AARCH64'],
};

/** The default rules for these capabilities: what is not named fails with EPERM. */
export function defaultSeccomp(scope: SeccompScope): OciSeccomp {
  const key = [scope.architecture, ...scope.capabilities].join(' ');
  const known = defaults.get(key);
  if (known !== undefined) return known;
  const profile: OciSeccomp = {
    defaultAction: 'SCMP_ACT_ERRNO',
    defaultErrnoRet: 1,
    architectures: ARCHITECTURES[scope.architecture],
    syscalls: DEFAULT_PROFILE.filter((row) => applies(row, scope)).map(toRule),
  };
  defaults.set(key, profile);
  return profile;
}

// Most containers of a stack have the same capabilities, and what is compiled from a profile is found by its identity.
const defaults = new Map<string, OciSeccomp>();

function applies({ capability, without, architectures }: ProfileRow, scope: SeccompScope): boolean {
  if (capability !== undefined && !scope.capabilities.includes(capability)) return false;
  if (without !== undefined && scope.capabilities.includes(without)) return false;
  return architectures === undefined || architectures.includes(scope.architecture);
}

function toRule({ calls, argument, errno }: ProfileRow): OciSyscallRule {
  return {
    names: calls.trim().split(/\s+/),
    action: errno === undefined ? 'SCMP_ACT_ALLOW' : 'SCMP_ACT_ERRNO',
    ...(errno === undefined ? {} : { errnoRet: errno }),
    ...(argument === undefined ? {} : { args: [argument] }),
  };
}

/** Decodes a Docker-style profile and drops what does not apply; ComposeError `invalid-value` when it is none. */
export function profileFromJson(text: string, path: string, scope: SeccompScope): OciSeccomp {
  try {
    return resolveProfile(asObject(JSON.parse(text), 'profile'), scope);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new ComposeError('invalid-value', `${path} is no seccomp profile: ${reason}`, {
      cause,
      path: 'security_opt',
    });
  }
}

function resolveProfile(profile: JsonObject, scope: SeccompScope): OciSeccomp {
  const rules = asArray(profile.syscalls ?? [], 'syscalls', asObject);
  return {
    defaultAction: asString(profile.defaultAction, 'defaultAction'),
    ...optional(profile, 'defaultErrnoRet', asNumber),
    architectures: ARCHITECTURES[scope.architecture],
    ...optional(profile, 'flags', (value, what) => asArray(value, what, asString)),
    syscalls: rules.filter((rule) => ruleApplies(rule, scope)).flatMap(decodeRule),
  };
}

const DOCKER_NAME: Readonly<Record<Architecture, string>> = { x64: 'amd64', arm64: 'arm64' };

function ruleApplies(rule: JsonObject, scope: SeccompScope): boolean {
  const includes = asObject(rule.includes ?? {}, 'includes');
  const excludes = asObject(rule.excludes ?? {}, 'excludes');
  return !isExcluded(excludes, scope) && isIncluded(includes, scope);
}

function conditions(filter: JsonObject) {
  return {
    caps: asArray(filter.caps ?? [], 'caps', asString),
    arches: asArray(filter.arches ?? [], 'arches', asString),
    minKernel: filter.minKernel === undefined ? undefined : asString(filter.minKernel, 'minKernel'),
  };
}

function isIncluded(filter: JsonObject, scope: SeccompScope): boolean {
  const { caps, arches, minKernel } = conditions(filter);
  if (arches.length > 0 && !arches.includes(DOCKER_NAME[scope.architecture])) return false;
  if (caps.some((name) => !scope.capabilities.includes(name))) return false;
  return minKernel === undefined || atLeast(scope.kernel, minKernel);
}

function isExcluded(filter: JsonObject, scope: SeccompScope): boolean {
  const { caps, arches, minKernel } = conditions(filter);
  if (arches.includes(DOCKER_NAME[scope.architecture])) return true;
  if (caps.some((name) => scope.capabilities.includes(name))) return true;
  return minKernel !== undefined && atLeast(scope.kernel, minKernel);
}

function atLeast(kernel: string, wanted: string): boolean {
  const [major = 0, minor = 0] = kernel.split('.').map((part) => Number.parseInt(part, 10));
  const [wantedMajor = 0, wantedMinor = 0] = wanted.split('.').map((part) => Number.parseInt(part, 10));
  return major > wantedMajor || (major === wantedMajor && minor >= wantedMinor);
}

// As in Docker, two conditions on the same argument are alternatives, on different ones both have to hold.
function decodeRule(rule: JsonObject): OciSyscallRule[] {
  const names =
    rule.names === undefined ? [asString(rule.name, 'name')] : asArray(rule.names, 'names', asString);
  const args = asArray(rule.args ?? [], 'args', decodeArgument);
  const base = { names, action: asString(rule.action, 'action'), ...optional(rule, 'errnoRet', asNumber) };
  if (args.length === 0) return [base];
  const sameIndex = new Set(args.map(({ index }) => index)).size < args.length;
  return sameIndex ? args.map((argument) => ({ ...base, args: [argument] })) : [{ ...base, args }];
}

function decodeArgument(value: unknown, what: string): OciSyscallArgument {
  const o = asDict(value, what, (entry) => entry);
  return {
    index: asNumber(o.index, `${what}.index`),
    value: asNumber(o.value, `${what}.value`),
    ...optional(o, 'valueTwo', asNumber),
    op: asString(o.op, `${what}.op`),
  };
}
