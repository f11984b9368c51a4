import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.debezium.serde.DebeziumSerdes;
import io.debezium.transforms.ExtractNewRecordState;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Collectors;
import org.apache.flink.formats.common.TimestampFormat;
import org.apache.flink.formats.json.debezium.DebeziumJsonDeserializationSchema;
import org.apache.flink.table.api.DataTypes;
import org.apache.flink.table.data.RowData;
import org.apache.flink.table.runtime.typeutils.InternalTypeInfo;
import org.apache.flink.table.types.DataType;
import org.apache.flink.types.RowKind;
import org.apache.flink.util.Collector;
import org.apache.kafka.common.serialization.Serde;
import org.apache.kafka.connect.data.SchemaAndValue;
import org.apache.kafka.connect.data.Struct;
import org.apache.kafka.connect.json.JsonConverter;
import org.apache.kafka.connect.source.SourceRecord;

/**
 * Takes a directory with what Compare takes, and the rows of the table "kept"; gives the lines unchanged to readers that
 * are made for Debezium. Fails where a row of any event differs from that of Debezium's own line, or a table made from
 * all events from the one that was decoded.
 */
public class Consume {
	static final ObjectMapper mapper = new ObjectMapper();
	static boolean failed = false;

	static void check(boolean right, String what) {
		System.out.println((right ? "ok - " : "not ok - ") + what);
		failed |= !right;
	}

	static String row(Object... values) {
		return List.of(values).stream().map(String::valueOf).collect(Collectors.joining("|"));
	}

	static boolean isKept(JsonNode event) {
		return event.findPath("source").path("table").asText().equals("kept");
	}

	/* Kafka Connect: the converter, and the transformation that leaves of an event its row; null for what is none */
	static Struct unwrap(JsonConverter converter, ExtractNewRecordState<SourceRecord> transform, String line) {
		SchemaAndValue value = converter.toConnectData("topic", line.getBytes(StandardCharsets.UTF_8));
		SourceRecord record = new SourceRecord(Map.of(), Map.of(), "topic", null, null, value.schema(), value.value());
		SourceRecord result = transform.apply(record);
		if (result == null || !value.schema().name().endsWith(".Envelope"))
			return null;
		return (Struct) result.value();
	}

	static void connect(Path directory, String mode, List<String> kept) throws Exception {
		ExtractNewRecordState<SourceRecord> transform = new ExtractNewRecordState<>();
		transform.configure(Map.of("delete.tombstone.handling.mode", "rewrite", "replace.null.with.default", false));
		JsonConverter converter = Record.converter(true), plain = Record.converter(false);
		List<String> theirs = Files.readAllLines(directory.resolve("theirs." + mode + ".schema"));
		List<String> ours = Files.readAllLines(directory.resolve("ours." + mode + ".schema"));
		TreeMap<Integer, String> table = new TreeMap<>();
		int rows = 0;
		Compare.unknown = 0;
		for (int i = 0; i < ours.size(); i++) {
			JsonNode event = mapper.readTree(ours.get(i));
			Struct a = unwrap(converter, transform, theirs.get(i)), b = unwrap(converter, transform, ours.get(i));
			if ((a == null) != (b == null))
				check(false, "line " + (i + 1) + " has a row");
			if (a == null || b == null)
				continue;
			String name = Compare.name(event);
			Compare.compare(name + (name.startsWith("d") ? " /before" : " /after"), mapper.readTree(plain.fromConnectData("topic", a.schema(), a)),
				mapper.readTree(plain.fromConnectData("topic", b.schema(), b)));
			rows++;
			if (!isKept(event))
				continue;
			if (b.get("__deleted").equals("true"))
				table.remove(b.getInt32("id"));
			else
				table.put(b.getInt32("id"), row(b.get("id"), b.get("name"), String.valueOf(b.get("n")), b.get("f"), String.valueOf(b.get("b"))));
		}
		check(rows > 100 && Compare.unknown == 0, mode + ": ExtractNewRecordState gives the same " + rows + " rows");
		if (!mode.equals("double"))
			check(new ArrayList<>(table.values()).equals(kept), mode + ": they make the table");
	}

	public static class Kept {
		public int id;
		public String name, n;
		public double f;
		public Boolean b;
	}

	/* Kafka Streams: Debezium's deserializer of one side of an event */
	static void streams(Path directory, boolean schemas, List<String> kept) throws Exception {
		Serde<Kept> before = DebeziumSerdes.payloadJson(Kept.class), after = DebeziumSerdes.payloadJson(Kept.class);
		before.configure(Map.of("from.field", "before"), false);
		after.configure(Map.of("from.field", "after"), false);
		TreeMap<Integer, String> table = new TreeMap<>();
		for (String line : Files.readAllLines(directory.resolve(schemas ? "ours.string.schema" : "ours.string.plain"))) {
			if (!isKept(mapper.readTree(line)))
				continue;
			Kept old = before.deserializer().deserialize("topic", line.getBytes(StandardCharsets.UTF_8));
			Kept row = after.deserializer().deserialize("topic", line.getBytes(StandardCharsets.UTF_8));
			if (old != null)
				failed |= table.remove(old.id) == null;
			if (row != null)
				table.put(row.id, row(row.id, row.name, String.valueOf(row.n), row.f, String.valueOf(row.b)));
		}
		check(new ArrayList<>(table.values()).equals(kept), "Debezium's deserializer makes the table, " + (schemas ? "with" : "without") + " schemas");
	}

	/* Flink: what "format" = "debezium-json" reads */
	static void flink(Path directory, boolean schemas, List<String> kept) throws Exception {
		DataType type = DataTypes.ROW(DataTypes.FIELD("id", DataTypes.INT()), DataTypes.FIELD("name", DataTypes.STRING()),
			DataTypes.FIELD("n", DataTypes.DECIMAL(10, 2)), DataTypes.FIELD("f", DataTypes.DOUBLE()), DataTypes.FIELD("b", DataTypes.BOOLEAN())).notNull();
		DebeziumJsonDeserializationSchema schema = new DebeziumJsonDeserializationSchema(type, List.of(),
			InternalTypeInfo.of(type.getLogicalType()), schemas, false, TimestampFormat.SQL);
		schema.open(null);
		List<String> table = new ArrayList<>();
		for (String line : Files.readAllLines(directory.resolve(schemas ? "ours.string.schema" : "ours.string.plain"))) {
			if (!isKept(mapper.readTree(line)))
				continue;
			schema.deserialize(line.getBytes(StandardCharsets.UTF_8), new Collector<RowData>() {
				public void collect(RowData r) {
					String row = row(r.getInt(0), r.getString(1), r.isNullAt(2) ? "null" : r.getDecimal(2, 10, 2), r.getDouble(3), r.isNullAt(4) ? "null" : r.getBoolean(4));
					if (r.getRowKind() == RowKind.INSERT || r.getRowKind() == RowKind.UPDATE_AFTER)
						table.add(row);
					else if (!table.remove(row))
						check(false, r.getRowKind() + " of a row that is there: " + row);
				}
				public void close() { }
			});
		}
		table.sort((a, b) -> Integer.parseInt(a.split("\\|")[0]) - Integer.parseInt(b.split("\\|")[0]));
		check(table.equals(kept), "Flink makes the table, " + (schemas ? "with" : "without") + " schemas");
	}

	public static void main(String[] args) throws Exception {
		Path directory = Path.of(args[0]);
		List<String> kept = Files.readAllLines(directory.resolve("kept"));
		check(kept.size() > 10, "rows are there");
		for (String mode : new String[] {"precise", "string", "double"})
			connect(directory, mode, kept);
		streams(directory, false, kept);
		streams(directory, true, kept);
		flink(directory, false, kept);
		flink(directory, true, kept);
		System.exit(failed ? 1 : 0);
	}
}
