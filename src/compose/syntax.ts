// What is wrong with YAML that cannot be read, in the words of somebody who does not know its grammar.

/** A mistake in a text: what it is, from where to where, and how it goes away. */
export interface SyntaxMistake {
  readonly message: string;
  readonly start: number;
  readonly end: number;
  readonly hint: string | undefined;
}

/** What the parser said about a place in a text, put into plain words and at the place where it has to be changed. */
export function explainSyntax(
  said: string,
  text: string,
  [start, end]: readonly [number, number],
): SyntaxMistake {
  const line = text.slice(0, start).split(/\r\n|\n|\r/).length;
  const hint = syntaxHint(said, text, line);
  const message =
    MESSAGES.find(({ when }) => when.test(said))?.message(text.charAt(start)) ?? lowerCased(said);
  const deeper = hint?.endsWith(': align them') ? nextLine(text, start) : undefined;
  if (deeper !== undefined) {
    const told = 'this line is indented like a part of the value above it';
    return { message: told, ...deeper, hint };
  }
  return { message, ...onText(text, start, end), hint };
}

/** What the parser says, and what that means to the author of a Compose file. */
const MESSAGES: readonly { readonly when: RegExp; readonly message: (sign: string) => string }[] = [
  { when: /nested mappings/i, message: () => 'a second colon makes a mapping of this value' },
  { when: /implicit keys/i, message: () => 'this is neither `key: value` nor an entry of a list' },
  { when: /same column/i, message: () => 'this line is indented like none of those above it' },
  { when: /block sequence/i, message: () => 'an entry of a list stands among the keys of a mapping' },
  {
    when: /plain value cannot start/i,
    message: (sign) => `a value cannot start with ${sign} unless it is quoted`,
  },
];

function lowerCased(said: string): string {
  return said.charAt(0).toLowerCase() + said.slice(1);
}

/** The place without the blanks that a line starts with; tabs stay, because they are what is wrong. */
function onText(text: string, start: number, end: number): { start: number; end: number } {
  const blanks = /^ */.exec(text.slice(start, start + 1000))?.[0].length ?? 0;
  if (blanks === 0 || /[\t\n\r]/.test(text.charAt(start + blanks))) return { start, end };
  return { start: start + blanks, end: Math.max(end, start + blanks + 1) };
}

/** The text of the line below a place. */
function nextLine(text: string, start: number): { start: number; end: number } | undefined {
  const below = text.indexOf('\n', start) + 1;
  const line = below === 0 ? null : /^ *(\S[^\n\r]*)/.exec(text.slice(below, below + 1000));
  if (line?.[1] === undefined) return undefined;
  const from = below + line[0].length - line[1].length;
  return { start: from, end: from + line[1].length };
}

/** The likely cure, from what the parser said, the text, and the line (from 1) where it gave up. */
export function syntaxHint(message: string, text: string, line: number): string | undefined {
  const lines = text.split(/\r\n|\n|\r/, line + 1);
  if (lines.length < line) return byMessage(message);
  const here = lines[line - 1] ?? '';
  const before = lines.slice(0, line - 1).findLast((other) => other.trim() !== '') ?? '';
  return byLine(here) ?? byIndent(here, lines[line] ?? '', line) ?? byLine(before) ?? byMessage(message);
}

function byLine(line: string): string | undefined {
  return LINE_HINTS.find(({ when }) => when.test(line.slice(0, 500)))?.hint;
}

function byMessage(message: string): string | undefined {
  return MESSAGE_HINTS.find(({ when }) => when.test(message))?.hint;
}

/** A key that stands further in than the `key: value` above it, which takes it for a part of the value. */
function byIndent(here: string, next: string, line: number): string | undefined {
  const [, indent = ''] = /^( *)[\w.-]+: +[^\s|>&#]/.exec(here) ?? [];
  const [, deeper = ''] = /^( +)[\w.-]+:(?: |$)/.exec(next) ?? [];
  const isDeeper = here.includes(': ') && deeper.length > indent.length;
  return isDeeper ? `line ${line + 1} is indented further than line ${line}: align them` : undefined;
}

/** What a line looks like that YAML stumbles over, most certain first. */
const LINE_HINTS: readonly { readonly when: RegExp; readonly hint: string }[] = [
  { when: /^ *\t/, hint: 'a tab indents this line; YAML only allows spaces there' },
  { when: /^(<{7}|={7}|>{7})( |$)/, hint: 'this is the mark of a merge conflict that was not resolved' },
  {
    when: /[:-]\s+\{\{|[:-]\s+\{%/,
    hint: 'this looks like a template; fill it in first, or quote the value',
  },
  { when: /(^|\s)[\w.-]+:\s+-\s/, hint: 'put the first dash of a list on a line of its own' },
  { when: /(:|-)\s+[@`]/, hint: 'quote a value that starts with @ or `' },
  { when: /(:|-)\s+%/, hint: 'quote a value that starts with %' },
  {
    when: /(:|-)\s+\*[^\s]*[^\w\s-]/,
    hint: 'quote a value that starts with *; without quotes it is a reference to an anchor',
  },
  { when: /^\s*[A-Za-z_][\w.-]*:[^\s/\\:]\S*\s*$/, hint: 'a space is missing after the colon' },
  { when: /^\s*-[\w"'./]/, hint: 'a space is missing after the dash' },
  { when: /^[^"'#]*:\s+[^"'#&*!|>{[\s][^"'#]*:\s/, hint: 'quote a value that contains a colon and a space' },
  { when: /^\s*[\w.-]+\s*=/, hint: 'write `key: value`, or `- KEY=value` in a list' },
  { when: /^\s*[A-Za-z_][\w.-]*\s*$/, hint: 'a colon is missing after the key, or a dash before the entry' },
];

/** By what the YAML parser says. */
const MESSAGE_HINTS: readonly { readonly when: RegExp; readonly hint: string }[] = [
  { when: /tab/i, hint: 'a tab indents this line; YAML only allows spaces there' },
  {
    when: /missing closing|unexpected end|must end with|expected .* to end with/i,
    hint: 'a quote or bracket that was opened is not closed',
  },
  {
    when: /escape/i,
    hint: 'a backslash has a meaning in double quotes; use single quotes, or double the backslash',
  },
  { when: /nested mappings/i, hint: 'quote a value that contains a colon and a space' },
  {
    when: /same column|indent/i,
    hint: 'keys of one mapping, and dashes of one list, have to be indented alike',
  },
  { when: /alias|anchor/i, hint: 'quote a value that starts with * or &' },
  {
    when: /block sequence/i,
    hint: 'write `key: value` without a dash like the lines around it, or give every line a dash',
  },
  { when: /implicit/i, hint: 'a colon is missing after the key, or a quote is not closed' },
  { when: /plain value cannot start/i, hint: 'quote the value' },
];
