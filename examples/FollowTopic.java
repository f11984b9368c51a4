// FollowTopic.java: reads what a topic has stored, after a bookmark, and goes on with what comes.
//
//    java -cp /usr/share/java/postgresql.jar FollowTopic.java 'jdbc:postgresql://localhost/mydb?user=me' booking bookmark
//
// Prints each event in the order of the commits. Whatever is killed, none is missing; the last ones may come again, with
// the same position. Needs the JDBC driver of PostgreSQL, and SELECT on the table.
import java.nio.file.*;
import java.sql.*;
import org.postgresql.PGConnection;

public class FollowTopic {
    static final String READ = "SELECT position::text, event::text"
        + " FROM gymstream.read_topic(?::regclass, ?::gymstream.position)";
    static final String CHANNEL = "SELECT format('LISTEN %I', channel) FROM gymstream.topics WHERE relation = ?::regclass";

    static void save(Path file, String position) throws Exception {
        Path next = Path.of(file + ".new");
        Files.writeString(next, position, StandardOpenOption.CREATE, StandardOpenOption.TRUNCATE_EXISTING,
            StandardOpenOption.WRITE, StandardOpenOption.SYNC);
        Files.move(next, file, StandardCopyOption.ATOMIC_MOVE);
    }

    static void follow(Connection server, String topic, Path file) throws Exception {
        try (PreparedStatement channel = server.prepareStatement(CHANNEL);
             PreparedStatement read = server.prepareStatement(READ);
             Statement listen = server.createStatement()) {
            channel.setString(1, topic);
            ResultSet found = channel.executeQuery();
            found.next();
            listen.execute(found.getString(1)); // LISTEN before reading: what is stored later wakes us
            for (;;) {
                String last = null;
                read.setString(1, topic);
                read.setString(2, Files.exists(file) ? Files.readString(file) : null);
                for (ResultSet events = read.executeQuery(); events.next(); last = events.getString(1))
                    System.out.println(events.getString(1) + " " + events.getString(2));
                System.out.flush();
                if (last != null) save(file, last);
                // who sent a notification does not matter: the log is the truth
                else server.unwrap(PGConnection.class).getNotifications(5000);
            }
        }
    }

    public static void main(String[] args) throws Exception {
        for (;; Thread.sleep(1000)) {
            try (Connection server = DriverManager.getConnection(args[0])) {
                follow(server, args[1], Path.of(args[2]));
            } catch (SQLException error) {
                System.err.println("begins anew: " + error.getMessage());
                if ("GS001".equals(error.getSQLState()) || "GS002".equals(error.getSQLState()))
                    Files.delete(Path.of(args[2])); // the log no longer has what came next: go on with what it has
            }
        }
    }
}
