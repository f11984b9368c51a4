"""strict_lines.py EVENTS [EXPECTED]: does every strict parser that this machine has read each event, and the same?

Python's json always; orjson, jq and Node where they are. Each line of EXPECTED is a JSON array for an insert: name of a column,
its type, and its text as PostgreSQL prints it, null where it is NULL. Prints what differs, and the names of the parsers.
"""

import json
import shutil
import subprocess
import sys
from decimal import Decimal

failures = []


def fail(*what):
	failures.append(' '.join(str(part)[:300] for part in what))


def command(argv):
	"""A parser that reads lines and prints each as JSON again."""
	def parse(lines):
		done = subprocess.run(argv, input=b''.join(lines), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
		if done.returncode != 0:
			fail(argv[0], done.stderr.decode('utf-8', 'replace'))
			return None
		return [json.loads(line) for line in done.stdout.decode('utf-8').splitlines()]
	return parse


NODE = '''require("readline").createInterface({input: process.stdin}).on("line", line =>
	console.log(JSON.stringify(JSON.parse(line))))'''


def parsers():
	found = {'json': lambda lines: [json.loads(line.decode('utf-8')) for line in lines]}
	try:
		import orjson
		found['orjson'] = lambda lines: [orjson.loads(line) for line in lines]
	except ImportError:
		pass
	for name, argv in (('jq', ['jq', '-c', '.']), ('node', ['node', '-e', NODE])):
		if shutil.which(name):
			found[name] = command(argv)
	return found


def same(a, b):
	"""Whether two parsers mean the same; all but Python's have doubles for numbers."""
	if isinstance(a, bool) or isinstance(b, bool) or a is None or b is None or isinstance(a, str):
		return a is b or (isinstance(a, str) and a == b)
	if isinstance(a, (int, float)) and isinstance(b, (int, float)):
		a, b = float(a), float(b)
		return a == b or abs(a - b) <= 1e-14 * max(abs(a), abs(b))
	if isinstance(a, list) and isinstance(b, list):
		return len(a) == len(b) and all(map(same, a, b))
	return isinstance(a, dict) and isinstance(b, dict) and a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)


def exact(text):
	return json.loads(text, parse_int=Decimal, parse_float=Decimal)


def compare(line, column, kind, text):
	"""Whether an event shows a value as it is, by what the event says of it."""
	event = exact(line)
	value = event['new'][column]
	as_text = column in event.get('json_text', {}).get('new', [])
	is_null = column in event.get('json_null', {}).get('new', [])
	if text is None:
		ok = value is None and not as_text and not is_null
	elif as_text or kind == 'text':
		ok = value == text and (kind == 'json' or not as_text)
	elif kind == 'json':
		ok = value == exact(text) and (value is None) == is_null
	else:
		ok = isinstance(value, (Decimal, str)) and Decimal(value) == Decimal(text)
	if not ok:
		fail(column, 'is', text, 'in', line)


def main():
	with open(sys.argv[1], 'rb') as file:
		lines = file.readlines()
	expected = None
	if len(sys.argv) > 2:
		with open(sys.argv[2], encoding='utf-8') as file:
			expected = [json.loads(line) for line in file]
	names = []
	first = None
	for name, parse in parsers().items():
		try:
			events = parse(lines)
		except Exception as error:
			fail(name, repr(error))
			continue
		if events is None:
			continue
		first = first or events
		if len(events) != len(lines):
			fail(name, len(events), 'events of', len(lines), 'lines')
		for line, a, b in zip(lines, first, events):
			if not same(a, b):
				fail(name, 'reads in another way', line)
		names.append(name)
	if expected is not None:
		compare_all(lines, expected)
	print('\n'.join(failures[:10]) if failures else ' '.join(names))
	sys.exit(1 if failures else 0)


def compare_all(lines, expected):
	inserts = [line.decode('utf-8') for line in lines if line.startswith(b'{"action":"insert"')]
	if len(inserts) != len(expected):
		fail(len(inserts), 'inserts,', len(expected), 'expected')
	for line, row in zip(inserts, expected):
		compare(line, *row)


main()
