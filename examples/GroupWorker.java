// GroupWorker.java: a worker of a consumer group whose effect is in the same database: each event counts once.
//
//    java -cp /usr/share/java/postgresql.jar GroupWorker.java 'jdbc:postgresql://localhost/mydb?user=me' loyalty
//
// Gives members a point for each booking. Start as many as you like, and kill any of them: the commit that has the points
// is the commit that acks the events. The topic's key should be member_id: then no two workers have the same member.
// Needs the JDBC driver of PostgreSQL.
import java.sql.*;

public class GroupWorker {
    static final String POLL = "SELECT (event->'new'->>'member_id')::int FROM gymstream.poll_group(?, 100)";
    static final String POINT = "INSERT INTO points VALUES (?, 1)"
        + " ON CONFLICT (member_id) DO UPDATE SET points = points.points + 1";

    static void work(Connection server, String group) throws SQLException {
        try (PreparedStatement poll = server.prepareStatement(POLL);
             PreparedStatement point = server.prepareStatement(POINT);
             PreparedStatement wait = server.prepareStatement("CALL gymstream.wait_group(?, '1 minute')")) {
            for (;;) {
                int count = 0;
                server.setAutoCommit(false);
                poll.setString(1, group);
                for (ResultSet events = poll.executeQuery(); events.next(); count++) {
                    point.setInt(1, events.getInt(1));
                    point.addBatch();
                }
                point.executeBatch();
                server.commit();
                if (count > 0) continue;
                server.setAutoCommit(true);
                wait.setString(1, group);
                wait.execute(); // holds no snapshot
            }
        }
    }

    public static void main(String[] args) throws InterruptedException {
        for (;; Thread.sleep(1000)) {
            try (Connection server = DriverManager.getConnection(args[0])) {
                work(server, args[1]);
            } catch (SQLException error) {
                System.err.println("begins anew: " + error.getMessage());
            }
        }
    }
}
