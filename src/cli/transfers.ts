// Images on their way: what a person sees while they are pulled or pushed. A block that is redrawn on a terminal, one
// line per change elsewhere, JSON documents for programs.
import type { Progress } from '../images/ingest.ts';
import type { CliContext } from './command.ts';
import { styled, truncate } from './output.ts';
import { documentTeller, partLines, phaseTeller, type Track, track } from './transfer-track.ts';

export interface TransferWords {
  readonly doing: string;
  readonly done: string;
}

export interface Transfers {
  /** One more image; tell what happens to it. */
  add(name: string): Transfer;
  /** One that stays where it is. */
  skip(name: string, reason: string): void;
  /** Call at the end, also after a failure. */
  finish(): void;
}

export interface Transfer {
  progress(progress: Progress): void;
  done(text?: string): void;
  failed(message: string): void;
}

const REDRAW_MS = 80;

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
    }),
    skip: () => undefined,
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
        progress: phaseTeller(state, say),
        done: (text) => say(`${words.done} ${text ?? state.summary()}`.trimEnd()),
        failed: (message) => say(`Error ${message}`.trimEnd()),
      };
    },
    skip: (name, reason) => context.err(` ${name} Skipped - ${reason}\n`),
    finish: () => undefined,
  };
}

function documents(context: CliContext, words: TransferWords): Transfers {
  const say = (document: object): void => context.err(`${JSON.stringify(document)}\n`);
  return {
    add: (name) => {
      say({ id: name, status: 'Working', text: words.doing });
      return {
        progress: documentTeller(name, say),
        done: () => say({ id: name, status: 'Done', text: words.done }),
        failed: (message) => say({ id: name, status: 'Error', text: 'Error', details: message }),
      };
    },
    skip: (name, reason) => say({ id: name, status: 'Done', text: 'Skipped', details: reason }),
    finish: () => undefined,
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
  const row = (name: string, ended: Pick<Drawn, 'end' | 'style'>): Drawn => {
    const image: Drawn = { name, state: track(), ...ended };
    images.push(image);
    later();
    return image;
  };
  return {
    add: (name) => {
      const image = row(name, { end: undefined, style: 'green' });
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
      };
    },
    skip: (name, reason) => void row(name, { end: `Skipped - ${reason}`, style: 'yellow' }),
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
  return [
    ` ${styled('⠿', 'cyan', colours)} ${name} ${words.doing} ${state.moving()}`.trimEnd(),
    ...partLines(state),
  ];
}
