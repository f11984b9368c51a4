#!/usr/bin/env python3
"""rollup_copy.py: keeps a dictionary equal to a rollup, over restarts of the server and lost connections.
    python3 rollup_copy.py 'dbname=mydb' class_attendance

The rollup needs a topic with notify => 'row'. gymstream.event_key says by which key events name a row.
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


def follow(connection, rollup, show):
    """Returns when the copy must be made anew; raises an error when the connection is lost."""
    state = ask(connection, STATE, rollup)[0]  # who publishes, before LISTEN
    if state[2] is None:
        raise psycopg2.OperationalError(f"{rollup} has no topic")
    ask(connection, 'LISTEN "%s"' % state[2].replace('"', '""'))  # LISTEN before reading
    rows = ask(connection, f"SELECT gymstream.event_key(r.*), to_jsonb(r.*) FROM {rollup} r")
    copy = {json.dumps(key) if key else number: row for number, (key, row) in enumerate(rows)}
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
            if event.get("action") != "rollup" or "row" not in event or "key_varies" in event or "json_null" in event:
                return  # something else has happened, or no key tells which row it is: read anew
            key = json.dumps(event["key"])
            copy.pop(key, None) if event["row"] is None else copy.update({key: event["row"]})
        if told:
            show(copy)


dsn, relation = sys.argv[1:]
while True:
    try:
        with contextlib.closing(psycopg2.connect(dsn)) as server:
            server.autocommit = True  # each SELECT sees what is committed
            follow(server, relation, lambda copy: print(json.dumps([*copy.values()]), flush=True))
    except psycopg2.Error as error:
        print(f"begins anew: {error}", file=sys.stderr, flush=True)
        time.sleep(1)
