#!/usr/bin/env python3
"""follow_topic.py: reads what a topic has stored, after a bookmark, and goes on with what comes.
    python3 follow_topic.py 'dbname=mydb' booking bookmark

Prints each event in the order of the commits. Whatever is killed, none is missing; the last ones may come again, with the
same position. Needs python3-psycopg2, and SELECT on the table.
"""
import contextlib
import os
import select
import sys
import time
import psycopg2

READ = "SELECT position::text, event::text FROM gymstream.read_topic(%s::regclass, %s::gymstream.position)"
CHANNEL = "SELECT format('LISTEN %%I', channel) FROM gymstream.topics WHERE relation = %s::regclass"


def load(file):
    with contextlib.suppress(FileNotFoundError), open(file) as bookmark:
        return bookmark.read()


def save(file, position):
    with open(file + ".new", "w") as bookmark:
        bookmark.write(position)
        bookmark.flush()
        os.fsync(bookmark.fileno())
    os.replace(file + ".new", file)


def follow(connection, topic, file):
    cursor = connection.cursor()
    cursor.execute(CHANNEL, (topic,))
    cursor.execute(*cursor.fetchone())  # LISTEN before reading: what is stored later wakes us
    while True:
        cursor.execute(READ, (topic, load(file)))
        events = cursor.fetchall()
        for position, event in events:
            print(position, event, flush=True)
        if events:
            save(file, events[-1][0])
            continue
        select.select([connection], [], [], 5)  # who sent a notification does not matter: the log is the truth
        connection.poll()
        connection.notifies.clear()


dsn, relation, bookmark_file = sys.argv[1:]
while True:
    try:
        with contextlib.closing(psycopg2.connect(dsn)) as server:
            server.autocommit = True
            follow(server, relation, bookmark_file)
    except psycopg2.Error as error:
        print(f"begins anew: {error}", file=sys.stderr, flush=True)
        if error.pgcode in ("GS001", "GS002"):  # the log no longer has what came next: go on with what it has
            os.remove(bookmark_file)
        time.sleep(1)
