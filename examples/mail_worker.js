#!/usr/bin/env node
// mail_worker.js: a worker of a consumer group whose effect is outside of the database, such as a mail.
//
//    node mail_worker.js postgresql:///mydb mail outbox
//
// No database can take a mail back: a worker that is killed between the mail and the commit has not acked, and another one
// sends it again. So each mail goes out at least once, with the event's position as its idempotency key: the same event
// has the same position, and the mail service drops what it has seen. Needs the package pg.
'use strict';
const fs = require('fs');
const { Client } = require('pg');

const [connectionString, group, outbox] = process.argv.slice(2);
const POLL = `SELECT position::text, topic::text, event->'new'->>'member_id' AS member
    FROM gymstream.poll_group($1, 1)`;
const RELEASE = 'SELECT gymstream.release_event($1, $2::regclass, $3)';

// Instead of a mail service: Idempotency-Key: key
const send = async (key, member) => fs.promises.appendFile(outbox, `${key} ${member}\n`);

async function work(client) {
  client.on('error', () => {}); // the next query fails
  await client.connect();
  for (;;) {
    await client.query('BEGIN');
    const { rows: [event] } = await client.query(POLL, [group]);
    if (event) {
      await send(`${event.topic}/${event.position}`, event.member).catch((error) => {
        console.error(`not sent: ${error.message}`); // later again; after the group's max_attempts it is a dead letter
        return client.query(RELEASE, [group, event.topic, event.position]);
      });
    }
    await client.query('COMMIT');
    if (!event) await client.query("CALL gymstream.wait_group($1, '1 minute')", [group]);
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
