// Answers with a text of its own, or with what the next one says.
import { createServer } from 'node:http';

const { ASK, SAY } = process.env;

async function answer() {
  return ASK ? (await fetch(ASK)).text() : `${SAY}\n`;
}

createServer(async (_request, response) => {
  try {
    response.end(await answer());
  } catch (error) {
    response.writeHead(502).end(`${error.cause?.code ?? error.message}\n`);
  }
}).listen(3000);
