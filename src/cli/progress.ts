// What is happening, on standard error: a list that changes on a terminal, otherwise one line per change.
// Only this file knows listr2, and it is loaded when something takes long enough to be watched.
import type { Progress as TransferProgress } from '../images/ingest.ts';
import type { Action, Plan } from '../plan/plan.ts';
import type { CliContext } from './command.ts';
import { styled } from './output.ts';
import { type Phrase, phraseOf } from './phrases.ts';
import { documentTeller, partLines, phaseTeller, type Track, track } from './transfer-track.ts';

/** How an action ended, or that it began. */
export type Step = 'started' | 'done' | 'failed' | 'skipped';

export interface Progress {
  /** What is going to be done. */
  expect(plan: Plan): void;
  update(action: Action, step: Step, message?: string): void;
  /** How far a part of the image is that an action brings here. */
  transfer(action: Action, progress: TransferProgress): void;
  /** A text of its own; what would disturb the drawing comes after it. */
  note(text: string): void;
  /** Stops drawing; what comes later is printed line by line. */
  release(): void;
  /** Call when everything has ended. */
  finish(): Promise<void>;
}

/** Anything faster than this is over before it would be read. */
const WATCHABLE_MS = 150;
const NARROWEST = 20;
const RETITLE_MS = 80;

/** The kind of progress that the flags and the terminal ask for. */
export function createProgress(context: CliContext, wanted?: 'quiet'): Progress {
  const progress = wanted ?? context.global.progress;
  if (progress === 'quiet') return silent(context);
  if (progress === 'json') return lines(context, JSON_LINES);
  const interactive = progress === 'tty' || (progress === 'auto' && context.isTerminal('stderr'));
  if (!interactive || context.global.ansi === 'never' || isTooNarrow()) return lines(context, PLAIN_LINES);
  return new Drawing(context);
}

/** Some terminals have no size at all: lines drawn there would be broken after each character. */
function isTooNarrow(): boolean {
  const { columns } = process.stderr;
  return columns !== undefined && columns < NARROWEST;
}

function terminalRows(): number {
  return process.stderr.rows || 24;
}

function silent(context: CliContext): Progress {
  return {
    expect: () => undefined,
    update: () => undefined,
    transfer: () => undefined,
    note: (text) => context.err(text),
    release: () => undefined,
    finish: async () => undefined,
  };
}

interface Lines {
  readonly line: (phrase: Phrase, step: Step, message: string | undefined) => string;
  /** Tells how far the parts of an image are. */
  readonly transfer: (
    subject: string,
    state: Track,
    say: (line: string) => void,
  ) => (progress: TransferProgress) => void;
}

interface Telling {
  readonly state: Track;
  readonly tell: (progress: TransferProgress) => void;
}

/** What several actions say of one subject is said once. */
function lines(context: CliContext, { line, transfer }: Lines): Progress {
  const last = new Map<string, string>();
  const transfers = new Map<string, Telling>();
  const say = (text: string): void => context.err(`${text}\n`);
  const begin = (subject: string): Telling => {
    const state = track();
    const telling = { state, tell: transfer(subject, state, say) };
    transfers.set(subject, telling);
    return telling;
  };
  return {
    ...silent(context),
    update: (action, step, message) => {
      const phrase = phraseOf(action);
      const text = line(phrase, step, message ?? summaryOf(transfers.get(phrase.subject)?.state, step));
      if (last.get(phrase.subject) !== text) say(text);
      last.set(phrase.subject, text);
    },
    transfer: (action, progress) => {
      const { subject } = phraseOf(action);
      const { tell } = transfers.get(subject) ?? begin(subject);
      tell(progress);
    },
  };
}

function summaryOf(state: Track | undefined, step: Step): string | undefined {
  return step === 'done' && state !== undefined ? state.summary() || undefined : undefined;
}

const PLAIN_LINES: Lines = {
  line: plainLine,
  transfer: (subject, state, say) => phaseTeller(state, (text) => say(` ${subject}  ${text}`)),
};

const JSON_LINES: Lines = {
  line: jsonLine,
  transfer: (subject, state, say) => {
    const tell = documentTeller(subject, (document) => say(JSON.stringify(document)));
    return (progress) => {
      state.update(progress);
      tell(progress);
    };
  },
};

function plainLine(phrase: Phrase, step: Step, message: string | undefined): string {
  return ` ${phrase.subject}  ${wordOf(phrase, step)}${message === undefined ? '' : ` ${message}`}`;
}

const STATUS = { started: 'Working', done: 'Done', failed: 'Error', skipped: 'Warning' } as const;

function jsonLine(phrase: Phrase, step: Step, message: string | undefined): string {
  return JSON.stringify({
    id: phrase.subject,
    status: STATUS[step],
    text: wordOf(phrase, step),
    ...(message !== undefined && { details: message }),
  });
}

function wordOf(phrase: Phrase, step: Step): string {
  switch (step) {
    case 'started':
      return phrase.doing;
    case 'done':
      return phrase.done;
    case 'failed':
      return 'Error';
    case 'skipped':
      return 'Skipped';
  }
}

interface Subject {
  readonly name: string;
  word: string;
  step: Step;
  /** Actions on it that have not ended. */
  open: number;
  /** Of an image that comes here. */
  track?: Track;
  readonly settle: (() => void)[];
  readonly retitle: (() => void)[];
}

/** One row per network, volume, image and container, drawn by listr2 once it has become worth watching. */
class Drawing implements Progress {
  readonly #context: CliContext;
  readonly #subjects = new Map<string, Subject>();
  readonly #timer: NodeJS.Timeout;
  #drawn: Promise<unknown> | undefined;
  #retitle: NodeJS.Timeout | undefined;
  readonly #notes: string[] = [];
  #released = false;
  #finished = false;

  constructor(context: CliContext) {
    this.#context = context;
    this.#timer = setTimeout(() => this.#draw(), WATCHABLE_MS);
  }

  expect(plan: Plan): void {
    for (const action of plan.actions) {
      const { subject: name } = phraseOf(action);
      const known = this.#subjects.get(name);
      if (known) known.open++;
      else if (this.#drawn === undefined) {
        this.#subjects.set(name, { name, word: '', step: 'started', open: 1, settle: [], retitle: [] });
      }
    }
  }

  update(action: Action, step: Step, message?: string): void {
    const phrase = phraseOf(action);
    const subject = this.#subjects.get(phrase.subject);
    if (this.#released || !subject) {
      this.note(`${plainLine(phrase, step, message)}\n`);
      return;
    }
    const more = message ?? summaryOf(subject.track, step);
    subject.word = wordOf(phrase, step) + (more === undefined ? '' : `  ${more}`);
    if (subject.step !== 'failed') subject.step = step;
    if (step !== 'started') subject.open--;
    for (const retitle of subject.retitle) retitle();
    if (subject.open === 0) for (const settle of subject.settle) settle();
  }

  transfer(action: Action, progress: TransferProgress): void {
    const subject = this.#subjects.get(phraseOf(action).subject);
    if (this.#released || !subject) return;
    subject.track ??= track();
    subject.track.update(progress);
    this.#retitle ??= setTimeout(() => {
      this.#retitle = undefined;
      for (const each of this.#subjects.values()) for (const retitle of each.retitle) retitle();
    }, RETITLE_MS).unref();
  }

  note(text: string): void {
    if (this.#drawn === undefined || this.#finished) this.#context.err(text);
    else this.#notes.push(text);
  }

  release(): void {
    if (this.#released) return;
    clearTimeout(this.#timer);
    if (this.#drawn === undefined) this.#print();
    else for (const subject of this.#subjects.values()) for (const settle of subject.settle) settle();
    this.#released = true;
  }

  async finish(): Promise<void> {
    this.release();
    await this.#drawn;
    this.#finished = true;
    for (const text of this.#notes.splice(0)) this.#context.err(text);
  }

  /** Everything that happened, when it was over before it could be watched. */
  #print(): void {
    const happened = [...this.#subjects.values()].filter(({ word }) => word !== '');
    const width = Math.max(0, ...happened.map(({ name }) => name.length));
    for (const { name, word, step } of happened) {
      const mark = step === 'failed' ? styled('✘', 'red', true) : styled('✔', 'green', true);
      this.#context.err(` ${mark} ${name.padEnd(width)}  ${word}\n`);
    }
  }

  #draw(): void {
    this.#drawn = this.#run();
  }

  async #run(): Promise<void> {
    const { Listr, ListrLogger, ProcessOutput } = await import('listr2');
    const logger = new ListrLogger({ processOutput: new ProcessOutput(process.stderr, process.stderr) });
    const subjects = [...this.#subjects.values()];
    const shown = subjects.length < terminalRows() ? subjects : [];
    const tasks = shown.map((subject) => ({
      title: this.#title(subject),
      task: (_: unknown, task: { title: string }) =>
        new Promise<void>((resolve, reject) => {
          const settle = () => (subject.step === 'failed' ? reject(new Error(subject.word)) : resolve());
          if (subject.open === 0 || this.#released) settle();
          subject.settle.push(settle);
          subject.retitle.push(() => {
            task.title = this.#title(subject);
          });
        }),
    }));
    if (shown.length < subjects.length) tasks.push(this.#countTask(subjects));
    const list = new Listr(tasks, {
      concurrent: true,
      exitOnError: false,
      registerSignalListeners: false,
      forceTTY: true,
      rendererOptions: { showErrorMessage: false, logger },
    });
    await list.run().catch(() => undefined);
  }

  #title(subject: Subject): string {
    const { name, word, open, track: state } = subject;
    const line = word === '' ? name : `${name}  ${word}`;
    if (state === undefined || open === 0) return line;
    return [`${line}  ${state.moving()}`.trimEnd(), ...partLines(state, this.#linesOf())].join('\n');
  }

  /** How many lines of its own each image may have that is on its way. */
  #linesOf(): number {
    const coming = [...this.#subjects.values()].filter(({ open, track: state }) => open > 0 && state).length;
    return Math.floor((terminalRows() - this.#subjects.size - 1) / Math.max(1, coming));
  }

  /** More rows than the terminal has would be cut off: one row counts them. */
  #countTask(subjects: readonly Subject[]) {
    const title = () => {
      const ended = subjects.filter(({ open }) => open === 0).length;
      const now = subjects.filter(({ open, word }) => open > 0 && word !== '').slice(0, 3);
      const names = now.map(({ name, track: state }) => `${name} ${state?.moving() ?? ''}`.trimEnd());
      return `${ended} of ${subjects.length}  ${names.join(', ')}`;
    };
    return {
      title: title(),
      task: (_: unknown, task: { title: string }) =>
        new Promise<void>((resolve) => {
          const look = () => {
            task.title = title();
            if (this.#released || subjects.every(({ open }) => open === 0)) resolve();
          };
          for (const subject of subjects) {
            subject.retitle.push(look);
            subject.settle.push(look);
          }
          look();
        }),
    };
  }
}
