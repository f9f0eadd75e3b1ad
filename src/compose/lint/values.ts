// Lint rules that compare a value with the text it was read from.
import { nearest } from '../hints.ts';
import type { Lint, ServiceRule } from '../lint.ts';
import type { Service } from '../project.ts';

export const VALUE_RULES: readonly ServiceRule[] = [
  unquotedPorts,
  changedValues,
  yesAndNo,
  cutCommands,
  decimalModes,
  driveLetters,
  unknownPolicies,
];

function unquotedPorts(lint: Lint, { ports = [] }: Service, name: string): void {
  ports.forEach((_port, index) => {
    const path = `services.${name}.ports[${index}]`;
    const written = lint.written(path) ?? '';
    const parts = /^(\d{1,5}):(\d{1,2})(?:\/\w+)?$/.exec(written);
    if (parts === null || Number(parts[2]) > 59) return;
    lint.warn(
      'unquoted-port',
      path,
      `other YAML readers take ${written} for one number in base 60`,
      `quote it: "${written}"`,
    );
  });
}

const POLICIES = ['no', 'always', 'unless-stopped', 'on-failure'];
const CONDITIONS = ['none', 'on-failure', 'any'];

/** Words that the format takes, because it takes any, and no container can be started with. */
function unknownPolicies(lint: Lint, { restart, deploy }: Service, name: string): void {
  const tell = (path: string, value: string, known: readonly string[]): void => {
    const similar = nearest(value, known, (word) => `did you mean ${word}?`);
    lint.warn(
      'invalid-value',
      `services.${name}.${path}`,
      `${path} of service ${name} is ${JSON.stringify(value)}, with which it does not start`,
      similar ?? `known are ${known.join(', ')}`,
    );
  };
  const policy = restart?.split(':', 1)[0] ?? 'no';
  if (!POLICIES.includes(policy)) tell('restart', policy, POLICIES);
  const condition = deploy?.restart_policy?.condition ?? 'any';
  if (![...CONDITIONS, ...POLICIES].includes(condition)) {
    tell('deploy.restart_policy.condition', condition, CONDITIONS);
  }
}

/** Values whose text is not what the container gets: `1.10` is a number, and numbers have no trailing zeros. */
function changedValues(lint: Lint, service: Service, name: string): void {
  eachText(service, (path, value) => {
    const full = `services.${name}.${path}`;
    const written = lint.written(full);
    if (written === undefined || !/^[-+.\d][\w.+-]*$/.test(written) || written === value) return;
    lint.warn(
      'changed-value',
      full,
      `${path} of service ${name} is written ${written} and read as ${value}`,
      `quote it: "${written}"`,
    );
  });
}

function yesAndNo(lint: Lint, service: Service, name: string): void {
  eachText(service, (path, value) => {
    const full = `services.${name}.${path}`;
    if (!/^(yes|no|on|off|y|n)$/i.test(value) || lint.written(full) !== value) return;
    lint.warn(
      'suspicious-value',
      full,
      `${path} of service ${name} is the word ${value} here, and true or false to other YAML readers`,
      `quote it: "${value}"`,
    );
  });
}

/** The texts of mappings with free keys, with their paths below the service. */
function eachText(service: Service, visit: (path: string, value: string) => void): void {
  const { environment = {}, labels = {}, annotations = {}, build } = service;
  for (const [kind, values] of Object.entries({
    environment,
    labels,
    annotations,
    'build.args': build?.args ?? {},
  })) {
    for (const [key, value] of Object.entries(values)) if (value !== null) visit(`${kind}.${key}`, value);
  }
}

/** A command that is a string is split into words, and ends where a shell would start something else. */
function cutCommands(lint: Lint, service: Service, name: string): void {
  for (const key of ['command', 'entrypoint'] as const) {
    const path = `services.${name}.${key}`;
    const written = lint.written(path) ?? '';
    const operator = /\s(&&|\|\||\||;|&|>>?|<)(?=\s|$)|\S(;)\s/.exec(written);
    const found = operator?.[1] ?? operator?.[2];
    if (found === undefined || /^[[{|>&*!]/.test(written)) continue;
    if (service[key]?.some((word) => word.includes(found))) continue;
    lint.warn(
      'cut-command',
      path,
      `the ${key} of service ${name} ends before ${found}: no shell runs it, and the rest is dropped`,
      `${key}: ["sh", "-c", "…"] runs a shell`,
    );
  }
}

/** `mode: 440` is a decimal number, which is something else than 0440. */
function decimalModes(lint: Lint, service: Service, name: string): void {
  for (const kind of ['configs', 'secrets'] as const) {
    (service[kind] ?? []).forEach((_mount, index) => {
      const path = `services.${name}.${kind}[${index}].mode`;
      const written = lint.written(path) ?? '';
      if (!/^[1-7][0-7]{2}$/.test(written)) return;
      lint.warn(
        'suspicious-value',
        path,
        `mode ${written} is a decimal number, 0${Number(written).toString(8)} in octal`,
        `write 0${written}`,
      );
    });
  }
}

/** `v:/data` looks like a drive of Windows, so that `v` is no volume. */
function driveLetters(lint: Lint, { volumes = [] }: Service, name: string): void {
  volumes.forEach((mount, index) => {
    const drive =
      /^([a-zA-Z]):[/\\]/.exec(mount.target)?.[1] ?? /^([a-zA-Z]):[/\\]/.exec(mount.source ?? '')?.[1];
    if (drive === undefined) return;
    lint.warn(
      'suspicious-value',
      `services.${name}.volumes[${index}]`,
      `${drive}: is read as a drive of Windows in service ${name}, not as a volume called ${drive}`,
      `use a name of more than one letter, or the long form`,
    );
  });
}
