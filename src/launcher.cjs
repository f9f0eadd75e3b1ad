#!/usr/bin/env node
// Loads the bundle through V8's code cache, which spares compiling it at every start. The cache is written once per
// version of Node and command, beside the bundle or in a cache directory; without one everything works, more slowly.
'use strict';
const fs = require('node:fs');
const vm = require('node:vm');
const { pathToFileURL } = require('node:url');

const BUNDLE = '@BUNDLE@';
const COMMANDS = new Set('@COMMANDS@'.split(' '));

const file = `${__dirname}/${BUNDLE}`;
const argv = process.argv.slice(2);
const cacheName = `${BUNDLE}-${process.version}-${process.arch}-${argv.find((word) => COMMANDS.has(word)) ?? 'help'}`;
const uid = process.geteuid();

// A directory of somebody else is left alone: what root writes there, its owner could not remove.
function cacheDirs() {
  const home = process.env.XDG_CACHE_HOME || (process.env.HOME && `${process.env.HOME}/.cache`);
  const own = uid === 0 ? '/var/cache/tscompose' : home && `${home}/tscompose`;
  const dirs = fs.statSync(__dirname).uid === uid ? [`${__dirname}/.cache`] : [];
  return own ? [...dirs, own] : dirs;
}

// The cache is code: it must come from this user and be writable by nobody else.
function readCache(dir) {
  let fd;
  try {
    fd = fs.openSync(`${dir}/${cacheName}`, 'r');
    const stat = fs.fstatSync(fd);
    return stat.uid === uid && (stat.mode & 0o022) === 0 ? fs.readFileSync(fd) : undefined;
  } catch {
    return undefined;
  } finally {
    if (fd !== undefined) fs.closeSync(fd);
  }
}

// Not `recursive`: that never ends below /proc.
function makeDirectory(dir) {
  for (const path of [dir.replace(/\/[^/]*$/, ''), dir])
    if (path && !fs.existsSync(path)) fs.mkdirSync(path, 0o755);
}

function writeCache(dir, data) {
  const temporary = `${dir}/${cacheName}.${process.pid}`;
  try {
    makeDirectory(dir);
    if (fs.statSync(dir).uid !== uid) return false;
    fs.writeFileSync(temporary, data, { mode: 0o644, flag: 'wx' });
    fs.renameSync(temporary, `${dir}/${cacheName}`);
    for (const name of fs.readdirSync(dir))
      if (!name.startsWith(BUNDLE)) fs.rmSync(`${dir}/${name}`, { force: true });
    return true;
  } catch {
    fs.rmSync(temporary, { force: true });
    return false;
  }
}

const dirs = cacheDirs();
let cachedData;
for (let at = 0; at < dirs.length && !cachedData; at++) cachedData = readCache(dirs[at]);

// The bundle is pure ASCII, so that latin1 is right and V8 keeps one byte a character.
const script = new vm.Script(fs.readFileSync(file, 'latin1'), { filename: file, cachedData });
const chunks = script.runInThisContext();
const url = pathToFileURL(file).href;
const loaded = new Map();

function load(name) {
  const chunk = chunks[name];
  if (chunk === undefined) return require(name);
  const known = loaded.get(name);
  if (known !== undefined) return known.exports;
  const target = { exports: {} };
  loaded.set(name, target);
  chunk(target.exports, load, target, url);
  return target.exports;
}

// What chunks import of Node itself and few commands use: loaded when one of its names is first asked for.
load.late = (name) => {
  let exports;
  const get = (_, key) => {
    exports ??= require(name);
    return exports[key];
  };
  return new Proxy({}, { get });
};

let saved = cachedData !== undefined && !script.cachedDataRejected;
function save() {
  if (saved) return;
  saved = true;
  const data = script.createCachedData();
  dirs.some((dir) => writeCache(dir, data));
}

load('./main.js')
  .main(argv, { beforeReplacing: save })
  .then((code) => {
    save();
    process.exit(code);
  });
