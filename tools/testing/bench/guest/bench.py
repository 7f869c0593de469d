#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""bench.py [OPTIONS] DRIVER: measure one driver; a line of JSON for each row.
bench.py --scale: measure two, which take turns.

DRIVER is ours, in-tree, null (null_blk), libnbd (fio's own engine, no disk) or bare (bare-nbd, the
cheapest client, no disk). It is run in the VM, where a nanosecond is one instruction, so that time
per I/O is instructions per I/O of the whole system: client, TCP and server. On a real machine the
same figures are nanoseconds.

  --quick       few jobs
  --large       those of 128k and more, nothing else
  --scale       jobs of two tasks, over one connection and over four, of ours and in-tree; also
                "steered": what is sent arrives on one processor, as by a network card, not on
                that of whoever sends it
  --only REGEX  those whose name matches
  --names       of the jobs that would be measured, and nothing else
  --check       only say what this machine lacks for it; exit status 1 if it is something
  --profile     no rows; the plugin of the emulation counts
"""
import argparse
import json
import os
import re
import subprocess
import sys
import time

import counters
import marks
import rig


def job(name, rw, block, depth, engine='libaio', mix=None, tasks=1):
    return {'name': name, 'rw': rw, 'bs': block, 'depth': depth, 'engine': engine, 'mix': mix,
            'tasks': tasks, 'bytes': {'4k': 4 << 10, '128k': 128 << 10, '1M': 1 << 20}[block]}


RANDOM = [job(f'4k rand{rw} QD{depth}', f'rand{rw}', '4k', depth)
          for depth in (1, 32, 128) for rw in ('read', 'write')]
LARGE_BYTES = 128 << 10
LARGE = [job('128k read QD8', 'read', '128k', 8), job('128k write QD8', 'write', '128k', 8),
         job('1M read QD4', 'read', '1M', 4), job('1M write QD4', 'write', '1M', 4)]
MIXED = [job('4k rand 70/30 QD32', 'randrw', '4k', 32, mix=70)]
URING = [job('4k randread QD32 io_uring', 'randread', '4k', 32, 'io_uring'),
         job('4k randwrite QD32 io_uring', 'randwrite', '4k', 32, 'io_uring')]
SPINNING = [job('4k randread QD8 spinning', 'randread', '4k', 8, 'spinning')]

# server, transport, connections, jobs
FULL = [('lean', 'tcp', 1, RANDOM + LARGE + MIXED + URING + SPINNING),
        ('lean', 'tcp', 4, RANDOM[:4] + LARGE + MIXED),
        ('lean', 'unix', 1, RANDOM[:4] + LARGE),
        ('nbdkit', 'tcp', 1, RANDOM[:4] + LARGE)]
TWO = [job(f'4k rand{rw} QD32, two tasks', f'rand{rw}', '4k', 32, tasks=2)
       for rw in ('read', 'write')]
SCALE = [(server, transport, connections, TWO) for server in ('lean', 'nbdkit')
         for transport in ('tcp', 'steered') for connections in (1, 4)]
TURNS = 6
TURN_SECONDS = 1.2
BARE_ROUNDS = 3
QUICK = [('lean', 'tcp', 1, RANDOM[:4] + LARGE[:1] + LARGE[2:])]

MAP_EXTENTS = 1000000
MAP_EXTENT = 64 << 10
ATTACH_CONNECTIONS = (16, 96)
ATTACHES = 5


def tell(**row):
    print('ROW ' + json.dumps(row), flush=True)


class Window:
    """I/Os that were done, and what else the kernel counted, while fio ran, its start included."""

    def __init__(self, disk, what, counter):
        self.disk, self.what, self.counter = disk, what, counter

    def state(self):
        return self.counter(), counters.moved(self.disk) if self.disk else 0

    def run(self, target, seconds):
        """fio's result and the counter's, for each I/O."""
        before = self.state()
        result = rig.fio(target, self.what, seconds)
        counted, moved = (late - early for late, early in zip(self.state(), before))
        ios = sum(result[side]['total_ios'] for side in ('read', 'write'))
        if self.disk:
            ios = moved / self.what['bytes']
        return result, round(counted / max(ios, 1), 3)


def measure(target, disk, what, seconds):
    before = counters.processors()
    result, switches = Window(disk, what, counters.switches).run(target, seconds)
    spent, idle = (late - early for late, early in zip(counters.processors(), before))
    sides = [result[side] for side in ('read', 'write') if result[side]['total_ios']]
    iops = sum(side['iops'] for side in sides)
    slow = max((side['lat_ns'] for side in sides), key=lambda lat: lat['mean'])['percentile']
    return {'per_io': round(1e9 / iops), 'switches': switches,
            'busy': round(1 - idle / max(spent, 1), 2),
            'ios': sum(side['total_ios'] for side in sides),
            'p50': slow['50.000000'], 'p99': slow['99.000000'], 'p99.9': slow['99.900000']}


def socket_calls(target, disk, what):
    calls = counters.Calls()
    if not calls.names:
        return None
    _, per_io = Window(disk, what, calls.count).run(target, 0.1)
    calls.close()
    return per_io


def rows_of_jobs(driver, plan, seconds, calls=True):
    """The jobs of fio on the disk; @calls: count those of sockets, too."""
    for kind, transport, connections, jobs in plan:
        if not jobs:
            continue
        with rig.Server(kind, transport) as server:
            rig.attach(driver, server.uri, connections)
            if kind == 'nbdkit':
                rig.fill()
            for what in jobs:
                row = measure(rig.disk(what), 'nbd0', what, seconds)
                if calls and connections == 1:
                    row['calls'] = socket_calls(rig.disk(what), 'nbd0', what)
                yield {'driver': driver, 'server': kind, 'transport': transport,
                       'connections': connections, 'job': what['name'], **row}
            rig.detach(driver)


def tell_other(driver, what, row):
    tell(driver=driver, server='', transport='', connections=0, job=what['name'], **row)


def bench_libnbd(jobs, seconds):
    """fio's own engine: libnbd in its process, no disk."""
    with rig.Server('lean', 'tcp') as server:
        for what in jobs:
            target = ['--ioengine=nbd', '--uri=' + server.uri]
            tell_other('libnbd', what, measure(target, None, what, seconds))


def bench_bare(jobs, seconds):
    """The cheapest client: what nobody gets below, but for the disk that it is not."""
    with rig.Server('lean', 'tcp'):
        for what in jobs:
            # at depth one, who wakes whom first may settle for the whole of a run
            rounds = [rig.bare(what, seconds / BARE_ROUNDS) for _ in range(BARE_ROUNDS)]
            tell_other('bare', what, {'per_io': min(rounds)})


def bench_null(jobs, seconds):
    rig.run('modprobe', 'null_blk', 'nr_devices=1', 'gb=1', 'bs=4096', 'queue_mode=2', 'irqmode=0')
    for what in jobs:
        tell_other('null', what, measure(rig.disk(what, rig.NULL), 'nullb0', what, seconds))
    rig.run('modprobe', '-r', 'null_blk')


def timed(function, *args, **options):
    begin = time.monotonic_ns()
    function(*args, **options)
    return time.monotonic_ns() - begin


def tell_whole(driver, name, connections, nanoseconds):
    tell(driver=driver, server='lean', transport='tcp', connections=connections, job=name,
         whole=True, per_io=nanoseconds)


def bench_holes(driver, name, seconds):
    """All holes, told so by structured replies to whom asks for them."""
    with rig.Server('lean', 'tcp', '--holes') as server:
        rig.attach(driver, server.uri, 1)
        row = measure(rig.disk(LARGE[2]), 'nbd0', LARGE[2], seconds)
        tell_whole(driver, name, 1, row['per_io'] * (rig.SIZE >> 20))
        rig.detach(driver)


def bench_attach(driver, name, _):
    """From the command until a sector was read; the middle one of some."""
    for connections in ATTACH_CONNECTIONS:
        times = []
        with rig.Server('lean', 'tcp') as server:
            for _ in range(ATTACHES):
                subprocess.run(['udevadm', 'settle'], check=False)
                times.append(timed(rig.connect, driver, server.uri, connections))
                rig.detach(driver)
        tell_whole(driver, name, connections, sorted(times)[ATTACHES // 2])


def bench_map(driver, name, _):
    """nbd-map by our driver; the in-tree one has no maps, the way there is nbdinfo."""
    with rig.Server('lean', 'tcp', '--extent', str(MAP_EXTENT),
                    size=MAP_EXTENTS * MAP_EXTENT) as server:
        if driver == 'ours':
            rig.attach(driver, server.uri, 1)
            command = ['nbd-map', rig.DISK]
        else:
            command = ['nbdinfo', '--map', server.uri]
        lines = int(rig.run('sh', '-c', ' '.join(command) + ' | wc -l'))
        if lines != MAP_EXTENTS:
            sys.exit(f'{command[0]} told {lines} extents, not {MAP_EXTENTS}')
        taken = timed(subprocess.run, command, check=True, stdout=subprocess.DEVNULL)
        tell_whole(driver, name, 1, taken)
        if driver == 'ours':
            rig.detach(driver)


WHOLE = {f'read {rig.SIZE >> 20} MiB of holes': bench_holes,
         'attach': bench_attach,
         f'map of {MAP_EXTENTS:,} extents': bench_map}


def scale(only):
    """Time is real here, so what else goes on shows: the drivers take turns, each compared alone."""
    for *where, jobs in SCALE:
        plan = [(*where, [what for what in jobs if only.search(what['name'])])]
        turns = {}
        rig.steer('steered' in where)
        for turn in range(TURNS):
            for driver in ('in-tree', 'ours')[::(-1) ** turn]:
                rig.load(driver)
                for row in rows_of_jobs(driver, plan, TURN_SECONDS, calls=False):
                    turns.setdefault((driver, row['job']), []).append(row)
        for rows in turns.values():
            middle = sorted(rows, key=lambda row: row['per_io'])[len(rows) // 2]
            tell(**middle, turns=[row['per_io'] for row in rows])


def planned(quick, only, least):
    """The jobs of at least so many bytes, for each server, transport and number of connections."""
    return [(*where, [what for what in jobs
                      if only.search(what['name']) and what['bytes'] >= least])
            for *where, jobs in (QUICK if quick else FULL)]


def bench(driver, quick, only, least):
    plan, seconds = planned(quick, only, least), 0.2 if quick else 0.4
    others = {'null': bench_null, 'libnbd': bench_libnbd, 'bare': bench_bare}
    if driver in others:
        # an engine of fio is one of its own; bare-nbd reads, or writes
        jobs = [what for what in plan[0][3] if driver == 'null' or what['engine'] == 'libaio' and
                not (driver == 'bare' and what['mix'])]
        others[driver](jobs, seconds)
    else:
        rig.load(driver)
        for row in rows_of_jobs(driver, plan, seconds):
            tell(**row)
        for name, function in WHOLE.items():
            if not quick and not least and only.search(name):
                function(driver, name, seconds)


def check(driver):
    lacks = list(rig.missing(driver))
    for reason in lacks:
        print(f'{driver}: {reason}', file=sys.stderr)
    sys.exit(bool(lacks))


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--quick', action='store_true')
    parser.add_argument('--large', action='store_const', const=LARGE_BYTES, default=0)
    parser.add_argument('--scale', action='store_true')
    parser.add_argument('--names', action='store_true')
    parser.add_argument('--check', action='store_true')
    parser.add_argument('--profile', action='store_true')
    parser.add_argument('--only', type=re.compile, default='')
    parser.add_argument('driver', nargs='?', choices=('ours', 'in-tree', 'null', 'libnbd', 'bare'))
    options = parser.parse_args()
    if options.names:
        for *_, jobs in planned(options.quick, options.only, options.large):
            print(*(what['name'] for what in jobs), sep='\n', end='\n' * bool(jobs))
        return
    if bool(options.driver) == options.scale:
        parser.error('a driver, or --scale')
    os.environ['LC_ALL'] = 'C'
    if options.check:
        check(options.driver)
    elif options.profile:
        marks.run(options.driver, [what for what in RANDOM[:4] + LARGE * bool(options.only.pattern)
                                   if options.only.search(what['name'])])
    elif options.scale:
        scale(options.only)
    else:
        bench(options.driver, options.quick, options.only, options.large)


main()
