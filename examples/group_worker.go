// group_worker.go: a worker of a consumer group whose effect is in the same database: each event counts once.
//
//	go run group_worker.go 'dbname=mydb' loyalty
//
// Gives members a point for each booking. Start as many as you like, and kill any of them: the commit that has the points
// is the commit that acks the events. The topic's key should be member_id: then no two workers have the same member.
// Needs pgx 4.
package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/jackc/pgx/v4"
)

const poll = `SELECT (event->'new'->>'member_id')::int FROM gymstream.poll_group($1, 100)`
const point = `INSERT INTO points VALUES ($1, 1) ON CONFLICT (member_id) DO UPDATE SET points = points.points + 1`

func work(ctx context.Context, dsn, group string) error {
	server, err := pgx.Connect(ctx, dsn)
	if err != nil {
		return err
	}
	defer server.Close(ctx)
	for err == nil {
		var members []int
		err = server.BeginFunc(ctx, func(tx pgx.Tx) error {
			var member int
			_, err := tx.QueryFunc(ctx, poll, []interface{}{group}, []interface{}{&member},
				func(pgx.QueryFuncRow) error { members = append(members, member); return nil })
			for i := 0; err == nil && i < len(members); i++ {
				_, err = tx.Exec(ctx, point, members[i])
			}
			return err // nil: commit
		})
		if err == nil && len(members) == 0 {
			_, err = server.Exec(ctx, "CALL gymstream.wait_group($1, '1 minute')", group) // holds no snapshot
		}
	}
	return err
}

func main() {
	for ; ; time.Sleep(time.Second) {
		err := work(context.Background(), os.Args[1], os.Args[2])
		fmt.Fprintln(os.Stderr, "begins anew:", err)
	}
}
