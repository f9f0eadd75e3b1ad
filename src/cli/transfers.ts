// Images on their way: what a person sees while they are pulled or pushed. A block that is redrawn on a terminal, one
// line per change elsewhere, JSON documents for programs.
import type { Progress } from '../images/ingest.ts';
import type { CliContext } from './command.ts';
import { decimalSize, styled, truncate } from './output.ts';

export interface TransferWords {
  readonly doing: string;
  readonly done: string;
}

export interface Transfers {
  /** One more image; tell what happens to it. */
  add(name: string): Transfer;
  /** Call at the end, also after a failure. */
  finish(): void;
}

export interface Transfer {
  progress(progress: Progress): void;
  done(text?: string): void;
  failed(message: string): void;
  skipped(reason: string): void;
}

const REDRAW_MS = 80;
const JSON_MS = 500;
const BAR = 20;
const RATE_WINDOW_MS = 3000;

/** The display that the flags and the terminal ask for. */
export function createTransfers(context: CliContext, words: TransferWords, quiet: boolean): Transfers {
  const { progress, ansi } = context.global;
  if (quiet || progress === 'quiet') return silent(context);
  if (progress === 'json') return documents(context, words);
  const interactive = progress === 'tty' || (progress === 'auto' && context.isTerminal('stderr'));
  return interactive && ansi !== 'never' ? drawing(context, words) : lines(context, words);
}

function silent(context: CliContext): Transfers {
  return {
    add: (name) => ({
      progress: () => undefined,
      done: () => undefined,
      failed: (message) => context.err(` ${name} Error ${message}\n`),
      skipped: () => undefined,
    }),
    finish: () => undefined,
  };
}

function lines(context: CliContext, words: TransferWords): Transfers {
  return {
    add: (name) => {
      const state = track();
      const say = (text: string): void => context.err(` ${name} ${text}\n`);
      say(words.doing);
      return {
        progress: (progress) => {
          const before = state.phaseOf(progress.digest);
          state.update(progress);
          if (before !== progress.phase && progress.phase !== 'waiting')
            say(`${shortDigest(progress.digest)} ${PHASES[progress.phase]} ${decimalSize(progress.total)}`);
        },
        done: (text) => say(`${words.done} ${text ?? state.summary()}`.trimEnd()),
        failed: (message) => say(`Error ${message}`.trimEnd()),
        skipped: (reason) => say(`Skipped - ${reason}`),
      };
    },
    finish: () => undefined,
  };
}

const PHASES = {
  waiting: 'Waiting',
  downloading: 'Downloading',
  uploading: 'Uploading',
  unpacking: 'Verified, unpacking',
  done: 'Complete',
  exists: 'Already exists',
} as const;

function documents(context: CliContext, words: TransferWords): Transfers {
  return {
    add: (name) => {
      const told = new Map<string, { readonly phase: string; readonly at: number }>();
      const say = (document: object): void => context.err(`${JSON.stringify(document)}\n`);
      say({ id: name, status: 'Working', text: words.doing });
      return {
        progress: ({ digest, phase, bytes, total }) => {
          const last = told.get(digest);
          const now = Date.now();
          if (last?.phase === phase && now - last.at < JSON_MS) return;
          told.set(digest, { phase, at: now });
          const percent = total > 0 ? Math.floor((bytes * 100) / total) : 100;
          const status = phase === 'done' || phase === 'exists' ? 'Done' : 'Working';
          say({
            id: shortDigest(digest),
            parent_id: name,
            status,
            text: PHASES[phase],
            current: bytes,
            total,
            percent,
          });
        },
        done: () => say({ id: name, status: 'Done', text: words.done }),
        failed: (message) => say({ id: name, status: 'Error', text: 'Error', details: message }),
        skipped: (reason) => say({ id: name, status: 'Done', text: 'Skipped', details: reason }),
      };
    },
    finish: () => undefined,
  };
}

interface Track {
  update(progress: Progress): void;
  phaseOf(digest: string): Progress['phase'] | undefined;
  parts(): readonly Progress[];
  /** Bytes that moved, and of how many. */
  moved(): { readonly bytes: number; readonly total: number };
  /** Bytes a second of late. */
  rate(): number;
  summary(): string;
}

function track(): Track {
  const parts = new Map<string, Progress>();
  const started = Date.now();
  let samples: { readonly at: number; readonly bytes: number }[] = [];
  const fresh = (): readonly Progress[] => [...parts.values()].filter(({ phase }) => phase !== 'exists');
  const moved = (): { bytes: number; total: number } => ({
    bytes: fresh().reduce((sum, part) => sum + part.bytes, 0),
    total: fresh().reduce((sum, part) => sum + part.total, 0),
  });
  return {
    update: (progress) => {
      parts.set(progress.digest, progress);
      const now = Date.now();
      samples = [...samples.filter(({ at }) => now - at < RATE_WINDOW_MS), { at: now, bytes: moved().bytes }];
    },
    phaseOf: (digest) => parts.get(digest)?.phase,
    parts: () => [...parts.values()],
    moved,
    rate: () => {
      const first = samples[0];
      const last = samples.at(-1);
      if (first === undefined || last === undefined || last.at === first.at) return 0;
      return ((last.bytes - first.bytes) * 1000) / (last.at - first.at);
    },
    summary: () => {
      const { bytes } = moved();
      return bytes === 0 ? '' : `${decimalSize(bytes)} in ${((Date.now() - started) / 1000).toFixed(1)}s`;
    },
  };
}

interface Drawn {
  readonly name: string;
  readonly state: Track;
  /** Set when it has ended. */
  end: string | undefined;
  style: 'green' | 'red' | 'yellow';
}

function drawing(context: CliContext, words: TransferWords): Transfers {
  const images: Drawn[] = [];
  let height = 0;
  let timer: NodeJS.Timeout | undefined;
  const draw = (): void => {
    timer = undefined;
    const rows = Math.max(4, (process.stderr.rows ?? 24) - 1);
    const columns = Math.max(20, (process.stderr.columns ?? 80) - 1);
    const all = images.flatMap((image) => linesOf(image, words, context.colours('stderr')));
    const shown = all.slice(0, rows).map((line) => cutTo(line, columns));
    context.err(
      `${height > 0 ? `\u001b[${height}A` : ''}${shown.map((line) => `\u001b[2K${line}\n`).join('')}\u001b[J`,
    );
    height = shown.length;
  };
  const later = (): void => {
    timer ??= setTimeout(draw, REDRAW_MS).unref();
  };
  return {
    add: (name) => {
      const image: Drawn = { name, state: track(), end: undefined, style: 'green' };
      images.push(image);
      later();
      const end = (text: string, style: Drawn['style']): void => {
        image.end = text;
        image.style = style;
        later();
      };
      return {
        progress: (progress) => {
          image.state.update(progress);
          later();
        },
        done: (text) => end(`${words.done} ${text ?? image.state.summary()}`.trimEnd(), 'green'),
        failed: (message) => end(`Error ${message}`, 'red'),
        skipped: (reason) => end(`Skipped - ${reason}`, 'yellow'),
      };
    },
    finish: () => {
      clearTimeout(timer);
      draw();
    },
  };
}

// Colours take no columns, so that a line with them is cut at its plain length only.
function cutTo(line: string, columns: number): string {
  return line.includes('\u001b') ? line : truncate(line, columns);
}

function linesOf({ name, state, end, style }: Drawn, words: TransferWords, colours: boolean): string[] {
  if (end !== undefined) return [` ${styled(style === 'red' ? '✘' : '✔', style, colours)} ${name} ${end}`];
  const { bytes, total } = state.moved();
  const size =
    total > 0 ? ` ${decimalSize(bytes)} / ${decimalSize(total)} ${decimalSize(state.rate())}/s` : '';
  const active = state.parts().filter(({ phase }) => phase !== 'done' && phase !== 'exists');
  return [
    ` ${styled('⠿', 'cyan', colours)} ${name} ${words.doing}${size}`,
    ...active.map(
      (part) =>
        `   ${shortDigest(part.digest)} ${PHASES[part.phase].padEnd(19)} ${bar(part)} ${decimalSize(part.bytes)}`,
    ),
  ];
}

function bar({ bytes, total }: Progress): string {
  const filled = total > 0 ? Math.round((Math.min(bytes, total) / total) * BAR) : BAR;
  return `[${'='.repeat(filled)}${' '.repeat(BAR - filled)}]`;
}

function shortDigest(digest: string): string {
  return digest.slice(digest.indexOf(':') + 1).slice(0, 12);
}
