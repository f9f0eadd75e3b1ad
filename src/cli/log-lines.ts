// Lines of containers with a coloured prefix, stdout and stderr apart, as `up` and `logs` print them.
import type { ContainerRecord } from '../containers/record.ts';
import type { CliContext } from './command.ts';
import { rainbow } from './output.ts';

export interface LogStyle {
  readonly prefix: boolean;
  readonly timestamps: boolean;
  readonly colours: boolean;
}

export interface LogLine {
  /** RFC 3339. */
  readonly time: string;
  readonly stream: 'stdout' | 'stderr';
  /** Without the newline. */
  readonly line: Uint8Array | string;
}

const FLUSH_AT = 1 << 16;

/** The part of a container's name that tells it from the others of its project. */
export function shortName({ name, project, service, number }: ContainerRecord): string {
  const isDefault = [`${project}-${service}-${number}`, `${project}_${service}_${number}`].includes(name);
  return isDefault ? name.slice(project.length + 1) : name;
}

/** Prints lines in big pieces; what was printed by `tell` keeps its place among them. */
export class LogPrinter {
  readonly #context: CliContext;
  readonly #style: LogStyle;
  readonly #paint: (name: string, text: string) => string;
  readonly #prefixes = new Map<string, string>();
  #width = 0;
  #pieces: (string | Uint8Array)[] = [];
  #size = 0;
  #stream: 'stdout' | 'stderr' = 'stdout';
  #scheduled = false;

  constructor(context: CliContext, style: LogStyle) {
    this.#context = context;
    this.#style = style;
    this.#paint = rainbow(style.colours);
  }

  /** Makes room for the names of these containers, so that prefixes line up from the first line on. */
  expect(records: readonly ContainerRecord[]): void {
    for (const record of [...records].sort((a, b) => (a.name < b.name ? -1 : 1))) {
      const name = shortName(record);
      this.#paint(name, '');
      if (name.length <= this.#width) continue;
      this.#width = name.length;
      this.#prefixes.clear();
    }
  }

  print(record: ContainerRecord, { time, stream, line }: LogLine): void {
    if (stream !== this.#stream) this.flush();
    this.#stream = stream;
    if (this.#style.prefix) this.#add(this.#prefixOf(record));
    if (this.#style.timestamps) this.#add(`${time} `);
    this.#add(line);
    this.#add('\n');
    if (this.#size >= FLUSH_AT) this.flush();
    else this.#schedule();
  }

  /** A line of our own on standard output. */
  tell(text: string): void {
    this.flush();
    this.#context.out(`${text}\n`);
  }

  flush(): void {
    if (this.#pieces.length === 0) return;
    const bytes = Buffer.concat(this.#pieces.map((piece) => (typeof piece === 'string' ? Buffer.from(piece) : piece)));
    this.#pieces = [];
    this.#size = 0;
    if (this.#stream === 'stdout') this.#context.out(bytes);
    else this.#context.err(bytes);
  }

  #add(piece: string | Uint8Array): void {
    this.#pieces.push(piece);
    this.#size += piece.length;
  }

  #prefixOf(record: ContainerRecord): string {
    const known = this.#prefixes.get(record.id);
    if (known !== undefined) return known;
    const name = shortName(record);
    this.#width = Math.max(this.#width, name.length);
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
