#!/usr/bin/env python3
"""group_worker.py: a worker of a consumer group whose effect is in the same database: each event counts once.
    python3 group_worker.py 'dbname=mydb' loyalty

Gives members a point for each booking. Start as many as you like, and kill any of them: the commit that has the points is
the commit that acks the events. The topic's key should be member_id: then no two workers have the same member.
Needs python3-psycopg2.
"""
import contextlib
import sys
import time
import psycopg2

POLL = "SELECT (event->'new'->>'member_id')::int FROM gymstream.poll_group(%s, 100)"
POINT = "INSERT INTO points VALUES (%s, 1) ON CONFLICT (member_id) DO UPDATE SET points = points.points + 1"


def work(connection, group):
    cursor = connection.cursor()
    while True:
        cursor.execute("BEGIN")
        cursor.execute(POLL, (group,))
        members = cursor.fetchall()
        for member in members:
            cursor.execute(POINT, member)
        cursor.execute("COMMIT")
        if not members:
            cursor.execute("CALL gymstream.wait_group(%s, '1 minute')", (group,))  # holds no snapshot


dsn, name = sys.argv[1:]
while True:
    try:
        with contextlib.closing(psycopg2.connect(dsn)) as server:
            server.autocommit = True  # BEGIN and COMMIT are ours
            work(server, name)
    except psycopg2.Error as error:
        print(f"begins anew: {error}", file=sys.stderr, flush=True)
        time.sleep(1)
