// The load balancer: looks the backend's name up at each request and takes its replicas in turn.
import { lookup } from 'node:dns/promises';
import { createServer, request } from 'node:http';

const [host, port] = process.env.BACKEND.split(':');
let turn = 0;

async function nextReplica() {
  const addresses = await lookup(host, { all: true, family: 0 });
  const sorted = addresses.map(({ address }) => address).sort();
  return sorted[turn++ % sorted.length];
}

function pass(from, to, address) {
  const options = { host: address, port, path: from.url, method: from.method, headers: from.headers };
  const onward = request(options, (answer) => {
    to.writeHead(answer.statusCode, answer.headers);
    answer.pipe(to);
  });
  onward.on('error', (error) => to.writeHead(502).end(`${error.message}\n`));
  from.pipe(onward);
}

createServer(async (from, to) => {
  try {
    pass(from, to, await nextReplica());
  } catch (error) {
    to.writeHead(502).end(`${error.message}\n`);
  }
}).listen(8000, () => console.log(`spreading over ${host}`));
