// How far the parts of one image are on their way, and the words for it.
import type { Progress } from '../images/ingest.ts';
import { decimalSize } from './output.ts';

export interface Track {
  update(progress: Progress): void;
  phaseOf(digest: string): Progress['phase'] | undefined;
  parts(): readonly Progress[];
  /** Bytes that moved, of how many, and how fast they do; empty when nothing has to. */
  moving(): string;
  /** Bytes that moved and how long that took; empty when nothing had to. */
  summary(): string;
}

const JSON_MS = 500;
const BAR = 20;
const RATE_WINDOW_MS = 3000;

const PHASES = {
  waiting: 'Waiting',
  downloading: 'Downloading',
  uploading: 'Uploading',
  unpacking: 'Verified, unpacking',
  done: 'Complete',
  exists: 'Already exists',
  mounted: 'Mounted from another repository',
} as const;

/** Nothing had to move. */
function isHere(phase: Progress['phase']): boolean {
  return phase === 'exists' || phase === 'mounted';
}

/** Keeps what was told last of each part of an image. */
export function track(): Track {
  const parts = new Map<string, Progress>();
  const started = Date.now();
  let samples: { readonly at: number; readonly bytes: number }[] = [];
  const fresh = (): readonly Progress[] => [...parts.values()].filter(({ phase }) => !isHere(phase));
  const sum = (key: 'bytes' | 'total'): number => fresh().reduce((total, part) => total + part[key], 0);
  const rate = (): number => {
    const first = samples[0];
    const last = samples.at(-1);
    if (first === undefined || last === undefined || last.at === first.at) return 0;
    return ((last.bytes - first.bytes) * 1000) / (last.at - first.at);
  };
  return {
    update: (progress) => {
      parts.set(progress.digest, progress);
      const now = Date.now();
      samples = [...samples.filter(({ at }) => now - at < RATE_WINDOW_MS), { at: now, bytes: sum('bytes') }];
    },
    phaseOf: (digest) => parts.get(digest)?.phase,
    parts: () => [...parts.values()],
    moving: () =>
      sum('total') > 0
        ? `${decimalSize(sum('bytes'))} / ${decimalSize(sum('total'))} ${decimalSize(rate())}/s`
        : '',
    summary: () =>
      sum('bytes') === 0
        ? ''
        : `${decimalSize(sum('bytes'))} in ${((Date.now() - started) / 1000).toFixed(1)}s`,
  };
}

/** Says each change of phase of each part. */
export function phaseTeller(state: Track, say: (text: string) => void): (progress: Progress) => void {
  return (progress) => {
    const before = state.phaseOf(progress.digest);
    state.update(progress);
    if (before !== progress.phase && progress.phase !== 'waiting')
      say(`${shortDigest(progress.digest)} ${PHASES[progress.phase]} ${decimalSize(progress.total)}`);
  };
}

/** Says how far each part of `parent` is, as a document, but not too often. */
export function documentTeller(
  parent: string,
  say: (document: object) => void,
): (progress: Progress) => void {
  const told = new Map<string, { readonly phase: string; readonly at: number }>();
  return ({ digest, phase, bytes, total }) => {
    const last = told.get(digest);
    const now = Date.now();
    if (last?.phase === phase && now - last.at < JSON_MS) return;
    told.set(digest, { phase, at: now });
    say({
      id: shortDigest(digest),
      parent_id: parent,
      status: phase === 'done' || isHere(phase) ? 'Done' : 'Working',
      text: PHASES[phase],
      current: bytes,
      total,
      percent: total > 0 ? Math.floor((bytes * 100) / total) : 100,
    });
  };
}

/** One line for each part that is not there yet, at most `most`. */
export function partLines(state: Track, most = Number.POSITIVE_INFINITY): string[] {
  const active = state.parts().filter(({ phase }) => phase !== 'done' && !isHere(phase));
  return active
    .slice(0, Math.max(0, most))
    .map(
      (part) =>
        `   ${shortDigest(part.digest)} ${PHASES[part.phase].padEnd(19)} ${bar(part)} ${decimalSize(part.bytes)}`,
    );
}

function bar({ bytes, total }: Progress): string {
  const filled = total > 0 ? Math.round((Math.min(bytes, total) / total) * BAR) : BAR;
  return `[${'='.repeat(filled)}${' '.repeat(BAR - filled)}]`;
}

function shortDigest(digest: string): string {
  return digest.slice(digest.indexOf(':') + 1).slice(0, 12);
}
