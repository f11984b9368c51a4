// follow_topic.go: reads what a topic has stored, after a bookmark, and goes on with what comes.
//
//	go run follow_topic.go 'dbname=mydb' booking bookmark
//
// Prints events in the order of the commits: none is missing, the last may come again, as they were. Needs pgx 4, and SELECT.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/jackc/pgconn"
	"github.com/jackc/pgx/v4"
)

const read = `SELECT position::text, event::text FROM gymstream.read_topic($1::text::regclass, nullif($2, '')::gymstream.position)`
const channel = `SELECT format('LISTEN %I', channel) FROM gymstream.topics WHERE relation = $1::text::regclass`

func follow(ctx context.Context, dsn, topic, file string) error {
	var listen, position, event string
	server, err := pgx.Connect(ctx, dsn)
	if err != nil {
		return err
	}
	defer server.Close(ctx)
	if err = server.QueryRow(ctx, channel, topic).Scan(&listen); err == nil {
		_, err = server.Exec(ctx, listen) // LISTEN before reading: what is stored later wakes us
	}
	for err == nil {
		bookmark, _ := os.ReadFile(file)
		tag, failed := server.QueryFunc(ctx, read, []interface{}{topic, string(bookmark)}, []interface{}{&position, &event},
			func(pgx.QueryFuncRow) error { _, err := fmt.Println(position, event); return err })
		if err = failed; err == nil && tag.RowsAffected() > 0 {
			if err = os.WriteFile(file+".new", []byte(position), 0o666); err == nil {
				err = os.Rename(file+".new", file)
			}
		} else if err == nil { // who sent a notification does not matter: the log is the truth
			wait, stop := context.WithTimeout(ctx, 5*time.Second)
			_, err = server.WaitForNotification(wait)
			if stop(); pgconn.Timeout(err) {
				err = nil
			}
		}
	}
	return err
}

func main() {
	for gone := (*pgconn.PgError)(nil); ; time.Sleep(time.Second) {
		err := follow(context.Background(), os.Args[1], os.Args[2], os.Args[3])
		fmt.Fprintln(os.Stderr, "begins anew:", err)
		if errors.As(err, &gone) && (gone.Code == "GS001" || gone.Code == "GS002") {
			os.Remove(os.Args[3]) // the log no longer has what came next: go on with what it has
		}
	}
}
