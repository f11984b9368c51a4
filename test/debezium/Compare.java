import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.MissingNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import java.util.regex.Pattern;

/**
 * Takes a directory with theirs.MODE.FORM and ours.MODE.FORM and compares line by line, member by member. Fails for each
 * difference that doc/wire-format.md does not tell, which KNOWN has as a pattern of "op schema.table /path".
 */
public class Compare {
	static final String LEFT_OUT = "toasted_types /po|texts /(tq|p)|shapes /(l|s|b|pa|po|c)|nets /(mr|pl)|arrays /(aiv|am|adom|ap)|defaults /g";
	static final String[] KNOWN = {
		"[cudt] \\S.* /(ts_ms|ts_us|ts_ns)|m \\. /ts_ms", "when it was sent",
		".* /source/version", "the version of whoever sends",
		".* /source/snapshot", "null is the schema's default, false",
		"(BEGIN|END) /id|.* /transaction/id", "the same position for all of a transaction",
		"m \\. /source/ts_(ms|us|ns)", "a message of no transaction has no time of its own",
		"[cm] .* /source/sequence", "the position before, behind a message of no transaction",
		"d .* /before/\\w+", "what is NOT NULL and not in the old row",
		".* /schema/(before|after)/\\w+/(optional|default)", "all columns are optional, without defaults",
		".* /schema/(before|after)/(Col 1|ae/items)/optional", "likewise, and an array of enums may have nulls",
		".* public\\.(" + LEFT_OUT.replace("/", "/(schema/)?(before/|after/)") + ")", "types that are left out, and what is generated",
		".* public.numbers /(schema/)?(before|after)/n3(/.*)?", "a numeric of a negative scale",
		"c public.(numbers|special) /after/n/(scale|value)", "zeros at the end of a numeric without a scale",
		"c public.texts /after/n", "name is null there",
		"c public.times /after/iv", "a microsecond is lost there",
		"c public.far_times /after/d", "infinite dates",
		".* public.arrays /(schema/)?(before/|after/)?abit(/.*)?", "bit[] is bit there",
		"c public.arrays /after/ai/\\d", "several dimensions"};
	static final ObjectMapper mapper = new ObjectMapper();
	static final Set<String> unused = new LinkedHashSet<>();
	static int unknown = 0, known = 0;

	static void differ(String where, JsonNode theirs, JsonNode ours) {
		for (int i = 0; i < KNOWN.length; i += 2)
			if (Pattern.matches(KNOWN[i], where)) {
				known++;
				unused.remove(KNOWN[i]);
				return;
			}
		if (unknown++ < 50)
			System.out.printf("%s%n  theirs %.200s%n  ours   %.200s%n", where, theirs, ours);
	}

	/* fields of a schema by their name, so that a missing one is one difference */
	static JsonNode byName(JsonNode node) {
		if (!node.isArray() || node.isEmpty() || !node.get(0).has("field"))
			return node;
		ObjectNode fields = mapper.createObjectNode();
		for (JsonNode field : node)
			fields.set(field.get("field").asText(), field);
		return fields;
	}

	static void compare(String where, JsonNode theirs, JsonNode ours) throws Exception {
		theirs = byName(theirs);
		ours = byName(ours);
		if (where.endsWith("/h") && theirs.isTextual() && ours.isTextual()) {
			theirs = mapper.readTree(theirs.asText());
			ours = mapper.readTree(ours.asText());
		}
		if (theirs.isObject() && ours.isObject()) {
			Set<String> names = new LinkedHashSet<>();
			theirs.fieldNames().forEachRemaining(names::add);
			ours.fieldNames().forEachRemaining(names::add);
			for (String name : names)
				compare(name.equals("fields") || name.equals("payload") ? where : where + "/" + name, theirs.path(name), ours.path(name));
		} else if (theirs.isArray() && ours.isArray()) {
			for (int i = 0; i < Math.max(theirs.size(), ours.size()); i++)
				compare(where + "/" + i, theirs.path(i), ours.path(i));
		} else if (!theirs.equals(ours))
			differ(where, theirs, ours);
	}

	static List<JsonNode> read(Path file) throws Exception {
		List<JsonNode> events = new ArrayList<>();
		for (String line : Files.readAllLines(file)) {
			JsonNode event = mapper.readTree(line);
			/* there the counts of messages bear the name of an object of Java's */
			JsonNode counts = event.path("payload").isMissingNode() ? event.path("data_collections") : event.path("payload").path("data_collections");
			for (int i = counts.size() - 1; i >= 0; i--)
				if (counts.get(i).path("data_collection").asText().contains("LogicalDecodingMessage"))
					((ArrayNode) counts).remove(i);
			events.add(event);
		}
		return events;
	}

	static String name(JsonNode event) {
		JsonNode payload = event.has("payload") ? event.get("payload") : event;
		return payload.has("status") ? payload.get("status").asText() : payload.path("op").asText() + " " +
			payload.at("/source/schema").asText() + "." + payload.at("/source/table").asText();
	}

	public static void main(String[] args) throws Exception {
		int lines = 0;
		for (int i = 0; i < KNOWN.length; i += 2)
			unused.add(KNOWN[i]);
		for (String mode : new String[] {"precise", "string", "double"})
			for (String form : new String[] {"plain", "schema"}) {
				List<JsonNode> theirs = read(Path.of(args[0], "theirs." + mode + "." + form));
				List<JsonNode> ours = read(Path.of(args[0], "ours." + mode + "." + form));
				/* the transaction of the table "last" began there */
				for (int i = 0; i < theirs.size() - 1 || i < ours.size(); i++, lines++) {
					JsonNode a = i < theirs.size() ? theirs.get(i) : MissingNode.getInstance();
					JsonNode b = i < ours.size() ? ours.get(i) : MissingNode.getInstance();
					if (!name(a).equals(name(b))) {
						System.out.printf("%s.%s line %d: theirs %s, ours %s%n", mode, form, i + 1, name(a), name(b));
						System.exit(1);
					}
					compare(name(a) + " ", a, b);
				}
			}
		unused.forEach(pattern -> System.out.println("no such difference: " + pattern));
		System.out.printf("%d lines, %d differences that are known, %d that are not%n", lines, known, unknown);
		System.exit(unknown == 0 && unused.isEmpty() && lines > 1000 ? 0 : 1);
	}
}
