#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Reads from servers that spoil replies at random: proto_mutate.py DIR DEVICE COUNT SEED

Headers and the fixed fields of chunks are spoiled, content is not: every read must give the right
data or an error, whatever the driver believed. When no connection is left, the disk is attached
again, to a server with the next seed, until COUNT replies were spoiled.
"""
import errno
import os
import random
import re
import subprocess
import sys
import time

from proto_rows import Aio, Bad, PATTERN, SIZE, demand

BATCH = 16
# of one server, and of all
LONGEST = 20
LIMIT = 150


class Tally:
    right = failed = servers = mutations = 0


def tool(*args):
    done = subprocess.run(args, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, timeout=60, check=False)
    return done.returncode, done.stdout.decode(errors='replace')


def read_batch(aio, fd, rng, tally):
    """False if all failed."""
    places = []
    for _ in range(BATCH):
        length = rng.choice([512, 4096, 65536, 131072])
        places.append((b'', rng.randrange(0, SIZE - length, 512), length))
    good = 0
    for (_, offset, length), got in zip(places, aio.run(fd, places)):
        if isinstance(got, bytes):
            demand(got == PATTERN[offset:offset + length], f'wrong data at {offset}+{length}')
            good += 1
        else:
            demand(got in (errno.EIO, errno.EREMOTEIO, errno.ENOSPC, errno.EOPNOTSUPP),
                   f'{errno.errorcode[got]} at {offset}+{length}')
    tally.right += good
    tally.failed += BATCH - good
    return good > 0


def one_server(where, dev, seed, aio, tally):
    rng = random.Random(seed)
    sock, log = f'{where}/{seed}.sock', f'{where}/{seed}.log'
    end = time.monotonic() + LONGEST
    args = ['evil-nbd', '--unix', sock, '--log', log, '--image', f'{where}/image', '--seed', str(seed),
            '--mutate', f'{seed}:{rng.choice([3, 20, 100])}', '--read-shape', 'random']
    with subprocess.Popen(args, stdin=subprocess.DEVNULL) as server:
        try:
            while not os.path.exists(sock):
                demand(server.poll() is None, 'the server ended')
                time.sleep(0.02)
            rc, said = tool('nbd-attach', '--no-reconnect', '-C', '2', '--timeout', '1', '--unix',
                            sock, dev)
            if rc == 0:
                fd = os.open(dev, os.O_RDONLY | os.O_DIRECT)
                try:
                    while time.monotonic() < end and read_batch(aio, fd, rng, tally):
                        pass
                finally:
                    os.close(fd)
                rc, said = tool('nbd-detach', dev)
                demand(rc == 0, f'detach: {rc}: {said}')
        finally:
            server.terminate()
    with open(log, encoding='utf-8', errors='replace') as f:
        text = f.read()
    demand('VIOLATION' not in text, re.findall('VIOLATION.*', text)[:3])
    tally.mutations += text.count('\nMUTATE ')
    tally.servers += 1


def enough(tally, count):
    return tally.servers >= 3 and tally.right >= 10 * count and tally.mutations >= count


def main():
    where, dev, count, seed = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
    with open(f'{where}/image', 'wb') as f:
        f.write(PATTERN)
    tally, aio, start = Tally(), Aio(), time.monotonic()
    try:
        while not enough(tally, count) and time.monotonic() < start + LIMIT:
            one_server(where, dev, seed, aio, tally)
            seed += 1
    except Bad as exc:
        print(f'# seed {seed}: {exc}')
        return 1
    print(f'# {tally.servers} servers, {tally.mutations} replies spoiled, '
          f'{tally.right} reads right, {tally.failed} failed')
    if not enough(tally, count):
        print('# too few to prove anything')
        return 1
    return 0


if __name__ == '__main__':
    sys.exit(main())
