#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""table.py [--unit UNIT] [--scale] ROWS: rows of a measurement as tables, two drivers side by side.

With --scale also what four connections bring over one. Where drivers took turns, the ratio is the
middle one of those of each turn.

Exit status 1 if a row of one driver has none of the other's to stand beside it, or if ours was the
slower one in each turn, and its ratio is less than nine tenths.
"""
import argparse
import json
import statistics
import sys

PAIR = ('in-tree', 'ours')
# Jobs measured again where "rep movsb" counts once for each byte, of whoever copies
BYTES = tuple(f'{driver} max' for driver in PAIR)
OTHERS = ('null', 'libnbd', 'bare')
SLOWER = 0.9


def read(path):
    """Rows by kernel and by what was measured, in the order in which they came."""
    kernels = {}
    with open(path) as file:
        for line in file:
            row = json.loads(line)
            if row['driver'] in PAIR:
                key = (row['server'], row['transport'], row['connections'], row['job'])
            else:
                key = (row['driver'], '', '', row['job'])
            driver = f'{row["driver"]} {row.get("cpu", "")}'.strip()
            kernels.setdefault(row['kernel'], {}).setdefault(key, {})[driver] = row
    return kernels


def cell(row, key):
    if not row or row.get(key) is None:
        return '-'
    return f'{row[key]:,}' if isinstance(row[key], int) else f'{row[key]:.2f}'


def ratio(pair, key='per_io'):
    theirs, ours = (row and row.get(key) for row in pair)
    return f'{theirs / ours:.2f}' if theirs and ours else '-'


def turns(pair):
    """The ratio of each turn, if the drivers took turns."""
    if not all(pair):
        return []
    return [theirs / ours for theirs, ours in zip(*(row.get('turns', []) for row in pair))]


def compared(pair):
    ratios = turns(pair)
    return f'{statistics.median(ratios):.2f}' if ratios else ratio(pair)


def faults(name, pair):
    """What is wrong with a row."""
    ratios = turns(pair)
    if any(pair) and not all(pair):
        return [f'one driver only: {name}']
    if ratios and max(ratios) < 1 and statistics.median(ratios) < SLOWER:
        return [f'slower in each turn: {name}']
    return []


def show(title, heads, lines):
    """Columns as wide as what is in them; words to the left, numbers to the right."""
    if not lines:
        return
    widths = [max(map(len, column)) for column in zip(heads, *lines)]
    words = [not any(line[i][:1].isdigit() for line in lines) or i < 2
             for i in range(len(heads))]
    print(f'{title}\n')
    for line in [heads, *lines]:
        print('  '.join(text.ljust(width) if word else text.rjust(width)
                        for text, width, word in zip(line, widths, words)).rstrip())
    print()


def place(key):
    return ' '.join(str(part) for part in key[:3] if part)


def both(rows, *keys, drivers=PAIR):
    """The figures in-tree and ours, for each key."""
    return [cell(rows.get(driver), key) for key in keys for driver in drivers]


def others(kernel, measured, unit):
    """What is measured for comparison; null_blk and the cheapest client together are the limit."""
    lines = []
    for job in dict.fromkeys(key[3] for key in measured if key[0] in OTHERS):
        null, libnbd, bare = [measured.get((driver, '', '', job), {}).get(driver)
                              for driver in OTHERS]
        ours = measured.get(('lean', 'tcp', 1, job), {}).get('ours')
        limit = {'per_io': null['per_io'] + bare['per_io']} if null and bare else None
        lines.append([job, *(cell(row, 'per_io') for row in (null, libnbd, bare, limit, ours)),
                      ratio((ours, limit))])
    show(f'{kernel}: for comparison, {unit} per I/O; the limit is null_blk and bare-nbd together',
         ['job', 'null_blk', 'libnbd', 'bare-nbd', 'limit', 'ours', 'ours/limit'], lines)


def tables(kernel, measured, unit):
    pairs = {key: [rows.get(driver) for driver in PAIR] for key, rows in measured.items()}
    jobs = [key for key, rows in measured.items() if not any(r.get('whole') for r in rows.values())]
    show(f'{kernel}: {unit} per I/O, context switches and socket calls per I/O',
         ['server', 'job', 'in-tree', 'ours', 'ratio', 'switches', 'ours', 'calls', 'ours'],
         [[place(key), key[3], *both(measured[key], 'per_io'), compared(pairs[key]),
           *both(measured[key], 'switches', 'calls')] for key in jobs if any(pairs[key])])
    byte_pairs = {key: [rows.get(driver) for driver in BYTES] for key, rows in measured.items()}
    show(f'{kernel}: large requests, {unit} per I/O: where the kernel copies by words, a copy of a '
         'program costs a third; where both copy by bytes (-cpu max), the same',
         ['server', 'job', 'words: in-tree', 'ours', 'ratio', 'bytes: in-tree', 'ours', 'ratio'],
         [[place(key), key[3], *both(measured[key], 'per_io'), ratio(pairs[key]),
           *both(measured[key], 'per_io', drivers=BYTES), ratio(byte_pairs[key])]
          for key in jobs if any(byte_pairs[key])])
    show(f'{kernel}: whole operations, {unit}',
         ['server', 'operation', 'in-tree', 'ours', 'ratio'],
         [[place(key), key[3], *both(measured[key], 'per_io'), ratio(pairs[key])]
          for key in measured if key not in jobs])
    show(f'{kernel}: time until an I/O is done, nanoseconds of the guest',
         ['server', 'job', 'p50', 'ours', 'p99', 'ours', 'p99.9', 'ours'],
         [[place(key), key[3], *both(measured[key], 'p50', 'p99', 'p99.9')]
          for key in jobs if any(pairs[key]) and ('QD1' in key[3].split() or 'QD32' in key[3])])
    others(kernel, measured, unit)
    return [fault for found in (pairs, byte_pairs) for key, pair in found.items()
            for fault in faults(f'{kernel} {place(key)} {key[3]}', pair)]


def scaling(kernel, measured):
    lines = []
    for (server, transport, connections, job), many in measured.items():
        one = measured.get((server, transport, 1, job))
        if one and connections != 1:
            lines.append([f'{server} {transport}', job, str(connections),
                          *(ratio((one.get(driver), many.get(driver))) for driver in PAIR),
                          *both(one, 'busy'), *both(many, 'busy')])
    show(f'{kernel}: times as many I/Os as over one connection, and processors busy',
         ['server', 'job', 'connections', *PAIR, 'one: in-tree', 'ours', 'many: in-tree', 'ours'],
         lines)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('--unit', default='instructions')
    parser.add_argument('--scale', action='store_true')
    parser.add_argument('rows')
    options = parser.parse_args()
    kernels = read(options.rows)
    found = [fault for kernel, measured in kernels.items()
             for fault in tables(kernel, measured, options.unit)]
    if options.scale:
        for kernel, measured in kernels.items():
            scaling(kernel, measured)
    for fault in found:
        print(f'table: {fault}', file=sys.stderr)
    if not kernels:
        print('table: no rows', file=sys.stderr)
    sys.exit(bool(found) or not kernels)


main()
