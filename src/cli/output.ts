// Shapes of what is printed: tables, colours, human durations and sizes.

/** Rows under a header in aligned columns, three blanks between them; the last column is not padded. */
export function table(
  header: readonly string[],
  rows: readonly (readonly string[])[],
  minWidth = 10,
): string {
  const all = header.length > 0 ? [header, ...rows] : rows;
  const widths = all.reduce<number[]>((sofar, row) => {
    row.forEach((cell, column) => {
      sofar[column] = Math.max(sofar[column] ?? minWidth, displayWidth(cell) + 3);
    });
    return sofar;
  }, []);
  return all.map((row) => `${alignRow(row, widths)}\n`).join('');
}

function alignRow(row: readonly string[], widths: readonly number[]): string {
  return row
    .map((cell, column) => {
      const isLast = column === row.length - 1;
      return isLast ? cell : cell + ' '.repeat(Math.max(0, (widths[column] ?? 0) - displayWidth(cell)));
    })
    .join('');
}

/** Columns that a text takes on a terminal, near enough for names: wide East Asian characters take two. */
export function displayWidth(text: string): number {
  let width = 0;
  for (const character of text) {
    const code = character.codePointAt(0) ?? 0;
    width +=
      (code >= 0x1100 && code <= 0x115f) || (code >= 0x2e80 && code <= 0xffe6) || code >= 0x1f300 ? 2 : 1;
  }
  return width;
}

const SGR = { red: 31, green: 32, yellow: 33, blue: 34, magenta: 35, cyan: 36, bold: 1, dim: 2 } as const;
export type Style = keyof typeof SGR;

/** The text between escape sequences when `on`, otherwise as it is. */
export function styled(text: string, style: Style, on: boolean): string {
  return on ? `\u001b[${SGR[style]}m${text}\u001b[0m` : text;
}

const PREFIX_COLOURS = [36, 33, 32, 35, 34, 96, 93, 92, 95, 94] as const;

/** A colour for each name in the order in which names first appear; the identity when `on` is false. */
export function rainbow(on: boolean): (name: string, text: string) => string {
  const given = new Map<string, number>();
  return (name, text) => {
    if (!on) return text;
    const code = given.get(name) ?? PREFIX_COLOURS[given.size % PREFIX_COLOURS.length] ?? 36;
    given.set(name, code);
    return `\u001b[${code}m${text}\u001b[0m`;
  };
}

const MINUTE = 60;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** How long in words, as container tools say it: `About a minute`, `3 hours`. */
export function humanDuration(ms: number): string {
  const seconds = Math.floor(ms / 1000);
  if (seconds < 1) return 'Less than a second';
  if (seconds === 1) return '1 second';
  if (seconds < MINUTE) return `${seconds} seconds`;
  if (seconds < 2 * MINUTE) return 'About a minute';
  if (seconds < HOUR) return `${Math.floor(seconds / MINUTE)} minutes`;
  const hours = Math.round(seconds / HOUR);
  if (hours === 1) return 'About an hour';
  if (hours < 48) return `${hours} hours`;
  const days = seconds / DAY;
  if (days < 14) return `${Math.floor(days)} days`;
  if (days < 60) return `${Math.floor(days / 7)} weeks`;
  if (days < 730) return `${Math.floor(days / 30)} months`;
  return `${Math.floor(days / 365)} years`;
}

const BINARY_UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB'] as const;

/** A size in binary units with four significant digits: `1.5MiB`. */
export function binarySize(bytes: number): string {
  let value = bytes;
  let unit = 0;
  while (value >= 1024 && unit < BINARY_UNITS.length - 1) {
    value /= 1024;
    unit++;
  }
  return `${Number(value.toPrecision(4))}${BINARY_UNITS[unit]}`;
}

const DECIMAL_UNITS = ['B', 'kB', 'MB', 'GB', 'TB'] as const;

/** A size in decimal units with three significant digits: `1.5MB`. */
export function decimalSize(bytes: number): string {
  let value = bytes;
  let unit = 0;
  while (value >= 1000 && unit < DECIMAL_UNITS.length - 1) {
    value /= 1000;
    unit++;
  }
  return `${Number(value.toPrecision(3))}${DECIMAL_UNITS[unit]}`;
}

/** At most `length` characters, the last one an ellipsis when something was cut off. */
export function truncate(text: string, length: number): string {
  return text.length <= length ? text : `${text.slice(0, length - 1)}…`;
}
