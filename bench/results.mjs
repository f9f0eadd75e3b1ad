// bench/RESULTS.md is written by several benchmarks: each owns the sections that it measures.
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const path = join(dirname(fileURLToPath(import.meta.url)), 'RESULTS.md');

/** Puts `text` under the heading `title`, at the place of the section that had this title, otherwise at the end. */
export function replaceSection(title, text) {
  const before = existsSync(path) ? readFileSync(path, 'utf8') : '# Results\n';
  const [head, ...sections] = before.split(/^(?=## )/m).map((part) => part.trimEnd());
  const section = `## ${title}\n\n${text.trimEnd().replace(/^\|.*(?:\n\|.*)*/gm, aligned)}`;
  const at = sections.findIndex((each) => each.split('\n', 1)[0] === `## ${title}`);
  if (at >= 0) sections[at] = section;
  else sections.push(section);
  writeFileSync(path, `${[head, ...sections].join('\n\n')}\n`);
}

/** A table with columns of one width, as the formatter wants it. */
function aligned(table) {
  const rows = table.split('\n').map((row) =>
    row
      .slice(1, -1)
      .split('|')
      .map((cell) => cell.trim()),
  );
  const widths = rows[0].map((_, at) => Math.max(...rows.map((row) => row[at].length)));
  const fill = (cell, at) => (/^-+$/.test(cell) ? '-'.repeat(widths[at]) : cell.padEnd(widths[at]));
  return rows.map((row) => `| ${row.map(fill).join(' | ')} |`).join('\n');
}
