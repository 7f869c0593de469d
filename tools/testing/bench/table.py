#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""table.py ROWS: the rows of a measurement as a table, the in-tree driver beside ours."""
import json
import sys


def cell(row, key, form='{}'):
    return '' if row is None or row.get(key) is None else form.format(row[key])


def main():
    rows, keys = {}, []
    for line in open(sys.argv[1]):
        row = json.loads(line)
        key = (row['kernel'], row['server'], row['transport'], row['connections'], row['job'])
        if row['driver'] in ('null', 'libnbd'):
            key = (row['kernel'], row['driver'], '', 0, row['job'])
        if key not in rows:
            keys.append(key)
        rows.setdefault(key, {})[row['driver']] = row
    form = '{:6} {:16} {:26} {:>10} {:>10} {:>6} {:>8} {:>8} {:>7} {:>9} {:>9}'
    print(form.format('kernel', 'server', 'job', 'in-tree', 'ours', 'ratio', 'switches', 'in-tree',
                      'calls', 'p99 ours', 'in-tree'))
    for key in keys:
        kernel, server, transport, connections, name = key
        theirs, ours = rows[key].get('in-tree'), rows[key].get('ours')
        if theirs is None and ours is None:
            ours = next(iter(rows[key].values()))
        ratio = f'{theirs["per_io"] / ours["per_io"]:.2f}' if theirs and ours else ''
        where = f'{server} {transport} {connections or ""}'.strip()
        print(form.format(kernel, where, name, cell(theirs, 'per_io', '{:,}'),
                          cell(ours, 'per_io', '{:,}'), ratio, cell(ours, 'switches'),
                          cell(theirs, 'switches'), cell(ours, 'calls'), cell(ours, 'p99', '{:,}'),
                          cell(theirs, 'p99', '{:,}')))


main()
