#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Random layouts for the tests of maps: map_layouts.py write|check ...

write SEED FILE     FILE gets the extents of 16 layouts, one behind the other, for evil-nbd's
                    --context NAME=file:FILE; prints the size of the export
check FILE OURS NBDINFO QEMU OUR_TOTALS NBDINFO_TOTALS
                    the JSON maps of nbd-map, nbdinfo and qemu-img, and the totals of the first two,
                    agree with each other and with FILE
"""
import json
import random
import sys

LAYOUTS = 16
MEANING = ['data', 'hole', 'zero', 'hole,zero']


def one_layout(rng):
    """Extents (length, status): each layout has a grain, a taste in lengths and one in statuses."""
    grain = rng.choice([1, 7, 512, 4096, 65536])
    most = rng.choice([1, 2, 5, 40])
    statuses = rng.choice([[0, 3], [0, 1, 2, 3], [0, 0, 0, 3], [3, 3, 2], [1], [2, 0]])
    return [(rng.randint(1, most) * grain, rng.choice(statuses))
            for _ in range(rng.choice([1, 2, 10, 60]))]


def write(seed, path):
    rng = random.Random(int(seed))
    at = 0
    with open(path, 'w', encoding='ascii') as f:
        for _ in range(LAYOUTS):
            # the gap between two of them is data
            at += rng.choice([0, 0, 1, 512, 1000])
            for length, status in one_layout(rng):
                f.write(f'{at} {length} {status}\n')
                at += length
    # whole blocks, as only these become a disk
    print(max((at + 511) // 512 * 512, 4096))


def joined(extents):
    out = []
    for start, length, *rest in extents:
        if out and out[-1][0] + out[-1][1] == start and out[-1][2:] == rest:
            out[-1][1] += length
        else:
            out.append([start, length, *rest])
    return out


def truth(path, size):
    out, at = [], 0
    with open(path, encoding='ascii') as f:
        for line in f:
            start, length, status = map(int, line.split())
            if start > at:
                out.append([at, start - at, 0])
            out.append([start, length, status])
            at = start + length
    if size > at:
        out.append([at, size - at, 0])
    return [[s, n, t, MEANING[t]] for s, n, t in joined(out)]


def load(path):
    with open(path, encoding='utf-8') as f:
        return json.load(f)


def full(path):
    return [[e['offset'], e['length'], e['type'], e.get('description')] for e in load(path)]


def totals(path):
    return [[e['size'], e['type'], e.get('description'), round(e['percent'], 3)] for e in load(path)]


def equal(what, found, expected):
    if found == expected:
        return 0
    where = next((i for i, (a, b) in enumerate(zip(found, expected)) if a != b),
                 min(len(found), len(expected)))
    print(f'# {what}: from entry {where} on: {found[where:where + 4]}, '
          f'expected {expected[where:where + 4]}')
    return 1


def check(layout, ours, nbdinfo, qemu, our_totals, nbdinfo_totals):
    theirs = full(nbdinfo)
    size = theirs[-1][0] + theirs[-1][1]
    # what qemu-img knows of a status: data unless a hole, zero if so
    flags = [[s, n, t & 1 == 0, t & 2 != 0] for s, n, t, _ in theirs]
    told = [[e['start'], e['length'], e['data'], e['zero']] for e in load(qemu)]
    bad = equal('nbdinfo against the layout', theirs, truth(layout, size))
    bad += equal('nbd-map against nbdinfo', full(ours), theirs)
    bad += equal('nbd-map against qemu-img', joined([[s, n, t & 1 == 0, t & 2 != 0]
                                                     for s, n, t, _ in full(ours)]), joined(told))
    bad += equal('qemu-img against nbdinfo', joined(told), joined(flags))
    bad += equal('totals', totals(our_totals), totals(nbdinfo_totals))
    return 1 if bad else 0


if __name__ == '__main__':
    sys.exit({'write': write, 'check': check}[sys.argv[1]](*sys.argv[2:]))
