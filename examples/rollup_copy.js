#!/usr/bin/env node
// rollup_copy.js: keeps a dictionary equal to a rollup, over restarts of the server and lost connections.
//
//    node rollup_copy.js postgresql:///mydb class_attendance
//
// The rollup needs a topic with notify => 'row'. gymstream.event_key says by which key events name a row.
// Prints the dictionary each time it has changed. Needs the package pg. doc/wire-format.md says why each step is there.
'use strict';
const { Client } = require('pg');

const [connectionString, rollup] = process.argv.slice(2);
const STATE = `SELECT s.publisher_pid, s.publisher_since::text, t.channel, t.created::text
    FROM gymstream.status s LEFT JOIN gymstream.topics t ON t.relation = to_regclass($1)`;
const show = (copy) => console.log(JSON.stringify([...copy.values()]));
const sleep = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

// Returns when the copy must be made anew; throws when the connection is lost.
async function follow(client) {
  let told = [];
  let wake = () => {};
  client.on('notification', (notification) => { told.push(notification); wake(); });
  client.on('error', () => wake()); // the next query fails
  client.on('end', () => wake());
  await client.connect();
  const ask = async () => (await client.query(STATE, [rollup])).rows[0];
  const state = await ask(); // who publishes, before LISTEN
  if (state.channel === null) throw new Error(`${rollup} has no topic`);
  await client.query(`LISTEN ${client.escapeIdentifier(state.channel)}`); // LISTEN before reading
  const { rows } = await client.query(`SELECT gymstream.event_key(r.*) AS key, to_jsonb(r.*) AS row FROM ${rollup} r`);
  const copy = new Map(rows.map(({ key, row }, number) => [key ? JSON.stringify(key) : number, row]));
  show(copy);
  for (;;) {
    // silence is no proof: ask now and then
    if (told.length === 0) await Promise.race([new Promise((resolve) => { wake = resolve; }), sleep(5000)]);
    const before = told;
    told = [];
    if (JSON.stringify(await ask()) !== JSON.stringify(state)) return; // another publisher, or another topic
    for (const { processId, payload } of before) {
      if (processId !== state.publisher_pid) continue; // somebody else's
      const event = JSON.parse(payload);
      // something else has happened, or no key tells which row it is: read anew
      if (event.action !== 'rollup' || event.row === undefined || event.key_varies || event.json_null) return;
      const key = JSON.stringify(event.key);
      if (event.row === null) copy.delete(key); else copy.set(key, event.row);
    }
    if (before.length > 0) show(copy);
  }
}

(async () => {
  for (;;) {
    const client = new Client({ connectionString });
    await follow(client).catch((error) => console.error(`begins anew: ${error.message}`) || sleep(1000));
    await client.end().catch(() => {});
  }
})();
