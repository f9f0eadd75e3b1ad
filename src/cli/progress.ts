// What is happening, on standard error: a list that changes on a terminal, otherwise one line per change.
// Only this file knows listr2, and it is loaded when something takes long enough to be watched.
import type { Action, Plan } from '../plan/plan.ts';
import type { CliContext } from './command.ts';
import { styled } from './output.ts';
import { type Phrase, phraseOf } from './phrases.ts';

/** How an action ended, or that it began. */
export type Step = 'started' | 'done' | 'failed' | 'skipped';

export interface Progress {
  /** What is going to be done. */
  expect(plan: Plan): void;
  update(action: Action, step: Step, message?: string): void;
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

/** The kind of progress that the flags and the terminal ask for. */
export function createProgress(context: CliContext, wanted?: 'quiet'): Progress {
  const progress = wanted ?? context.global.progress;
  if (progress === 'quiet') return silent(context);
  if (progress === 'json') return lines(context, jsonLine);
  const interactive = progress === 'tty' || (progress === 'auto' && context.isTerminal('stderr'));
  if (!interactive || context.global.ansi === 'never' || isTooNarrow()) return lines(context, plainLine);
  return new Drawing(context);
}

/** Some terminals have no size at all: lines drawn there would be broken after each character. */
function isTooNarrow(): boolean {
  const { columns } = process.stderr;
  return columns !== undefined && columns < NARROWEST;
}

function silent(context: CliContext): Progress {
  return {
    expect: () => undefined,
    update: () => undefined,
    note: (text) => context.err(text),
    release: () => undefined,
    finish: async () => undefined,
  };
}

type Line = (phrase: Phrase, step: Step, message: string | undefined) => string;

/** What several actions say of one subject is said once. */
function lines(context: CliContext, line: Line): Progress {
  const last = new Map<string, string>();
  return {
    ...silent(context),
    update: (action, step, message) => {
      const phrase = phraseOf(action);
      const text = line(phrase, step, message);
      if (last.get(phrase.subject) !== text) context.err(`${text}\n`);
      last.set(phrase.subject, text);
    },
  };
}

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
  readonly settle: (() => void)[];
  readonly retitle: (() => void)[];
}

/** One row per network, volume, image and container, drawn by listr2 once it has become worth watching. */
class Drawing implements Progress {
  readonly #context: CliContext;
  readonly #subjects = new Map<string, Subject>();
  readonly #timer: NodeJS.Timeout;
  #drawn: Promise<unknown> | undefined;
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
    subject.word = wordOf(phrase, step) + (message === undefined ? '' : `  ${message}`);
    if (subject.step !== 'failed') subject.step = step;
    if (step !== 'started') subject.open--;
    for (const retitle of subject.retitle) retitle();
    if (subject.open === 0) for (const settle of subject.settle) settle();
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
    const rows = process.stderr.rows || 24;
    const subjects = [...this.#subjects.values()];
    const shown = subjects.length < rows ? subjects : [];
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

  #title({ name, word }: Subject): string {
    return word === '' ? name : `${name}  ${word}`;
  }

  /** More rows than the terminal has would be cut off: one row counts them. */
  #countTask(subjects: readonly Subject[]) {
    const title = () => {
      const ended = subjects.filter(({ open }) => open === 0).length;
      const now = subjects.filter(({ open, word }) => open > 0 && word !== '').slice(0, 3);
      return `${ended} of ${subjects.length}  ${now.map(({ name }) => name).join(', ')}`;
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
