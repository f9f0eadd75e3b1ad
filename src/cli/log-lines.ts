// Lines of containers with a coloured prefix, stdout and stderr apart, as `up` and `logs` print them.
import type { LogEntry } from '../containers/logs.ts';
import type { ContainerRecord } from '../containers/record.ts';
import type { CliContext } from './command.ts';
import { rainbow } from './output.ts';

export interface LogStyle {
  readonly prefix: boolean;
  readonly timestamps: boolean;
  readonly colours: boolean;
}

const FLUSH_AT = 1 << 16;

/** The part of a container's name that tells it from the others of its project. */
export function shortName({
  name,
  project,
  service,
  number,
}: Pick<ContainerRecord, 'name' | 'project' | 'service' | 'number'>): string {
  const usual = [`${project}-${service}-${number}`, `${project}_${service}_${number}`];
  return usual.includes(name) ? name.slice(project.length + 1) : name;
}

/** Times of one width: the log leaves zeros at the end out. */
function inNanoseconds(time: string): string {
  const [seconds = '', fraction = ''] = time.replace(/Z$/, '').split('.');
  return `${seconds}.${fraction.padEnd(9, '0')}Z`;
}

/** Prints lines in big pieces; what is printed by `tell` keeps its place among them. */
export class LogPrinter {
  readonly #context: CliContext;
  readonly #style: LogStyle;
  readonly #paint: (name: string, text: string) => string;
  readonly #prefixes = new Map<string, string>();
  /** Beginnings of lines that are not complete, by container and stream. */
  readonly #begun = new Map<string, string>();
  #width = 0;
  #text = '';
  #stream: 'stdout' | 'stderr' = 'stdout';
  #scheduled = false;

  constructor(context: CliContext, style: LogStyle) {
    this.#context = context;
    this.#style = style;
    this.#paint = rainbow(style.colours);
  }

  /** Makes room for the names of these containers, so that prefixes line up from the first line on. */
  expect(records: readonly ContainerRecord[]): void {
    this.expectNames(records.map(shortName));
  }

  expectNames(names: readonly string[]): void {
    for (const name of [...names].sort()) this.#paint(name, '');
    const width = Math.max(this.#width, ...names.map(({ length }) => length + 1));
    if (width > this.#width) this.#prefixes.clear();
    this.#width = width;
  }

  print(record: ContainerRecord, entry: LogEntry): void {
    const key = `${record.id} ${entry.stream}`;
    const begun = this.#begun.get(key);
    const line = begun === undefined ? entry.line : begun + entry.line;
    if (entry.partial) {
      this.#begun.set(key, line);
      return;
    }
    if (begun !== undefined) this.#begun.delete(key);
    this.#write(record, entry, line);
  }

  /** The container writes no more: a line without an end is one too. */
  end(record: ContainerRecord): void {
    for (const stream of ['stdout', 'stderr'] as const) {
      const line = this.#begun.get(`${record.id} ${stream}`);
      this.#begun.delete(`${record.id} ${stream}`);
      if (line !== undefined) this.#write(record, { stream, time: new Date().toISOString() }, line);
    }
    this.flush();
  }

  /** A line of our own on standard output. */
  tell(text: string): void {
    this.flush();
    this.#context.out(`${text}\n`);
  }

  flush(): void {
    if (this.#text === '') return;
    const text = this.#text;
    this.#text = '';
    if (this.#stream === 'stdout') this.#context.out(text);
    else this.#context.err(text);
  }

  #write(record: ContainerRecord, { stream, time }: Pick<LogEntry, 'stream' | 'time'>, line: string): void {
    if (stream !== this.#stream) this.flush();
    this.#stream = stream;
    const prefix = this.#style.prefix ? this.#prefixOf(record) : '';
    this.#text += this.#style.timestamps ? `${prefix}${inNanoseconds(time)} ${line}\n` : `${prefix}${line}\n`;
    if (this.#text.length >= FLUSH_AT) this.flush();
    else this.#schedule();
  }

  #prefixOf(record: ContainerRecord): string {
    const known = this.#prefixes.get(record.id);
    if (known !== undefined) return known;
    this.expect([record]);
    const name = shortName(record);
    const prefix = `${this.#paint(name, `${name.padEnd(this.#width)} |`)} `;
    this.#prefixes.set(record.id, prefix);
    return prefix;
  }

  /** Lines that come together are written together, at the latest when this turn of the event loop is over. */
  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      this.flush();
    });
  }
}
