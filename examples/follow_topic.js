#!/usr/bin/env node
// follow_topic.js: reads what a topic has stored, after a bookmark, and goes on with what comes.
//
//    node follow_topic.js postgresql:///mydb booking bookmark
//
// Prints each event in the order of the commits. Whatever is killed, none is missing; the last ones may come again, with
// the same position. Needs the package pg, and SELECT on the table.
'use strict';
const fs = require('fs');
const { Client } = require('pg');

const [connectionString, topic, file] = process.argv.slice(2);
const READ = 'SELECT position::text, event::text FROM gymstream.read_topic($1::regclass, $2::gymstream.position)';
const CHANNEL = "SELECT format('LISTEN %I', channel) AS listen FROM gymstream.topics WHERE relation = $1::regclass";
const sleep = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

const load = () => (fs.existsSync(file) ? fs.readFileSync(file, 'utf8') : null);
function save(position) {
  const bookmark = fs.openSync(`${file}.new`, 'w');
  fs.writeSync(bookmark, position);
  fs.fsyncSync(bookmark);
  fs.closeSync(bookmark);
  fs.renameSync(`${file}.new`, file);
}

async function follow(client) {
  let wake = () => {};
  let told = false;
  for (const sign of ['notification', 'error', 'end']) client.on(sign, () => { told = true; wake(); });
  await client.connect();
  const { rows: [{ listen }] } = await client.query(CHANNEL, [topic]);
  await client.query(listen); // LISTEN before reading: what is stored later wakes us
  for (;;) {
    told = false;
    const { rows } = await client.query(READ, [topic, load()]);
    for (const { position, event } of rows) fs.writeSync(1, `${position} ${event}\n`);
    if (rows.length > 0) save(rows[rows.length - 1].position);
    // who sent a notification does not matter: the log is the truth
    else if (!told) await Promise.race([new Promise((resolve) => { wake = resolve; }), sleep(5000)]);
  }
}

(async () => {
  for (;;) {
    const client = new Client({ connectionString });
    await follow(client).catch((error) => {
      console.error(`begins anew: ${error.message}`);
      // the log no longer has what came next: go on with what it has
      if (['GS001', 'GS002'].includes(error.code)) fs.unlinkSync(file);
    });
    await client.end().catch(() => {});
    await sleep(1000);
  }
})();
