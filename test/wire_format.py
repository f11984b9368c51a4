"""wire_format.py SCHEMA FILE...: is each whole line of the files as the JSON Schema says? Prints the first that is not."""

import json
import sys

import jsonschema


def main():
	with open(sys.argv[1], encoding='utf-8') as file:
		schema = json.load(file)
	jsonschema.Draft7Validator.check_schema(schema)
	validator = jsonschema.Draft7Validator(schema)
	count = 0
	for name in sys.argv[2:]:
		with open(name, 'rb') as file:
			for line in file:
				# a reader that was killed leaves a part of one
				if not line.endswith(b'\n'):
					break
				event = json.loads(line.decode('utf-8'))
				error = jsonschema.exceptions.best_match(validator.iter_errors(event))
				if error is not None:
					sys.exit(f'{name}: {error.message} in {line[:300]!r}')
				count += 1
	print(count)


main()
