#!/usr/bin/env node
// group_worker.js: a worker of a consumer group whose effect is in the same database: each event counts once.
//
//    node group_worker.js postgresql:///mydb loyalty
//
// Gives members a point for each booking. Start as many as you like, and kill any of them: the commit that has the points
// is the commit that acks the events. The topic's key should be member_id: then no two workers have the same member.
// Needs the package pg.
'use strict';
const { Client } = require('pg');

const [connectionString, group] = process.argv.slice(2);
const POLL = "SELECT (event->'new'->>'member_id')::int AS member FROM gymstream.poll_group($1, 100)";
const POINT = 'INSERT INTO points VALUES ($1, 1) ON CONFLICT (member_id) DO UPDATE SET points = points.points + 1';

async function work(client) {
  client.on('error', () => {}); // the next query fails
  await client.connect();
  for (;;) {
    await client.query('BEGIN');
    const { rows } = await client.query(POLL, [group]);
    for (const { member } of rows) await client.query(POINT, [member]);
    await client.query('COMMIT');
    if (rows.length === 0) await client.query("CALL gymstream.wait_group($1, '1 minute')", [group]); // holds no snapshot
  }
}

(async () => {
  for (;;) {
    const client = new Client({ connectionString });
    await work(client).catch((error) => console.error(`begins anew: ${error.message}`));
    await client.end().catch(() => {});
    await new Promise((resolve) => setTimeout(resolve, 1000));
  }
})();
