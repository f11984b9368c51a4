#!/usr/bin/env python3
"""includes.py: which of our headers a source includes, and whether it should.

  test/includes.py names        files that include a header of which they use no name
  test/includes.py wings        includes that ARCHITECTURE.md's table of wings does not allow, and wings it does not know
  test/includes.py circles      modules inside a wing that include each other in a circle

Prints a line for each thing found, and nothing where all is well. A module is a header and the sources that belong to it:
NAME.h, NAME.c, NAME_*.c. Reads the sources below src/ and ARCHITECTURE.md.
"""
import os
import re
import sys

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
KEYWORDS = set('''auto bool char const double else enum extern false float for if inline int int16 int32 int64 int128 long
return short signed sizeof static struct switch true typedef uint8 uint16 uint32 uint64 union unsigned void volatile while
Size Oid Datum List'''.split())


def read(path):
    with open(os.path.join(TOP, path), encoding='utf-8') as file:
        return file.read()


def sources():
    found = []
    for folder, _, names in os.walk(os.path.join(TOP, 'src')):
        found += [os.path.relpath(os.path.join(folder, name), TOP) for name in names if name.endswith(('.c', '.h'))]
    return sorted(found)


def bare(text):
    """The code without comments and strings."""
    text = re.sub(r'/\*.*?\*/', ' ', text, flags=re.S)
    return re.sub(r'"(\\.|[^"\\\n])*"', '""', text)


def includes(text):
    """Our own headers: they are named from src/, so they have a folder that is there."""
    return [name for name in re.findall(r'^#\s*include "([^"]+)"', text, flags=re.M)
            if os.path.exists(os.path.join(TOP, 'src', name))]


def declared(text):
    """The names that a header gives: of functions, variables, types, members of enums, macros."""
    code = bare(text)
    names = set(re.findall(r'^#\s*define\s+(\w+)', code, flags=re.M))
    code = re.sub(r'^#.*?(?<!\\)$', ' ', code, flags=re.M | re.S)
    names |= set(re.findall(r'\b(?:struct|enum|union)\s+(\w+)', code))
    names |= set(re.findall(r'}\s*(\w+)\s*;', code))
    names |= set(re.findall(r'\b(\w+)\s*\(', code))
    names |= set(re.findall(r'\b(\w+)(?:\[[^]]*\])*\s*;', code))
    for body in re.findall(r'\benum\b[^{};]*{([^}]*)}', code):
        names |= set(re.findall(r'\b([A-Za-z_]\w*)\b', body))
    return {name for name in names if not name.startswith('GS_') or not name.endswith('_H')} - KEYWORDS


def unused_includes():
    headers = {}
    for path in sources():
        text = read(path)
        words = set(re.findall(r'\w+', bare(re.sub(r'^#\s*include.*$', '', text, flags=re.M))))
        for name in includes(text):
            # a module's own header comes first, whatever it declares, and that with the server's base is for all
            if name.startswith(("base/base.", "base/compat.")) or os.path.splitext(name)[0].split('/')[-1] == os.path.splitext(path)[0].split('/')[-1]:
                continue
            if name not in headers:
                headers[name] = declared(read('src/' + name))
            if not headers[name] & words:
                yield f'{path} uses no name of {name}'


def wing(path):
    """The folder of a file below src/; its door is a wing of its own."""
    return os.path.dirname(path) or 'door'


def allowed():
    """From ARCHITECTURE.md: | `wing` | what it does | `wing` `wing` ... |"""
    table = {}
    for line in read('ARCHITECTURE.md').splitlines():
        cells = [cell.strip() for cell in line.strip().strip('|').split('|')]
        if line.startswith('| `') and len(cells) == 3:
            table[cells[0].strip('`/')] = {name.strip('/') for name in re.findall(r'`([^`]+)`', cells[2])}
    return table


def wrong_wings():
    table = allowed()
    for path in sources():
        here = wing(os.path.relpath(path, 'src'))
        if here not in table:
            yield f'{path}: ARCHITECTURE.md has no wing {here}'
            continue
        for name in includes(read(path)):
            there = wing(name)
            if there != here and there not in table[here] and 'all' not in table[here]:
                yield f'{path} includes {name}: not allowed for {here}'


def module_of(path, modules):
    """NAME_part.c belongs to NAME where that has a header and NAME_part has none."""
    stem = os.path.splitext(path)[0]
    while stem not in modules and '_' in os.path.basename(stem):
        stem = stem.rsplit('_', 1)[0]
    return stem if stem in modules else os.path.splitext(path)[0]


def circles():
    files = [os.path.relpath(path, 'src') for path in sources()]
    modules = {os.path.splitext(path)[0] for path in files if path.endswith('.h')}
    needs = {}
    for path in files:
        here = module_of(path, modules)
        for name in includes(read('src/' + path)):
            there = os.path.splitext(name)[0]
            if there != here and wing(there) == wing(here):
                needs.setdefault(here, set()).add(there)
    done = set()

    def walk(module, way):
        if module in way:
            return ' -> '.join(way[way.index(module):] + [module])
        if module in done:
            return None
        for other in sorted(needs.get(module, ())):
            circle = walk(other, way + [module])
            if circle:
                return circle
        done.add(module)
        return None

    for module in sorted(needs):
        circle = walk(module, [])
        if circle:
            yield circle
            return


if __name__ == '__main__':
    what = {'names': unused_includes, 'wings': wrong_wings, 'circles': circles}
    if len(sys.argv) != 2 or sys.argv[1] not in what:
        sys.exit(__doc__)
    for line in what[sys.argv[1]]():
        print(line)
