// What each code of an error or warning means, why it exists, and how to get rid of it.
import type { ErrorCode } from '../errors.ts';

export interface Explanation {
  /** One sentence. */
  readonly summary: string;
  /** What happened, why it is refused or warned about, and what to do. */
  readonly text: string;
  /** Something that raises it. */
  readonly wrong?: string;
  /** The same done right. */
  readonly right?: string;
}

/** The explanation of a code; undefined for a word that is none. */
export function explain(code: string): Explanation | undefined {
  return isCode(code) ? EXPLANATIONS[code] : undefined;
}

/** All codes, in alphabetical order. */
export function explainedCodes(): readonly ErrorCode[] {
  return Object.keys(EXPLANATIONS).filter(isCode).sort();
}

function isCode(code: string): code is ErrorCode {
  return Object.hasOwn(EXPLANATIONS, code);
}

const EXPLANATIONS: Readonly<Record<ErrorCode, Explanation>> = {
  usage: {
    summary: 'The command line is wrong.',
    text: 'An option is not known, lacks its value, or does not go together with another one. Global options such as -f and -p stand before the command, options of the command after it. `tscompose COMMAND --help` lists them.',
    wrong: 'tscompose config -f other.yaml',
    right: 'tscompose -f other.yaml config',
  },
  interrupted: {
    summary: 'The command was stopped from outside.',
    text: 'It got an interrupt or a termination signal and ended what it was doing in an orderly way. The next command continues from what is there; nothing has to be repaired first.',
  },
  'file-not-found': {
    summary: 'A file that was asked for does not exist.',
    text: 'Without -f, the current directory and those above it are searched for compose.yaml, compose.yml, docker-compose.yaml and docker-compose.yml. With -f, relative names start from the current directory. Files named inside a Compose file start from the directory of that file.',
    wrong: 'tscompose -f compse.yaml up',
    right: 'tscompose -f compose.yaml up',
  },
  'file-unreadable': {
    summary: 'A file exists and cannot be read.',
    text: 'Its permissions forbid it, it is a directory, it is not text in UTF-8, or the disk failed. The message carries the reason of the operating system.',
  },
  'yaml-syntax': {
    summary: 'A file is not valid YAML.',
    text: 'Most often a tab indents a line, a space is missing after a colon or dash, a quote is not closed, or lines that belong together are indented differently. The mistake can be a line above the place that is shown, because that is where the reader noticed it.',
    wrong: 'services:\n  web:\n    image:nginx\n    ports:\n     - "80:80"',
    right: 'services:\n  web:\n    image: nginx\n    ports:\n      - "80:80"',
  },
  'duplicate-key': {
    summary: 'A key occurs twice in one mapping.',
    text: 'One of them would be lost without a word, so neither is taken. Put both contents together under one key.',
    wrong: 'services:\n  web:\n    environment: { A: 1 }\n    environment: { B: 2 }',
    right: 'services:\n  web:\n    environment: { A: 1, B: 2 }',
  },
  'unknown-key': {
    summary: 'A key has no meaning at its place.',
    text: 'It is misspelt, indented too far or not far enough, or belongs to another tool. A key that is ignored is a setting that you believe in and do not have, so it is refused. Keys of your own start with x- and are allowed everywhere.',
    wrong: 'services:\n  web:\n    image: nginx\n    enviroment: { A: 1 }',
    right: 'services:\n  web:\n    image: nginx\n    environment: { A: 1 }\n    x-owner: shop team',
  },
  'wrong-type': {
    summary: 'A value has a type that its key does not take.',
    text: 'YAML decides the type by how a value is written: 1000 is a number and "1000" a string, a dash starts an entry of a list, and a colon with a space makes a mapping. A key without a value is empty, which few keys accept.',
    wrong: 'services:\n  web:\n    image: nginx\n    user: 1000\n    profiles: dev',
    right: 'services:\n  web:\n    image: nginx\n    user: "1000"\n    profiles: [dev]',
  },
  'invalid-value': {
    summary: 'A value has the right type and is still not possible.',
    text: 'It is not one of the words that the key takes, out of range, not in the form that is needed (a duration, a size, an address, a port), or a repeat in a list without repeats. The message names what is accepted.',
    wrong:
      'services:\n  web:\n    image: nginx\n    stop_grace_period: 10 seconds\n    ports: ["8080:99999"]',
    right: 'services:\n  web:\n    image: nginx\n    stop_grace_period: 10s\n    ports: ["8080:80"]',
  },
  'missing-key': {
    summary: 'A key that is needed is not there.',
    text: 'A service needs image or build (or a provider), and some long forms have keys that cannot be guessed, such as type for volumes or condition for depends_on.',
    wrong: 'services:\n  web:\n    image: nginx\n    depends_on:\n      db: {}',
    right: 'services:\n  web:\n    image: nginx\n    depends_on:\n      db: { condition: service_healthy }',
  },
  'conflicting-keys': {
    summary: 'Two settings contradict each other.',
    text: 'Both cannot be done, and which one was meant cannot be known: network_mode with networks, scale and deploy.replicas with different numbers, container_name with several containers, an external volume with a driver.',
    wrong: 'services:\n  web:\n    image: nginx\n    network_mode: host\n    networks: [front]',
    right: 'services:\n  web:\n    image: nginx\n    networks: [front]',
  },
  interpolation: {
    summary: 'A ${…} cannot be read, or its result does not fit.',
    text: 'Known forms are $NAME, ${NAME}, ${NAME:-default}, ${NAME-default}, ${NAME:?message}, ${NAME?message}, ${NAME:+other} and ${NAME+other}; the colon means that an empty value counts as not set. A literal dollar sign is written $$. Where a number or boolean is needed, the result has to be one.',
    wrong: 'services:\n  web:\n    image: "nginx:${1TAG}"',
    right: 'services:\n  web:\n    image: "nginx:${TAG:-1.27}"',
  },
  'required-variable': {
    summary: 'A variable that the file insists on is not set.',
    text: 'The file says ${NAME:?message}: without the variable nothing may start. Set it in the shell, in .env beside the Compose file, or in a file given by --env-file.',
    wrong: 'environment: { PASSWORD: "${DB_PASSWORD:?set a password}" }   # and nothing sets it',
    right: 'echo DB_PASSWORD=… >> .env',
  },
  'unset-variable': {
    summary: 'A variable is not set, so it was replaced by nothing.',
    text: 'Compose goes on with an empty text, which is seldom what is wanted. Variables come from the shell, .env and --env-file. The env_file of a service is for its containers only and does not take part. A dollar sign that is meant as such, as in a password, is written $$.',
    wrong: 'environment: { PASSWORD: "pa$word" }',
    right: 'environment: { PASSWORD: "pa$$word" }',
  },
  'env-file': {
    summary: 'A file of variables is missing or cannot be read.',
    text: 'Each line is NAME=value. Single quotes keep everything as it is, double quotes know \\n, \\t and ${…}, and # after a space starts a comment. An env_file that may be missing is marked with required: false; format: raw takes lines as they are.',
    wrong: 'env_file: [./local.env]   # which is not there',
    right: 'env_file:\n  - path: ./local.env\n    required: false',
  },
  'merge-conflict': {
    summary: 'Two files cannot be put together.',
    text: 'A later file changes an earlier one key by key: mappings are merged, most lists are appended, command and entrypoint are replaced. Here the two have contents that do not go together. !override replaces a value as a whole, !reset removes it.',
    wrong: '# compose.override.yaml\nservices:\n  web:\n    ports: "8080:80"',
    right: '# compose.override.yaml\nservices:\n  web:\n    ports: !override ["8080:80"]',
  },
  include: {
    summary: 'An included file cannot be used.',
    text: 'It is missing, includes itself, or declares something that this project declares too. What an included file declares can be changed in a second -f file or an override file, not in the file that includes it. Files from git or a registry are not fetched; copy them beside the project.',
    wrong: 'include: [db.yaml]   # declares the service db\nservices:\n  db: { image: "postgres:17" }',
    right: 'include: [db.yaml]\nservices:\n  web: { image: "nginx:1.27", depends_on: [db] }',
  },
  extends: {
    summary: 'The service to extend cannot be used.',
    text: 'extends names a service of the same file, or of another one with file. It cannot lead back to itself, and the other file is looked for beside the one that names it.',
    wrong: 'services:\n  web:\n    extends: { file: common.yaml, service: wbe }',
    right: 'services:\n  web:\n    extends: { file: common.yaml, service: web }',
  },
  'undefined-reference': {
    summary: 'Something is used that is not declared.',
    text: 'Networks, volumes, secrets, configs and services have to be declared in the project before a service can refer to them. A path of the machine starts with ./, / or ~; anything else before the colon is the name of a volume.',
    wrong: 'services:\n  db:\n    image: postgres:17\n    volumes: ["data:/var/lib/postgresql/data"]',
    right:
      'services:\n  db:\n    image: postgres:17\n    volumes: ["data:/var/lib/postgresql/data"]\nvolumes:\n  data:',
  },
  'dependency-cycle': {
    summary: 'Services wait for each other in a circle.',
    text: 'None of them could be started first. Besides depends_on, links, volumes_from and network_mode, ipc or pid with service:NAME make a service wait. Take out the edge that is needed least; a program that retries its connections needs no order.',
    wrong: 'services:\n  a: { image: x, depends_on: [b] }\n  b: { image: x, depends_on: [a] }',
    right: 'services:\n  a: { image: x, depends_on: [b] }\n  b: { image: x }',
  },
  'unknown-service': {
    summary: 'The project has no service of that name.',
    text: 'Services are named as in the Compose file, not as their containers: web, not shop-web-1. `tscompose config --services` lists them; a service with profiles is listed when one of these is enabled.',
    wrong: 'tscompose logs shop-web-1',
    right: 'tscompose logs web',
  },
  'project-name': {
    summary: 'The name of the project is not usable.',
    text: 'It consists of lower-case letters, digits, - and _, and starts with a letter or digit. It comes from -p, COMPOSE_PROJECT_NAME, name in the file, or the name of the directory, in this order.',
    wrong: 'tscompose -p "My Shop" up',
    right: 'tscompose -p my-shop up',
  },
  'legacy-format': {
    summary: 'The file has the first format, of 2014.',
    text: 'There, services stood at the top level and keys such as net and log_driver existed. Such a file is read when it is called fig.yml or fig.yaml, or with --legacy; `tscompose --legacy config` prints it as a file of today.',
    wrong: 'web:\n  image: nginx\n  net: host',
    right: 'services:\n  web:\n    image: nginx\n    network_mode: host',
  },
  deprecated: {
    summary: 'Something still works and should not be used any more.',
    text: 'version at the top has no effect, links and external_links are replaced by networks and their aliases, external.name by name beside external. Removing them changes nothing else.',
    wrong:
      'version: "3.8"\nservices:\n  web: { image: "nginx:1.27", links: [db] }\n  db: { image: "postgres:17" }',
    right: 'services:\n  web: { image: "nginx:1.27", depends_on: [db] }\n  db: { image: "postgres:17" }',
  },
  'suspicious-value': {
    summary: 'A value is valid and may mean something else than it says.',
    text: 'Words such as yes and on are true in YAML 1.1 and words in 1.2; a mode without a leading 0 is a decimal number; v:/data is read as a drive of Windows. Quotes, a leading 0 or the long form make it clear.',
    wrong: 'environment: { DEBUG: yes }',
    right: 'environment: { DEBUG: "yes" }',
  },
  'input-limit': {
    summary: 'A file is larger or deeper than any sensible one.',
    text: 'Nesting, the number of values that aliases stand for, and the size of files are limited, so that no file can use up the memory of the machine. If yours is real, split it with include.',
  },
  'untagged-image': {
    summary: 'An image has no tag, or the tag latest.',
    text: 'The same file then starts different programs on different days and machines, and a pull can bring a new major version. A tag makes it repeatable, a digest makes it certain.',
    wrong: 'services:\n  db: { image: postgres }',
    right: 'services:\n  db: { image: "postgres:17.2" }',
  },
  'exposed-port': {
    summary: 'A database or the like is open to the whole network.',
    text: 'A published port without an address answers on every address of the machine, past most firewalls. Services of the project reach each other without published ports. To look into it from this machine, publish it on 127.0.0.1.',
    wrong: 'services:\n  db:\n    image: postgres:17\n    ports: ["5432:5432"]',
    right: 'services:\n  db:\n    image: postgres:17\n    ports: ["127.0.0.1:5432:5432"]',
  },
  'scaled-port': {
    summary: 'More containers than published ports for them.',
    text: 'A port of the machine belongs to one container. The second one fails to start. Leave the published port out to get free ones, give a range, or publish only a proxy.',
    wrong: 'services:\n  web:\n    image: nginx:1.27\n    scale: 3\n    ports: ["8080:80"]',
    right: 'services:\n  web:\n    image: nginx:1.27\n    scale: 3\n    ports: ["8080-8082:80"]',
  },
  'duplicate-port': {
    summary: 'Two services publish the same port.',
    text: 'Whichever starts second fails. Give one of them another port or address. Services in different profiles that never run together are not meant.',
    wrong: 'services:\n  a: { image: x, ports: ["8080:80"] }\n  b: { image: y, ports: ["8080:80"] }',
    right: 'services:\n  a: { image: x, ports: ["8080:80"] }\n  b: { image: y, ports: ["8081:80"] }',
  },
  'unquoted-port': {
    summary: 'A port mapping without quotes looks like a number in base 60.',
    text: 'YAML 1.1 reads 22:22 as 22 × 60 + 22 = 1342. Compose does not, but editors, linters and other tools do. Quotes avoid it everywhere.',
    wrong: 'ports:\n  - 22:22',
    right: 'ports:\n  - "22:22"',
  },
  'healthcheck-form': {
    summary: 'A health check in exec form uses things that only a shell knows.',
    text: 'After CMD, each entry of the list is one argument and the first is the program. ||, &&, pipes and spaces in one string mean nothing there, so that the check always fails. CMD-SHELL runs a string in a shell.',
    wrong: 'healthcheck:\n  test: ["CMD", "curl -f http://localhost || exit 1"]',
    right: 'healthcheck:\n  test: ["CMD-SHELL", "curl -f http://localhost || exit 1"]',
  },
  'missing-healthcheck': {
    summary: 'A service waits for another to be healthy that has no health check.',
    text: 'Unless the image brings a check, the other service never becomes healthy and the start fails.',
    wrong:
      'services:\n  web: { image: x, depends_on: { db: { condition: service_healthy } } }\n  db: { image: "postgres:17" }',
    right:
      'services:\n  web: { image: x, depends_on: { db: { condition: service_healthy } } }\n  db:\n    image: postgres:17\n    healthcheck: { test: pg_isready -U postgres, interval: 2s }',
  },
  'unused-healthcheck': {
    summary: 'A health check exists, and the dependent does not wait for it.',
    text: 'The short form of depends_on only waits until the container runs, which for a database is seconds before it answers.',
    wrong: 'depends_on: [db]   # db has a healthcheck',
    right: 'depends_on:\n  db: { condition: service_healthy }',
  },
  'restart-conflict': {
    summary: 'A task that others wait to see finished is restarted for ever.',
    text: 'With restart: always or unless-stopped, a container that ends is started again, also after success. Tasks take on-failure, or nothing.',
    wrong: 'migrate: { image: app, restart: always }   # others wait for service_completed_successfully',
    right: 'migrate: { image: app, restart: on-failure }',
  },
  'inline-secret': {
    summary: 'A password or key is written in the Compose file.',
    text: 'The file lands in a repository, in backups and in what config prints. Take the value from a variable that .env or the shell sets, or use a secret, which is a file in the container (many images read NAME_FILE).',
    wrong: 'environment: { POSTGRES_PASSWORD: hunter2 }',
    right: 'environment: { POSTGRES_PASSWORD_FILE: /run/secrets/db_password }\nsecrets: [db_password]',
  },
  'quoted-value': {
    summary: 'Quotes became part of a value.',
    text: 'In a list, the entry is everything after the dash. Quotes after the equals sign are ordinary characters and reach the program.',
    wrong: 'environment:\n  - GREETING="hello world"',
    right: 'environment:\n  - "GREETING=hello world"',
  },
  'changed-value': {
    summary: 'A value without quotes was read as a number and changed.',
    text: 'Numbers have no trailing zeros, leading zeros mean octal, and an e makes an exponent: 3.10 becomes 3.1, 0123 becomes 83, 1e3 becomes 1000. Quote what is a text.',
    wrong: 'environment: { PYTHON_VERSION: 3.10 }',
    right: 'environment: { PYTHON_VERSION: "3.10" }',
  },
  'cut-command': {
    summary: 'A command is cut off where a shell would do something else.',
    text: 'A string is split into words like a shell does, but no shell runs. As in Docker Compose, what follows an unquoted ;, |, &, < or > is dropped without a message. Ask for a shell when one is wanted.',
    wrong: 'command: ./migrate && ./serve',
    right: 'command: ["sh", "-c", "./migrate && exec ./serve"]',
  },
  'weak-isolation': {
    summary: 'A container may do nearly everything that root may.',
    text: 'privileged, the capability ALL or SYS_ADMIN, and unconfined profiles switch off what separates the container from the machine. Most programs need one device, one capability or one sysctl of it.',
    wrong: 'services:\n  vpn: { image: x, privileged: true }',
    right: 'services:\n  vpn: { image: x, cap_add: [NET_ADMIN], devices: [/dev/net/tun] }',
  },
  'engine-socket': {
    summary: 'A container gets the socket of a container engine.',
    text: 'Through it a program can start a privileged container and so own the machine; mounting it read-only changes nothing, because the socket is only connected to. A proxy that allows single calls is safer. tscompose itself has no such socket.',
    wrong: 'volumes: ["/var/run/docker.sock:/var/run/docker.sock"]',
  },
  'host-mount': {
    summary: 'A container can write to a system directory of the machine.',
    text: 'A mistake or an intruder there changes the machine itself. Mount the directory that is needed, or add :ro.',
    wrong: 'volumes: ["/etc:/host/etc"]',
    right: 'volumes: ["/etc/localtime:/etc/localtime:ro"]',
  },
  'static-address': {
    summary: 'A fixed address cannot be had.',
    text: 'It is outside the subnets of its network, belongs to two services, or to a service with several containers. Fixed addresses need a network with a subnet; names do without.',
    wrong:
      'services:\n  web: { image: x, networks: { back: { ipv4_address: 10.5.0.4 } } }\nnetworks:\n  back: { ipam: { config: [{ subnet: 10.6.0.0/24 }] } }',
    right:
      'services:\n  web: { image: x, networks: { back: { ipv4_address: 10.6.0.4 } } }\nnetworks:\n  back: { ipam: { config: [{ subnet: 10.6.0.0/24 }] } }',
  },
  'unused-resource': {
    summary: 'A network, volume, secret or config is declared and not used.',
    text: 'It is not created. Either a service should refer to it, perhaps under another spelling, or it can go.',
    wrong: 'services:\n  db: { image: "postgres:17" }\nvolumes:\n  data:',
    right:
      'services:\n  db: { image: "postgres:17", volumes: ["data:/var/lib/postgresql/data"] }\nvolumes:\n  data:',
  },
  'without-effect': {
    summary: 'A setting does nothing on this machine.',
    text: 'Some are for Windows, for clusters, for control groups of version 1 or for SELinux. They are accepted so that one file works everywhere; on this machine they protect and limit nothing.',
    wrong: 'services:\n  web: { image: x, cpu_percent: 50 }',
    right: 'services:\n  web: { image: x, cpus: 0.5 }',
  },
  'dependency-failed': {
    summary: 'Something was not done because what it needs failed.',
    text: 'Look for the first error above: this one only follows from it. What does not depend on the failed part was done and is left running.',
  },
  unhealthy: {
    summary: 'A container runs, and its health check says that it does not work.',
    text: 'The check failed as often in a row as retries says, after start_period was over. `tscompose inspect SERVICE` shows the output of the last checks, and `tscompose exec SERVICE …` runs the check by hand.',
    wrong: 'healthcheck: { test: curl -f http://localhost }   # an image without curl',
    right: 'healthcheck: { test: wget -qO- http://localhost, start_period: 30s }',
  },
  timeout: {
    summary: 'Something took longer than it was given.',
    text: 'The message names what was waited for. --timeout and --wait-timeout set the limits of commands, start_period and stop_grace_period those of services.',
  },
  'name-conflict': {
    summary: 'A name is taken by something that is not part of this project.',
    text: 'Names of containers, networks and volumes are unique on the machine. container_name, and name of networks and volumes, skip the prefix of the project and therefore meet others.',
    wrong: 'services:\n  db: { image: x, container_name: db }   # in two projects',
    right: 'services:\n  db: { image: x }',
  },
  'port-in-use': {
    summary: 'A port of the machine is taken.',
    text: 'The message names the process that has it, when it can be found. Stop it, publish another port, or leave the published port out to get a free one.',
    wrong: 'ports: ["80:80"]   # while a web server runs on the machine',
    right: 'ports: ["8080:80"]',
  },
  'address-in-use': {
    summary: 'A fixed address belongs to another container.',
    text: 'Addresses of a network are given to one container each, also while it is stopped. Choose another one, or leave it to the network.',
  },
  'subnet-conflict': {
    summary: 'A subnet overlaps one that is in use.',
    text: 'Packets could not be told apart. Other networks of this machine, its own network and VPNs count. Without subnet a free one is chosen.',
    wrong:
      'networks:\n  a: { ipam: { config: [{ subnet: 10.8.0.0/16 }] } }\n  b: { ipam: { config: [{ subnet: 10.8.3.0/24 }] } }',
    right:
      'networks:\n  a: { ipam: { config: [{ subnet: 10.8.0.0/24 }] } }\n  b: { ipam: { config: [{ subnet: 10.8.3.0/24 }] } }',
  },
  'network-in-use': {
    summary: 'A network cannot be removed or changed while containers are on it.',
    text: 'Containers of another project, or some that were started by hand, use it. Take them down first.',
  },
  'network-plugin': {
    summary: 'A CNI plugin could not make or remove the interface of a container.',
    text: 'The network has the driver cni: its interfaces are made by programs of others, and this is what one of them said. See its documentation, and the configuration that driver_opts names.',
  },
  'network-not-found': {
    summary: 'An external network does not exist.',
    text: 'external: true means that somebody else made it; it is looked up by its name, without the prefix of this project. Bring up the project that owns it, or remove external.',
    wrong: 'networks:\n  shared: { external: true }',
    right: 'networks:\n  shared: { external: true, name: other_default }',
  },
  'volume-not-found': {
    summary: 'An external volume does not exist.',
    text: 'external: true means that somebody else made it; it is looked up by its name, without the prefix of this project.',
    wrong: 'volumes:\n  data: { external: true }',
    right: 'volumes:\n  data: { external: true, name: other_data }',
  },
  'volume-in-use': {
    summary: 'A volume cannot be removed while containers use it.',
    text: 'Stopped containers count too. Remove them first, with `tscompose down` or `tscompose rm`.',
  },
  'image-not-found': {
    summary: 'An image is neither here nor where it was looked for.',
    text: 'Its name or tag is misspelt, it has to be built first, its registry wants a login, or pull_policy: never forbids to fetch it. `tscompose image load` brings in archives; image: host uses the programs of this machine.',
    wrong: 'services:\n  web: { image: "ngnix:1.27" }',
    right: 'services:\n  web: { image: "nginx:1.27" }',
  },
  'image-invalid': {
    summary: 'An image is damaged or not in a known format.',
    text: 'Archives are OCI layouts or what `docker save` writes. A layer that does not match its digest is refused. Fetch or export it again.',
  },
  'image-in-use': {
    summary: 'An image cannot be removed while containers were made from it.',
    text: 'Stopped containers count too. Remove them first.',
  },
  registry: {
    summary: 'A registry cannot be reached or refuses.',
    text: 'The message carries its answer. Common reasons: no network, no login, a limit on pulls, a name that does not exist (registries say the same for those that need a login), or a certificate that is not trusted.',
  },
  'digest-mismatch': {
    summary: 'Data is not what its digest says.',
    text: 'It was damaged on the way or changed on purpose, so it is not used. Try again; if it stays so, something between here and the registry changes it.',
  },
  'bind-source-missing': {
    summary: 'A path of the machine that is to be mounted does not exist.',
    text: 'In the short form a missing path becomes an empty directory, also where a file was wanted. With create_host_path: false it is an error. Paths are relative to the Compose file.',
    wrong: 'volumes: ["./nginx.cnf:/etc/nginx/nginx.conf"]   # a directory appears there',
    right: 'volumes: ["./nginx.conf:/etc/nginx/nginx.conf:ro"]',
  },
  'container-not-found': {
    summary: 'There is no such container.',
    text: 'The service has not been created, or has fewer containers than --index says. `tscompose ps -a` lists what is there, `tscompose up` creates it.',
  },
  'container-not-running': {
    summary: 'The container exists and does not run.',
    text: 'exec, attach and the like need a running one. `tscompose ps -a` shows its exit code, `tscompose logs` what it said.',
  },
  'container-state': {
    summary: 'The container is in a state in which this cannot be done.',
    text: 'For example a paused container cannot be executed in, and one that is being removed cannot be started.',
  },
  copy: {
    summary: 'A file cannot be copied into a container or out of it.',
    text: 'The source is not there, the directory that is to take it is not, or a directory would replace a file. As with cp, a trailing slash or `/.` means what is in a directory.',
  },
  'launch-step': {
    summary: 'A step of starting a container failed.',
    text: 'The message names the step (a mount, a limit, a capability …), its path and the answer of the kernel. Everything done before it was undone.',
  },
  'command-not-found': {
    summary: 'The program of a container is not in its image.',
    text: 'It is looked for in the PATH of the container. A command that needs a shell has to say so, and images without a shell have none. The interpreter in the first line of a script has to exist too.',
    wrong: 'command: ["echo hello"]',
    right: 'command: ["echo", "hello"]',
  },
  'command-not-executable': {
    summary: 'The program of a container is there and cannot be run.',
    text: 'It lacks the x permission, is a directory, is built for another processor, or stands on a mount with noexec.',
    wrong: 'entrypoint: [/app/start.sh]   # mode 0644',
    right: 'chmod +x start.sh',
  },
  'unknown-user': {
    summary: 'The user or group is not known in the image.',
    text: 'Names are looked up in /etc/passwd and /etc/group of the container, not of the machine. Numbers always work.',
    wrong: 'user: alice',
    right: 'user: "1000:1000"',
  },
  'working-directory': {
    summary: 'The directory to start in cannot be entered.',
    text: 'It is a file, or the user of the container may not enter it. A missing one is created.',
  },
  'not-root': {
    summary: 'This needs rights that the user does not have.',
    text: 'Without root, containers need user namespaces with a range of ids in /etc/subuid and /etc/subgid, and ports below 1024 cannot be published. The message names what was missing.',
  },
  'kernel-feature': {
    summary: 'The kernel lacks something, or it is switched off.',
    text: 'The message names it. Linux 5.13 or newer is needed, with namespaces, control groups, overlayfs, nf_tables and veth. Inside another container these are often forbidden.',
  },
  'disk-full': {
    summary: 'There is no space left on a disk.',
    text: 'The message names the path. Nothing half-written is kept. `tscompose image rm` and `tscompose down -v` free space.',
  },
  'state-corrupt': {
    summary: 'A file of the state directory cannot be understood.',
    text: 'It was changed by hand, by a newer version, or damaged by the disk. The message names it. Removing the container, network or volume that it belongs to puts it right.',
  },
  locked: {
    summary: 'Another command works on the same project.',
    text: 'Two commands that change a project run one after the other. Wait for it, or find it with the process id in the message.',
  },
  unsupported: {
    summary: 'This is known, and not possible here.',
    text: 'The specification has it, but this machine or this version cannot do it; to go on without it would be to pretend. The message says what can be used instead.',
  },
  system: {
    summary: 'The operating system refused something.',
    text: 'The message names the call, its object and the reason. With --verbose the chain of causes is shown.',
  },
};
