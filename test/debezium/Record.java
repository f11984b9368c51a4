import io.debezium.embedded.Connect;
import io.debezium.engine.ChangeEvent;
import io.debezium.engine.DebeziumEngine;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import org.apache.kafka.connect.json.JsonConverter;
import org.apache.kafka.connect.source.SourceRecord;

/**
 * Takes a port, a directory and the modes of decimals, and gives what Debezium's connector sends for each mode, up to
 * the first event of the table "last": directory/theirs.MODE.plain and .schema, a value a line.
 */
public class Record {
	static JsonConverter converter(boolean schemas) {
		JsonConverter converter = new JsonConverter();
		converter.configure(Map.of("schemas.enable", schemas, "replace.null.with.default", false), false);
		return converter;
	}

	static Thread start(String port, Path directory, String mode) throws Exception {
		Properties p = new Properties();
		p.putAll(Map.ofEntries(Map.entry("name", mode), Map.entry("connector.class", "io.debezium.connector.postgresql.PostgresConnector"),
			Map.entry("offset.storage", "org.apache.kafka.connect.storage.MemoryOffsetBackingStore"), Map.entry("plugin.name", "pgoutput"),
			Map.entry("database.hostname", "127.0.0.1"), Map.entry("database.port", port), Map.entry("database.user", "postgres"),
			Map.entry("database.password", "none"), Map.entry("database.dbname", "postgres"), Map.entry("topic.prefix", "gymstream"),
			Map.entry("slot.name", mode), Map.entry("publication.name", "proof"), Map.entry("snapshot.mode", "no_data"),
			Map.entry("skipped.operations", "none"), Map.entry("provide.transaction.metadata", "true"),
			Map.entry("decimal.handling.mode", mode)));
		DebeziumEngine<?>[] engine = new DebeziumEngine[1];
		JsonConverter[] converters = {converter(false), converter(true)};
		PrintStream[] files = {new PrintStream(directory.resolve("theirs." + mode + ".plain").toFile(), "UTF-8"),
			new PrintStream(directory.resolve("theirs." + mode + ".schema").toFile(), "UTF-8")};
		boolean[] over = {false};
		engine[0] = DebeziumEngine.create(Connect.class).using(p).notifying((List<ChangeEvent<SourceRecord, SourceRecord>> batch,
			DebeziumEngine.RecordCommitter<ChangeEvent<SourceRecord, SourceRecord>> committer) -> {
			for (ChangeEvent<SourceRecord, SourceRecord> event : batch) {
				SourceRecord r = event.value();
				over[0] |= r.topic().endsWith(".last");
				for (int i = 0; i < 2 && !over[0] && r.value() != null; i++)
					files[i].println(new String(converters[i].fromConnectData(r.topic(), r.valueSchema(), r.value()), StandardCharsets.UTF_8));
				committer.markProcessed(event);
			}
			committer.markBatchFinished();
			if (over[0])
				new Thread(() -> { try { engine[0].close(); } catch (Exception e) { e.printStackTrace(); } }).start();
		}).using((success, message, error) -> {
			if (!success)
				System.err.println(message + ": " + error);
		}).build();
		Thread thread = new Thread(engine[0]);
		thread.start();
		return thread;
	}

	public static void main(String[] args) throws Exception {
		Thread[] threads = new Thread[args.length - 2];
		for (int i = 2; i < args.length; i++)
			threads[i - 2] = start(args[0], Path.of(args[1]), args[i]);
		for (Thread thread : threads)
			thread.join();
		System.exit(0);
	}
}
