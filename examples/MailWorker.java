// MailWorker.java: a worker of a consumer group whose effect is outside of the database, such as a mail.
//
//    java -cp /usr/share/java/postgresql.jar MailWorker.java 'jdbc:postgresql://localhost/mydb?user=me' mail outbox
//
// No database can take a mail back: a worker that is killed between the mail and the commit has not acked, and another one
// sends it again. So each mail goes out at least once, with the event's position as its idempotency key: the same event
// has the same position, and the mail service drops what it has seen. Needs the JDBC driver of PostgreSQL.
import java.io.IOException;
import java.nio.file.*;
import java.sql.*;

public class MailWorker {
    static final String POLL = "SELECT position::text, topic::text, event->'new'->>'member_id'"
        + " FROM gymstream.poll_group(?, 1)";
    static final String RELEASE = "SELECT gymstream.release_event(?, ?::regclass, ?::gymstream.position)";

    /** Instead of a mail service: Idempotency-Key: key */
    static void send(Path outbox, String key, String member) throws IOException {
        Files.writeString(outbox, key + " " + member + "\n", StandardOpenOption.CREATE, StandardOpenOption.APPEND);
    }

    static ResultSet run(Connection server, String sql, String... values) throws SQLException {
        PreparedStatement statement = server.prepareStatement(sql);
        statement.closeOnCompletion();
        for (int i = 0; i < values.length; i++) statement.setString(i + 1, values[i]);
        if (statement.execute()) return statement.getResultSet();
        statement.close();
        return null;
    }

    static void work(Connection server, String group, Path outbox) throws SQLException {
        for (;;) {
            server.setAutoCommit(false);
            boolean any;
            try (ResultSet event = run(server, POLL, group)) {
                any = event.next();
                if (any) try {
                    send(outbox, event.getString(2) + "/" + event.getString(1), event.getString(3));
                } catch (IOException error) { // later again; after the group's max_attempts it is a dead letter
                    System.err.println("not sent: " + error);
                    run(server, RELEASE, group, event.getString(2), event.getString(1)).close();
                }
            }
            server.commit();
            server.setAutoCommit(true);
            if (!any) run(server, "CALL gymstream.wait_group(?, '1 minute')", group);
        }
    }

    public static void main(String[] args) throws InterruptedException {
        for (;; Thread.sleep(1000)) {
            try (Connection server = DriverManager.getConnection(args[0])) {
                work(server, args[1], Path.of(args[2]));
            } catch (SQLException error) {
                System.err.println("begins anew: " + error.getMessage());
            }
        }
    }
}
