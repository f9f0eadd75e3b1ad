// The app: counts each visit in the database and says who answered.
import { createServer } from 'node:http';
import { hostname } from 'node:os';

async function greet() {
  const answer = await fetch(`${process.env.DATABASE}/visits`, { method: 'POST' });
  return `visit ${await answer.text()} answered by ${hostname()}\n`;
}

createServer(async (request, response) => {
  if (request.url === '/health') return response.end('ok\n');
  try {
    response.end(await greet());
  } catch (error) {
    response.writeHead(503).end(`no database: ${error.cause?.message ?? error.message}\n`);
  }
}).listen(3000, () => console.log('ready'));
