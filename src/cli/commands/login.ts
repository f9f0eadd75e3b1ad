// `login`: user and password for a registry, kept where `docker login` keeps them.
import type { CliContext, CommandSpec } from '../command.ts';

export const command: CommandSpec = {
  name: 'login',
  usage: '[OPTIONS] [REGISTRY]',
  summary: 'log in to a registry',
  options: [
    { name: 'username', short: 'u', type: 'string', value: 'NAME', summary: 'the user' },
    {
      name: 'password',
      short: 'p',
      type: 'string',
      value: 'PASSWORD',
      summary: 'the password, for all on this machine to see; better --password-stdin',
    },
    {
      name: 'password-stdin',
      type: 'boolean',
      summary: 'read the password from standard input',
      excludes: ['password'],
    },
  ],
  positionals: { max: 1 },
  async run(context, args) {
    const [{ openRegistries }, { saveCredential }, { DEFAULT_REGISTRY }, { ComposeError }] =
      await Promise.all([
        import('../../images/registry.ts'),
        import('../../images/credentials.ts'),
        import('../../images/reference.ts'),
        import('../../errors.ts'),
      ]);
    const registry = (args.positionals[0] ?? DEFAULT_REGISTRY)
      .replace(/^https?:\/\//, '')
      .replace(/\/.*$/, '');
    const username = args.text('username') ?? (await ask(context, 'Username: ', false));
    const password = args.flag('password-stdin')
      ? await readInput()
      : (args.text('password') ?? (await ask(context, 'Password: ', true)));
    if (username === '' || password === '')
      throw new ComposeError('usage', 'a login needs a user and a password', {
        hint: 'give --username and --password-stdin',
      });
    const credential = { username, password };
    const registries = openRegistries({ environment: process.env, credential });
    try {
      await registries.check(registry, context.signal);
    } finally {
      registries.close();
    }
    const place = await saveCredential(registry, credential, process.env);
    context.err(
      place.startsWith('docker-credential-') ? '' : `The password is kept unencrypted in ${place}.\n`,
    );
    context.out('Login Succeeded\n');
    return 0;
  },
};

async function readInput(): Promise<string> {
  const { readFileSync } = await import('node:fs');
  return readFileSync(0, 'utf8').replace(/\r?\n$/, '');
}

async function ask(context: CliContext, question: string, secret: boolean): Promise<string> {
  const { ComposeError } = await import('../../errors.ts');
  if (!context.isTerminal('stdin'))
    throw new ComposeError('usage', 'there is no terminal to ask', {
      hint: 'give --username and --password-stdin',
    });
  const [{ createInterface }, { Writable }] = await Promise.all([
    import('node:readline/promises'),
    import('node:stream'),
  ]);
  context.err(question);
  const nowhere = new Writable({ write: (_chunk, _encoding, done) => done() });
  const prompt = createInterface({
    input: process.stdin,
    output: secret ? nowhere : process.stderr,
    terminal: true,
  });
  try {
    return await prompt.question('', { signal: context.signal });
  } finally {
    prompt.close();
    if (secret) context.err('\n');
  }
}
