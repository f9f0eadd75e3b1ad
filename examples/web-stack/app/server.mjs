// The app: notes from the database, or from the cache while nothing was added.
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { hostname } from 'node:os';
import { text } from 'node:stream/consumers';
import { connectPostgres } from './postgres.mjs';
import { connectRedis } from './redis.mjs';

const [dbHost, dbPort] = process.env.DATABASE.split(':');
const [cacheHost, cachePort] = process.env.CACHE.split(':');
const password = readFileSync('/run/secrets/db-password', 'utf8').trim();
const db = await connectPostgres({
  host: dbHost,
  port: dbPort,
  user: 'notes',
  database: 'notes',
  password,
});
const cache = await connectRedis({ host: cacheHost, port: cachePort });

async function readNotes() {
  const cached = await cache('GET', 'notes');
  if (cached !== null) return { notes: JSON.parse(cached), from: 'cache' };
  const rows = await db('SELECT text FROM notes ORDER BY id');
  const notes = rows.map(([note]) => note);
  await cache('SET', 'notes', JSON.stringify(notes));
  return { notes, from: 'database' };
}

async function addNote(note) {
  await db('INSERT INTO notes (text) VALUES ($1)', [note]);
  await cache('DEL', 'notes');
}

createServer(async (request, response) => {
  try {
    if (request.url === '/health') return response.end('ok\n');
    if (request.method === 'POST') await addNote(await text(request));
    const answer = { ...(await readNotes()), by: hostname() };
    response.writeHead(200, { 'content-type': 'application/json' }).end(`${JSON.stringify(answer)}\n`);
  } catch (error) {
    response.writeHead(503).end(`${error.message}\n`);
  }
}).listen(3000, () => console.log('ready'));
