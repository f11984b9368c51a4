// mail_worker.go: a worker of a consumer group whose effect is outside of the database, such as a mail.
//
//	go run mail_worker.go 'dbname=mydb' mail outbox
//
// A worker that is killed between the mail and the commit has not acked, and another one sends the mail again. So it goes
// out at least once, with the event's position as its idempotency key: the mail service drops what it has seen. Needs pgx 4.
package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/jackc/pgx/v4"
)

const poll = `SELECT position::text, topic::text, event->'new'->>'member_id' FROM gymstream.poll_group($1, 1)`
const release = `SELECT gymstream.release_event($1, $2::text::regclass, $3::text::gymstream.position)`

// Instead of a mail service: Idempotency-Key: key
func send(outbox, key, member string) error {
	file, err := os.OpenFile(outbox, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o666)
	if err == nil {
		_, err = fmt.Fprintf(file, "%s %s\n", key, member)
		file.Close()
	}
	return err
}

func work(ctx context.Context, dsn, group, outbox string) error {
	var position, topic, member string
	server, err := pgx.Connect(ctx, dsn)
	if err != nil {
		return err
	}
	defer server.Close(ctx)
	for err == nil {
		var tx pgx.Tx
		if tx, err = server.Begin(ctx); err != nil {
			break
		}
		empty := tx.QueryRow(ctx, poll, group).Scan(&position, &topic, &member)
		if empty == nil && send(outbox, topic+"/"+position, member) != nil {
			tx.Exec(ctx, release, group, topic, position) // later again; after max_attempts it is a dead letter
		}
		if err = tx.Commit(ctx); err == nil && empty != nil {
			_, err = server.Exec(ctx, "CALL gymstream.wait_group($1, '1 minute')", group)
		}
	}
	return err
}

func main() {
	for ; ; time.Sleep(time.Second) {
		fmt.Fprintln(os.Stderr, "begins anew:", work(context.Background(), os.Args[1], os.Args[2], os.Args[3]))
	}
}
