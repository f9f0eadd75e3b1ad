// An explanation, and the list of them, as text for a terminal.
import type { Explanation } from '../compose/explain.ts';

const WIDTH = 80;

/** The long text of one code. */
export function explanationText(
  code: string,
  { summary, text, wrong, right }: Explanation,
  colours: boolean,
): string {
  const bold = (words: string): string => (colours ? `\u001b[1m${words}\u001b[0m` : words);
  const parts = [`${bold(code)}: ${summary}`, '', ...wrapped(text, WIDTH)];
  if (wrong !== undefined) parts.push('', bold('Wrong'), '', indented(wrong));
  if (right !== undefined) parts.push('', bold('Right'), '', indented(right));
  return `${parts.join('\n')}\n`;
}

/** One line for each code. */
export function codeList(entries: readonly { code: string; summary: string }[], colours: boolean): string {
  const width = Math.max(...entries.map(({ code }) => code.length));
  const line = ({ code, summary }: { code: string; summary: string }): string => {
    const name = code.padEnd(width);
    return `${colours ? `\u001b[1m${name}\u001b[0m` : name}  ${summary}\n`;
  };
  return entries.map(line).join('');
}

function wrapped(text: string, width: number): string[] {
  const lines: string[] = [];
  for (const word of text.split(' ')) {
    const last = lines.at(-1);
    if (last !== undefined && last.length + 1 + word.length <= width)
      lines[lines.length - 1] = `${last} ${word}`;
    else lines.push(word);
  }
  return lines;
}

function indented(text: string): string {
  return text.replace(/^/gm, '    ');
}
