// When an image is pulled: every form of `pull_policy`.
import { ComposeError } from '../errors.ts';

/** What is known of an image that is here. */
export interface LocalImage {
  /** ISO 8601: when it was pulled last. */
  readonly pulled?: string;
}

export interface PullPolicy {
  /** `pull_policy` as the service or the command line gives it; `missing` when absent. */
  readonly policy?: string | undefined;
  /** `pull_refresh_after`, for the policy `refresh`. */
  readonly refreshAfter?: string | undefined;
  /** The service is built: it is never pulled unless its policy says so. */
  readonly hasBuild?: boolean;
}

export interface PullDecision {
  readonly pull: boolean;
  /** One clause, for a plan. */
  readonly cause: string;
}

const PERIODS: Readonly<Record<string, string>> = { daily: '1d', weekly: '7d' };
const UNITS_MS: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
  w: 604_800_000,
};
const DEFAULT_REFRESH = '1d';

/** Whether to pull before a container is made; `now` in milliseconds since 1970. ComposeError `invalid-value`. */
export function pullDecision(
  { policy = '', refreshAfter, hasBuild = false }: PullPolicy,
  image: LocalImage | undefined,
  now: number,
): PullDecision {
  switch (policy) {
    case 'always':
      return { pull: true, cause: 'its pull policy is always' };
    case 'never':
      return { pull: false, cause: 'its pull policy is never' };
    case 'build':
      return { pull: false, cause: 'its pull policy is build' };
    case '':
    case 'missing':
    case 'if_not_present':
      if (image !== undefined) return { pull: false, cause: 'the image is here' };
      return { pull: !hasBuild, cause: hasBuild ? 'it is built' : 'the image is not here' };
    default:
      return periodDecision(policy, { refreshAfter, image, now });
  }
}

interface Age {
  readonly refreshAfter: string | undefined;
  readonly image: LocalImage | undefined;
  readonly now: number;
}

function periodDecision(policy: string, { refreshAfter, image, now }: Age): PullDecision {
  const every = policy.startsWith('every_') ? policy.slice('every_'.length) : PERIODS[policy];
  const period = policy === 'refresh' ? (refreshAfter ?? DEFAULT_REFRESH) : every;
  if (period === undefined)
    throw new ComposeError('invalid-value', `"${policy}" is no pull policy`, {
      hint: 'one of always, never, missing, if_not_present, build, daily, weekly, every_<duration>, refresh',
    });
  const periodMs = parsePeriod(period);
  if (image === undefined) return { pull: true, cause: 'the image is not here' };
  const age = image.pulled === undefined ? Number.POSITIVE_INFINITY : now - Date.parse(image.pulled);
  // a clock that was set back makes ages that mean nothing
  if (age >= periodMs || age < 0) return { pull: true, cause: `it was last pulled more than ${period} ago` };
  return { pull: false, cause: `it was pulled less than ${period} ago` };
}

/** Milliseconds of a duration such as `12h`, `1w2d` or `1h30m`. ComposeError `invalid-value`. */
export function parsePeriod(text: string): number {
  const parts = [...text.matchAll(/(\d+(?:\.\d+)?)(ms|[smhdw])/g)];
  if (parts.length === 0 || parts.map(([part]) => part).join('') !== text)
    throw new ComposeError('invalid-value', `"${text}" is no duration`, {
      hint: 'for example 12h, 3d or 1w',
    });
  return parts.reduce((sum, [, count, unit]) => sum + Number(count) * (UNITS_MS[unit ?? ''] ?? 0), 0);
}
