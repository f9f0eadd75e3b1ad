// Writes src/containers/syscalls.generated.ts: the numbers of system calls by architecture, from the kernel's headers
// as `cc` sees them. Run it when the headers get newer; a build needs only its output.
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';

// Newer than many installed headers; from 424 on a call has the same number everywhere.
const RECENT = {
  futex_waitv: 449,
  set_mempolicy_home_node: 450,
  cachestat: 451,
  fchmodat2: 452,
  map_shadow_stack: 453,
  futex_wake: 454,
  futex_wait: 455,
  futex_requeue: 456,
  statmount: 457,
  listmount: 458,
  lsm_get_self_attr: 459,
  lsm_set_self_attr: 460,
  lsm_list_modules: 461,
  mseal: 462,
  setxattrat: 463,
  getxattrat: 464,
  listxattrat: 465,
  removexattrat: 466,
  open_tree_attr: 467,
  file_getattr: 468,
  file_setattr: 469,
};

const X32_BIT = 0x4000_0000;

const TABLES = {
  x64: { include: 'asm/unistd_64.h', own: { uretprobe: 335 } },
  x32: { include: 'asm/unistd_x32.h', defines: [`__X32_SYSCALL_BIT=${X32_BIT}`], offset: X32_BIT },
  x86: { include: 'asm/unistd_32.h' },
  arm64: {
    include: 'asm-generic/unistd.h',
    defines: [
      '__BITS_PER_LONG=64',
      '__ARCH_WANT_RENAMEAT',
      '__ARCH_WANT_NEW_STAT',
      '__ARCH_WANT_SET_GET_RLIMIT',
      '__ARCH_WANT_TIME32_SYSCALLS',
      '__ARCH_WANT_SYS_CLONE3',
      '__ARCH_WANT_MEMFD_SECRET',
    ],
  },
};

function readTable({ include, defines = [], own = {}, offset = 0 }) {
  const source = `#include <${include}>\n`;
  const flags = defines.map((define) => `-D${define}`);
  const macros = execFileSync('cc', [...flags, '-E', '-dM', '-x', 'c', '-'], {
    input: source,
    encoding: 'utf8',
  });
  const names = [...macros.matchAll(/^#define __NR_(\w+) /gm)].map(([, name]) => name);
  const listed = names.filter((name) => name !== 'syscalls' && name !== 'arch_specific_syscall');
  const probe = `${source}${listed.map((name) => `@${name} __NR_${name}`).join('\n')}\n`;
  const text = execFileSync('cc', [...flags, '-E', '-P', '-x', 'c', '-'], { input: probe, encoding: 'utf8' });
  const table = new Map();
  for (const [, name, value] of text.matchAll(/@\s*(\w+) (.+)$/gm)) table.set(name, evaluate(value));
  const recent = Object.entries(RECENT).map(([name, number]) => [name, number + offset]);
  for (const [name, number] of [...recent, ...Object.entries(own)])
    if (!table.has(name)) table.set(name, number);
  return [...table].filter(([, number]) => Number.isInteger(number)).sort((a, b) => a[1] - b[1]);
}

// `(0x40000000 + 12)`, `12`
function evaluate(text) {
  return text
    .replace(/[()]/g, '')
    .split('+')
    .reduce((sum, part) => sum + Number(part.trim()), 0);
}

function render(name, table) {
  const lines = [];
  let line = '';
  for (const [call, number] of table) {
    const entry = `${call} ${number} `;
    if (line.length + entry.length > 105) {
      lines.push(line.trimEnd());
      line = '';
    }
    line += entry;
  }
  lines.push(line.trimEnd());
  return `export const ${name} = \`\n${lines.join('\n')}\n\`;\n`;
}

const header = `// Numbers of system calls by architecture; written by scripts/build-syscalls.mjs, do not edit.\n`;
const bodies = Object.entries(TABLES).map(([name, table]) => render(name, readTable(table)));
writeFileSync(
  new URL('../src/containers/syscalls.generated.ts', import.meta.url),
  `${header}\n${bodies.join('\n')}`,
);
