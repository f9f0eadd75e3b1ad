// The database: one number, kept in a file on the volume.
import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';

const file = '/var/lib/visits/count';

function read() {
  try {
    return Number(readFileSync(file, 'utf8'));
  } catch {
    return 0;
  }
}

function count() {
  const visits = read() + 1;
  writeFileSync(`${file}.new`, String(visits));
  renameSync(`${file}.new`, file);
  return visits;
}

createServer((request, response) => {
  response.end(String(request.method === 'POST' ? count() : read()));
}).listen(5000, () => console.log(`ready with ${read()} visits`));
