#!/usr/bin/env python3
"""rollup_copy.py: keeps a dictionary equal to a rollup, over restarts of the server and lost connections.
    python3 rollup_copy.py 'dbname=mydb' class_attendance class_id

The rollup needs a topic with notify => 'row'. The columns after its name tell its rows apart: numbers, texts or dates.
Prints the dictionary each time it has changed. Needs python3-psycopg2. doc/wire-format.md says why each step is there.
"""
import contextlib
import json
import select
import sys
import time
import psycopg2

STATE = """SELECT s.publisher_pid, s.publisher_since, t.channel, t.created
    FROM gymstream.status s LEFT JOIN gymstream.topics t ON t.relation = to_regclass(%s)"""


def ask(connection, sql, *arguments):
    with connection.cursor() as cursor:
        cursor.execute(sql, arguments)
        return cursor.fetchall() if cursor.description else None


def follow(connection, rollup, columns, show):
    """Returns when the copy must be made anew; raises an error when the connection is lost."""
    state = ask(connection, STATE, rollup)[0]  # who publishes, before LISTEN
    if state[2] is None:
        raise psycopg2.OperationalError(f"{rollup} has no topic")
    ask(connection, 'LISTEN "%s"' % state[2].replace('"', '""'))  # LISTEN before reading
    rows = ask(connection, f"SELECT to_jsonb(r) FROM {rollup} r")
    copy = {tuple(row[c] for c in columns): row for row, in rows}
    show(copy)
    while True:
        if not connection.notifies:
            select.select([connection], [], [], 5)  # silence is no proof: ask now and then
            connection.poll()
        told = connection.notifies[:]
        connection.notifies.clear()
        if ask(connection, STATE, rollup)[0] != state:  # another publisher, or another topic
            return
        for event in (json.loads(n.payload) for n in told if n.pid == state[0]):  # not somebody else's
            if event.get("action") != "rollup" or "row" not in event:
                return  # something else has happened: read anew
            key = tuple(event["key"][c] for c in columns)
            copy.pop(key, None) if event["row"] is None else copy.update({key: event["row"]})
        if told:
            show(copy)


dsn, relation, *key_columns = sys.argv[1:]
while True:
    try:
        with contextlib.closing(psycopg2.connect(dsn)) as server:
            server.autocommit = True  # each SELECT sees what is committed
            follow(server, relation, key_columns, lambda copy: print(json.dumps([*copy.values()]), flush=True))
    except psycopg2.Error as error:
        print(f"begins anew: {error}", file=sys.stderr, flush=True)
        time.sleep(1)
