#!/usr/bin/env python3
"""mail_worker.py: a worker of a consumer group whose effect is outside of the database, such as a mail.
    python3 mail_worker.py 'dbname=mydb' mail outbox

No database can take a mail back: a worker that is killed between the mail and the commit has not acked, and another one
sends it again. So each mail goes out at least once, with the event's position as its idempotency key: the same event has
the same position, and the mail service drops what it has seen. Needs python3-psycopg2.
"""
import contextlib
import sys
import time
import psycopg2

POLL = "SELECT position::text, topic::text, event->'new'->>'member_id' FROM gymstream.poll_group(%s, 1)"


def send(key, member):
    """Instead of a mail service: Idempotency-Key: key"""
    with open(outbox, "a") as file:
        file.write(f"{key} {member}\n")


def work(connection, group):
    cursor = connection.cursor()
    while True:
        cursor.execute("BEGIN")
        cursor.execute(POLL, (group,))
        event = cursor.fetchone()
        if event:
            position, topic, member = event
            try:
                send(f"{topic}/{position}", member)
            except OSError as error:  # later again; after the group's max_attempts it is a dead letter
                print(f"not sent: {error}", file=sys.stderr, flush=True)
                cursor.execute("SELECT gymstream.release_event(%s, %s::regclass, %s)", (group, topic, position))
        cursor.execute("COMMIT")
        if not event:
            cursor.execute("CALL gymstream.wait_group(%s, '1 minute')", (group,))


dsn, name, outbox = sys.argv[1:]
while True:
    try:
        with contextlib.closing(psycopg2.connect(dsn)) as server:
            server.autocommit = True
            work(server, name)
    except psycopg2.Error as error:
        print(f"begins anew: {error}", file=sys.stderr, flush=True)
        time.sleep(1)
