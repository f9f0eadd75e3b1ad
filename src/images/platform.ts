// Platforms: their names, and which manifest of an index fits one.
import { ComposeError } from '../errors.ts';
import type { Descriptor, Platform } from './manifest.ts';

const ARCHITECTURES: Readonly<Record<string, string>> = {
  x64: 'amd64',
  x86_64: 'amd64',
  'x86-64': 'amd64',
  ia32: '386',
  i386: '386',
  aarch64: 'arm64',
  arm: 'arm',
  armhf: 'arm',
  armel: 'arm',
  mips64el: 'mips64le',
  loong64: 'loong64',
  riscv64: 'riscv64',
  s390x: 's390x',
  ppc64: 'ppc64le',
};
const ARM_VARIANTS: Readonly<Record<string, string>> = { armhf: 'v7', armel: 'v6' };

/** The platform of this machine. */
export function hostPlatform(): Platform {
  const architecture = ARCHITECTURES[process.arch] ?? process.arch;
  return { os: 'linux', architecture, ...defaultVariant(architecture) };
}

/** Reads `os[/architecture[/variant]]`, or an architecture alone. ComposeError `invalid-value`. */
export function parsePlatform(text: string): Platform {
  const parts = text.toLowerCase().split('/');
  if (parts.length > 3 || !parts.every((part) => /^[a-z0-9._-]+$/.test(part)))
    throw new ComposeError('invalid-value', `"${text}" is no platform`, {
      hint: 'write os/architecture, for example linux/arm64',
    });
  const [first = '', second, variant] = parts;
  if (second === undefined && first !== 'linux' && first !== 'windows')
    return { os: 'linux', ...normaliseArchitecture(first) };
  if (second === undefined) return { ...hostPlatform(), os: first };
  const normalised = normaliseArchitecture(second);
  return { os: first, ...normalised, ...(variant === undefined ? {} : { variant }) };
}

/** `linux/arm64/v8` */
export function formatPlatform({ os, architecture, variant }: Platform): string {
  return [os, architecture, ...(variant === undefined ? [] : [variant])].join('/');
}

/** Whether an image of platform `have` runs where `want` is asked for. */
export function platformFits(want: Platform, have: Platform): boolean {
  return rank(want, have) !== undefined;
}

/** The manifest of an index that fits best, or undefined. Attestations and other non-images never fit. */
export function choosePlatform(manifests: readonly Descriptor[], want: Platform): Descriptor | undefined {
  const ranked = manifests
    .filter((manifest) => manifest.annotations?.['vnd.docker.reference.type'] === undefined)
    .map((manifest) => ({
      manifest,
      rank: manifest.platform === undefined ? undefined : rank(want, manifest.platform),
    }))
    .filter((entry): entry is { manifest: Descriptor; rank: number } => entry.rank !== undefined)
    .sort((a, b) => a.rank - b.rank);
  if (ranked[0]) return ranked[0].manifest;
  const only = manifests.length === 1 ? manifests[0] : undefined;
  return only?.platform === undefined ? only : undefined;
}

/** 0 is exact, larger is worse. */
function rank(want: Platform, have: Platform): number | undefined {
  if (want.os !== have.os || want.architecture !== have.architecture) return undefined;
  const wanted = variantNumber(want);
  const had = variantNumber(have);
  return had > wanted ? undefined : wanted - had;
}

// A later variant runs what was made for an earlier one; amd64/v2 needs v2.
function variantNumber({ architecture, variant }: Platform): number {
  if (variant !== undefined) return Number.parseInt(variant.replace(/^v/, ''), 10) || 0;
  if (architecture === 'arm64') return 8;
  if (architecture === 'arm') return 7;
  return 1;
}

function normaliseArchitecture(name: string): Pick<Platform, 'architecture' | 'variant'> {
  const architecture = ARCHITECTURES[name] ?? name;
  const variant = ARM_VARIANTS[name];
  return variant === undefined
    ? { architecture, ...defaultVariant(architecture) }
    : { architecture, variant };
}

function defaultVariant(architecture: string): Pick<Platform, 'variant'> {
  return architecture === 'arm' ? { variant: 'v7' } : {};
}
