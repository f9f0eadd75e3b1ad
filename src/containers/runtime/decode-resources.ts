// linux.resources of a bundle or of `update` → checked OciResources.
import { asArray, asBoolean, asDict, asObject, asString, type JsonObject } from '../../state/decode.ts';
import type { OciDeviceRule, OciResources, OciThrottle } from '../oci.ts';
import { asInteger, maybe } from './json.ts';

/** Throws TypeError that names the property which is wrong. */
export function decodeResources(value: unknown, what: string): OciResources {
  const o = asObject(value, what);
  return {
    ...maybe(o, 'devices', (list, name) => asArray(list, name, decodeRule)),
    ...maybe(o, 'memory', decodeMemory),
    ...maybe(o, 'cpu', decodeCpu),
    ...decodePids(o),
    ...maybe(o, 'blockIO', decodeBlockIo),
    ...maybe(o, 'hugepageLimits', (list, name) => asArray(list, name, decodeHugePage)),
    ...maybe(o, 'unified', (dict, name) => asDict(dict, name, asString)),
  };
}

const RULE_TYPES = ['a', 'b', 'c'] as const;

function decodeRule(value: unknown, what: string): OciDeviceRule {
  const o = asObject(value, what);
  const type = RULE_TYPES.find((known) => known === o.type);
  if (type === undefined && o.type) throw new TypeError(`${what}.type ${String(o.type)} is not known`);
  return {
    allow: asBoolean(o.allow ?? false, `${what}.allow`),
    ...(type === undefined || type === 'a' ? {} : { type }),
    ...maybe(o, 'major', asInteger),
    ...maybe(o, 'minor', asInteger),
    ...maybe(o, 'access', asString),
  };
}

function decodeMemory(value: unknown, what: string): NonNullable<OciResources['memory']> {
  const o = asObject(value, what);
  return {
    ...given(o, 'limit'),
    ...given(o, 'reservation'),
    ...given(o, 'swap'),
    ...maybe(o, 'swappiness', asInteger),
    ...maybe(o, 'disableOOMKiller', asBoolean),
  };
}

/** Engines write 0 for what nobody asked for. */
function given<K extends string>(o: JsonObject, key: K): { readonly [P in K]?: number } {
  const read = maybe(o, key, asInteger);
  return read[key] === 0 ? {} : read;
}

function decodeCpu(value: unknown, what: string): NonNullable<OciResources['cpu']> {
  const o = asObject(value, what);
  return {
    ...given(o, 'shares'),
    ...given(o, 'quota'),
    ...given(o, 'period'),
    ...given(o, 'realtimeRuntime'),
    ...given(o, 'realtimePeriod'),
    ...(o.cpus ? maybe(o, 'cpus', asString) : {}),
    ...(o.mems ? maybe(o, 'mems', asString) : {}),
  };
}

function decodePids(o: JsonObject): Pick<OciResources, 'pids'> {
  const limit = o.pids ? asInteger(asObject(o.pids, 'pids').limit ?? 0, 'pids.limit') : 0;
  return limit === 0 ? {} : { pids: { limit } };
}

function decodeBlockIo(value: unknown, what: string): NonNullable<OciResources['blockIO']> {
  const o = asObject(value, what);
  const throttle = (list: unknown, name: string) => asArray(list, name, decodeThrottle);
  return {
    ...given(o, 'weight'),
    ...maybe(o, 'weightDevice', (list, name) =>
      asArray(list, name, (entry, at) => {
        const device = asObject(entry, at);
        return { ...deviceOf(device, at), weight: asInteger(device.weight ?? 0, `${at}.weight`) };
      }),
    ),
    ...maybe(o, 'throttleReadBpsDevice', throttle),
    ...maybe(o, 'throttleWriteBpsDevice', throttle),
    ...maybe(o, 'throttleReadIOPSDevice', throttle),
    ...maybe(o, 'throttleWriteIOPSDevice', throttle),
  };
}

function decodeThrottle(value: unknown, what: string): OciThrottle {
  const o = asObject(value, what);
  return { ...deviceOf(o, what), rate: asInteger(o.rate, `${what}.rate`) };
}

function deviceOf(o: JsonObject, what: string) {
  return { major: asInteger(o.major, `${what}.major`), minor: asInteger(o.minor, `${what}.minor`) };
}

function decodeHugePage(value: unknown, what: string) {
  const o = asObject(value, what);
  return { pageSize: asString(o.pageSize, `${what}.pageSize`), limit: asInteger(o.limit, `${what}.limit`) };
}
