// bench/RESULTS.md is written by several benchmarks: each owns the sections that it measures.
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const path = join(dirname(fileURLToPath(import.meta.url)), 'RESULTS.md');

/** Puts `text` under the heading `title`, at the place of the section that had this title, otherwise at the end. */
export function replaceSection(title, text) {
  const before = existsSync(path) ? readFileSync(path, 'utf8') : '# Results\n';
  const [head, ...sections] = before.split(/^(?=## )/m).map((part) => part.trimEnd());
  const section = `## ${title}\n\n${text.trimEnd()}`;
  const at = sections.findIndex((each) => each.split('\n', 1)[0] === `## ${title}`);
  if (at >= 0) sections[at] = section;
  else sections.push(section);
  writeFileSync(path, `${[head, ...sections].join('\n\n')}\n`);
}
