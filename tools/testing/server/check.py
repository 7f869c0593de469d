#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Self-test of evil-nbd: check.py PROGRAM [NAME]...

1. The correct mode, in every shape of reply, satisfies a strict client.
2. Each misbehaviour of --list shows on the wire: the strict client comes to the very outcome that
   the table names, and the command succeeds when it is repeated on a new connection.
3. The server notices and logs each kind of mistake a client can make.
4. nbdinfo, nbdcopy, qemu-img and qemu-io agree with the correct mode (witness.sh).
"""
import os
import re
import struct
import subprocess
import sys
import tempfile
import time

import nbdclient as nbd
from nbdclient import Client, CommandError, Fault, Refused

MIB = 1 << 20
PLACE = 8 * MIB     # within the default window
SIZE = 32 * MIB
WANTED = (b'base:allocation', b'x-test:a')
MUTE = re.compile('stall|deaf|reply-none|mute|never|slow')     # rows in which the client gives up
FIRST_WORD = {'flush': nbd.FLUSH, 'trim': nbd.TRIM, 'zeroes': nbd.WRITE_ZEROES}

program = sys.argv[1]
only = sys.argv[2:]
results = []


def pattern(offset, length):
    start, end = offset // 8, (offset + length + 7) // 8
    raw = struct.pack(f'>{end - start}Q', *range(start * 8 + 1, end * 8 + 1, 8))
    return raw[offset % 8:offset % 8 + length]


class Server:
    def __init__(self, *args):
        self.dir = tempfile.TemporaryDirectory()
        self.path = self.dir.name + '/sock'
        self.logfile = self.dir.name + '/log'
        cmd = [program, '--unix', self.path, '--log', self.logfile, '--size', str(SIZE), *args]
        self.proc = subprocess.Popen(cmd, stderr=subprocess.PIPE)

    def __enter__(self):
        while not self.listens() and self.proc.poll() is None:
            time.sleep(0.002)
        return self

    def listens(self):
        # the path is there before listen(); a connection to find out would be logged
        with open('/proc/net/unix', encoding='utf-8') as f:
            return any(line.rstrip().endswith(' ' + self.path) and line.split()[3] == '00010000'
                       for line in f)

    def log(self):
        with open(self.logfile, encoding='utf-8', errors='replace') as f:
            return f.read()

    def __exit__(self, *exc):
        self.proc.terminate()
        err = self.proc.communicate()[1].decode()
        self.dir.cleanup()
        if err and not exc[0]:
            raise AssertionError('server said: ' + err)


def test(name, fn, *args):
    if only and name not in only:
        return
    try:
        fn(*args)
        results.append(True)
        print(f'ok {len(results)} - {name}', flush=True)
    except Exception as exc:    # pylint: disable=broad-except
        results.append(False)
        print(f'not ok {len(results)} - {name}')
        print(f'# {type(exc).__name__}: {exc}', flush=True)


def equal(found, expected, what):
    if found != expected:
        raise AssertionError(f'{what}: {found!r}, expected {expected!r}')


def no_violation(server):
    equal(re.findall('VIOLATION.*', server.log()), [], 'violations')


# ---- 1. correct mode ----

def extents(client, name, offset, length):
    """All of a range, by as many requests as it takes; the last extent is clamped."""
    found, pos, end = [], offset, offset + length
    while pos < end:
        req = client.run(nbd.BLOCK_STATUS, pos, end - pos)
        got = req.status[client.contexts[name]]
        step = min(sum(n for n, _ in req.status[c]) for c in req.status)
        step = min(step, end - pos)
        found.append((pos, got))
        pos += step
    return bytes_of(found, offset, end)


def bytes_of(found, offset, end):
    """The status of each byte, as a list of (first byte, status) where it changes."""
    out, last = [], None
    for k, (pos, got) in enumerate(found):
        stop = found[k + 1][0] if k + 1 < len(found) else end
        for length, status in got:
            if pos >= stop:
                break
            if status != last:
                out.append((pos, status))
            last, pos = status, pos + length
    return out


def occasions():
    """--after, --times, --on and --at choose the requests that are spoiled."""
    with Server('--evil', 'read-eio', '--after', '2', '--times', '2',
                '--evil', 'magic-zero', '--on', 'FLUSH', '--evil', 'read-enospc', '--at', '512',
                '--every') as server:
        c = Client(server.path)
        c.attach(WANTED)
        failed = []
        for place in [0, 512, 512, 4096] + [PLACE] * 6 + [SIZE - 4096]:
            try:
                c.run(nbd.READ, place, 512)
                failed.append(0)
            except CommandError as exc:
                failed.append(exc.args[0])
        equal(failed, [0, 28, 28, 0, 0, 0, 5, 5, 0, 0, 0], 'errors')
        try:
            c.run(nbd.FLUSH)
            raise AssertionError('FLUSH was not spoiled')
        except Fault:
            no_violation(server)


def correct(*args):
    with Server(*args) as server:
        c = Client(server.path)
        c.attach(WANTED)
        reqs = [c.send(nbd.READ, PLACE + i * 65536, 65536) for i in range(16)]
        c.finish(*reqs)
        for r in reqs:
            equal(bytes(r.data), pattern(r.offset, r.length), 'data')
        c.run(nbd.WRITE, 4096, 512, nbd.FUA, b'w' * 512)
        if '--read-shape' in args:
            c.run(nbd.WRITE_ZEROES, 8192, 65536)
            c.run(nbd.TRIM, 131072, 4096)
        c.run(nbd.FLUSH)
        equal(bytes(c.run(nbd.READ, 4096, 512).data), b'w' * 512, 'data written')
        equal(bytes(c.run(nbd.READ, 8192, 65536).data),
              bytes(65536) if '--read-shape' in args else pattern(8192, 65536), 'zeroes')
        c.disc()
        time.sleep(0.01)
        no_violation(server)


def same_map(*args):
    maps = []
    for extra in ((), args):
        with Server(*extra) as server:
            c = Client(server.path)
            c.attach(WANTED)
            maps.append(extents(c, b'x-test:a', PLACE, MIB))
            no_violation(server)
    equal(maps[1] == maps[0], True, 'same map')


def ids_differ():
    with Server() as server:
        ids = []
        for _ in range(8):
            c = Client(server.path)
            c.attach(WANTED)
            ids += c.contexts.values()
        equal(len(set(ids)), 16, 'different ids')
        no_violation(server)


def impatient(server):
    """A client that gives up soon, but only once it is attached: the handshake is not spoiled."""
    c = Client(server.path)
    c.attach(WANTED)
    c.sock.settimeout(0.1)
    return c


def mutated(seed):
    """A spoiled stream may fail in any way, but what the client accepts is right."""
    with Server('--mutate', f'{seed}:200', '--read-shape', 'random') as server:
        for _ in range(20):
            c = impatient(server)
            try:
                for i in range(40):
                    req = c.run(nbd.READ, PLACE + i * 4096, 4096)
                    equal(bytes(req.data), pattern(req.offset, 4096), 'data')
            except (Fault, CommandError):
                pass
            c.close()
        equal('MUTATE' in server.log(), True, 'mutations')


KINDS = {'flip-bit', 'truncate', 'duplicate', 'reorder', 'stale-cookie', 'other-cookie',
         'cut-payload', 'wrong-length', 'wrong-type'}


def mutations():
    """Several requests in flight: each kind comes, and what the client accepts is right."""
    seen = set()
    for seed in range(20):
        with Server('--mutate', f'{seed}:300', '--read-shape', 'random') as server:
            for _ in range(10):
                c = impatient(server)
                reqs = []
                try:
                    for i in range(8):
                        reqs.append(c.send(nbd.READ, PLACE + i * 4096, 4096))
                    c.finish(*reqs)
                except (Fault, CommandError):
                    pass
                for req in reqs:
                    if req.done and not req.error:
                        equal(bytes(req.data), pattern(req.offset, 4096), 'data')
                c.close()
            seen |= set(re.findall('MUTATE (\\S+)', server.log()))
        if seen == KINDS:
            return
    equal(seen, KINDS, 'kinds of mutations')


# ---- 2. misbehaviours ----

def attach_outcome(server, connections, timeout):
    clients = []
    for _ in range(connections):
        c = Client(server.path, timeout)
        c.attach(WANTED)
        clients.append(c)
    for c in clients[1:]:
        a, b = clients[0], c
        if (a.size, a.flags, a.block_size, set(a.contexts)) != \
           (b.size, b.flags, b.block_size, set(b.contexts)):
            raise Refused('second connection differs')
    for c in clients:
        equal(bytes(c.run(nbd.READ, PLACE, 4096).data), pattern(PLACE, 4096), 'data')
    complete = all(set(WANTED) <= set(c.contexts) for c in clients)
    return 'ok' if complete or c.size and not c.structured else 'degrade'


def listing(server, name):
    c = Client(server.path)
    c.greet()
    if name == 'list-endless':
        c.option(nbd.LIST)
    c.option(nbd.STRUCTURED)
    c.option(nbd.LIST_META, nbd.u32(0) + nbd.u32(0))
    return 'ok'


def patience(name):
    return 0.4 if MUTE.search(name) else 10


def handshake_row(name, outcome):
    with Server('--evil', name) as server:
        try:
            if name.startswith('list-'):
                found = listing(server, name)
            else:
                found = attach_outcome(server, 2 if name.startswith('second-') else 1,
                                       patience(name))
        except Refused:
            found = 'refuse'
        except Fault:
            found = 'drop'
        if 'degrade' in (outcome, found) or name in ('go-err-unsup', 'export-name-padded'):
            c = Client(server.path)
            c.attach(WANTED)
            found = 'ok' if set(WANTED) <= set(c.contexts) else 'degrade'
        equal(found, outcome, 'outcome')
        equal(f'EVIL {name} ' in server.log(), True, 'fired')
        no_violation(server)


def issue(c, phase, name, place):
    """The command that triggers the misbehaviour, with company where it needs some."""
    command = FIRST_WORD.get(name.split('-')[0], nbd.WRITE)
    if phase == 'status':
        flags = nbd.REQ_ONE if name == 'status-one-two' else 0
        return [c.send(nbd.BLOCK_STATUS, place, 2 * MIB, flags)]
    if phase == 'write':
        if command == nbd.FLUSH:
            return [c.send(command)]
        payload = b'n' * 4096 if command == nbd.WRITE else b''
        if name == 'write-never-read':
            payload = b'n' * 4 * MIB
        return [c.send(command, place, len(payload) or 4096, 0, payload)]
    return [c.send(nbd.READ, place, 4096), c.send(nbd.READ, place + 65536, 4096)]


def settle(c, reqs, idle=0.02):
    c.finish(*reqs, idle=idle)
    for r in reqs:
        if r.command == nbd.READ:
            equal(bytes(r.data), pattern(r.offset, r.length), 'data')


def reply_row(name, phase, outcome, *args):
    with Server('--evil', name, *args) as server:
        c = Client(server.path, patience(name))
        c.attach(WANTED)
        c.run(nbd.READ, 0, 4096)    # gives the server a stale cookie; outside the window
        try:
            settle(c, issue(c, phase, name, PLACE), 2 if outcome == 'drop' else 0.02)
            found = 'ok'
        except CommandError:
            found = 'error'
        except Fault:
            found = 'drop'
        equal(found, outcome, 'outcome')
        log = server.log()
        equal(f'EVIL {name} ' in log, True, 'fired')
        if found == 'drop':
            c.close()
            c = Client(server.path)
            c.attach(WANTED)
        settle(c, issue(c, phase, name, PLACE))
        no_violation(server)


# ---- 3. what the server notices ----

def raw_request(flags, command, cookie, offset, length, magic=0x25609513):
    return struct.pack('>IHHQQI', magic, flags, command, cookie, offset, length)


MISTAKES = [
    # name, server options, bytes sent after GO, what the log must say
    ('magic', (), raw_request(0, 0, 1, 0, 512, 0x25609514), 'request magic'),
    ('command', (), raw_request(0, 8, 1, 0, 512), 'command 8 does not exist'),
    ('flag-unknown', (), raw_request(0x20, 0, 1, 0, 512), 'READ with flags'),
    ('fua-read', (), raw_request(1, 0, 1, 0, 512), 'READ with flags'),
    ('fua-flush', (), raw_request(1, 3, 1, 0, 0), 'FLUSH with flags'),
    ('fua-unoffered', ('--flags', 'no-fua'), raw_request(1, 4, 1, 0, 512), 'fua, which was not'),
    ('df-write', (), raw_request(4, 1, 1, 0, 512) + bytes(512), 'WRITE with flags'),
    ('df-unoffered', ('--flags', 'no-df'), raw_request(4, 0, 1, 0, 512), 'df, which was not'),
    ('req-one-read', (), raw_request(8, 0, 1, 0, 512), 'READ with flags'),
    ('no-hole-trim', (), raw_request(2, 4, 1, 0, 512), 'TRIM with flags'),
    ('fast-zero', ('--flags', 'no-fast-zero'), raw_request(16, 6, 1, 0, 512), 'fast_zero, which'),
    ('no-flush', ('--flags', 'no-flush'), raw_request(0, 3, 1, 0, 0), 'FLUSH, which was not'),
    ('no-trim', ('--flags', 'no-trim'), raw_request(0, 4, 1, 0, 512), 'TRIM, which was not'),
    ('no-cache', ('--flags', 'no-cache'), raw_request(0, 5, 1, 0, 512), 'CACHE, which was not'),
    ('no-zeroes', ('--flags', 'no-zeroes'), raw_request(0, 6, 1, 0, 512), 'ZEROES, which was'),
    ('zero-length', (), raw_request(0, 0, 1, 0, 0), 'READ of length 0'),
    ('zero-status', (), raw_request(0, 7, 1, 0, 0), 'BLOCK_STATUS of length 0'),
    ('past-end', (), raw_request(0, 0, 1, SIZE - 512, 1024), 'past the end'),
    ('wrap', (), raw_request(0, 4, 1, 2**64 - 512, 1024), 'past the end'),
    ('status-past-end', (), raw_request(0, 7, 1, SIZE, 512), 'past the end'),
    ('align', ('--block-size', '4096:4096:1048576'), raw_request(0, 0, 1, 512, 4096), 'aligned'),
    ('maximum', ('--block-size', '512:4096:1048576'), raw_request(0, 0, 1, 0, MIB + 512),
     'maximum'),
    ('flush-range', (), raw_request(0, 3, 1, 0, 512), 'FLUSH with offset'),
    ('read-only', ('--flags', 'read-only'), raw_request(0, 4, 1, 0, 512), 'read-only'),
    ('cookie', (), raw_request(0, 0, 7, 0, 512) + raw_request(0, 0, 7, 512, 512), 'cookie 0x7'),
    ('disc-length', (), raw_request(0, 2, 1, 0, 512), 'DISC with'),
    ('after-disc', (), raw_request(0, 2, 1, 0, 0) + raw_request(0, 0, 2, 0, 512), 'after DISC'),
    ('disc-busy', (), raw_request(0, 0, 1, 0, 512) + raw_request(0, 2, 2, 0, 0), 'in flight'),
]

NAME = nbd.u32(4) + b'disk'
QUERY = nbd.u32(15) + b'base:allocation'
OPTION_MISTAKES = [
    # name, server options, options sent one by one, what the log must say
    ('list-data', (), [(3, b'x')], 'LIST with'),
    ('structured-twice', (), [(8, b''), (8, b'')], 'STRUCTURED_REPLY twice'),
    ('structured-data', (), [(8, b'x')], 'STRUCTURED_REPLY with data'),
    ('set-early', (), [(10, NAME + nbd.u32(1) + QUERY)], 'before structured replies'),
    ('set-length', (), [(8, b''), (10, NAME + nbd.u32(2) + QUERY)], 'malformed metadata'),
    ('set-no-namespace', (), [(8, b''), (10, NAME + nbd.u32(1) + nbd.u32(3) + b'foo')],
     'no namespace'),
    ('set-repeat', (), [(8, b''), (10, NAME + nbd.u32(2) + QUERY + QUERY)], 'sent twice'),
    ('set-other-export', (), [(8, b''), (10, NAME + nbd.u32(1) + QUERY),
                              (7, nbd.u32(1) + b'x' + b'\0\0')], 'another export'),
    ('info-twice', (), [(6, NAME + struct.pack('>HHH', 2, 3, 3))], 'asked for twice'),
    ('info-length', (), [(6, NAME + struct.pack('>H', 2))], 'malformed INFO'),
    ('name-nul', (), [(6, nbd.u32(2) + b'a\0' + b'\0\0')], 'holds a NUL'),
    ('name-utf8', (), [(6, nbd.u32(2) + b'a\xff' + b'\0\0')], 'not UTF-8'),
    ('name-long', (), [(6, nbd.u32(4097) + b'n' * 4097 + b'\0\0')], 'of 4097 bytes'),
    ('option-4', (), [(4, b'')], 'option 4 does not exist'),
    ('no-abort', (), [(3, b'')], 'without ABORT'),
]


def notice(server, expected):
    for _ in range(100):
        if any(expected in line for line in re.findall('VIOLATION.*', server.log())):
            return
        time.sleep(0.01)
    raise AssertionError(f'no violation with {expected!r} in:\n{server.log()}')


def mistake(options, raw, expected):
    with Server(*options) as server:
        c = Client(server.path)
        c.attach(WANTED)
        c.sock.sendall(raw)
        notice(server, expected)


def option_mistake(options, sent, expected):
    with Server(*options) as server:
        c = Client(server.path)
        c.greet()
        for option, data in sent:
            try:
                c.option(option, data)
            except Refused:
                pass
        c.close()
        notice(server, expected)


def client_flags_mistake():
    with Server('--flags', 'no-no-zeroes') as server:
        c = Client(server.path)
        c.recv(18)
        c.sock.sendall(nbd.u32(7))
        notice(server, 'client flags 0x7')


def pipelining_mistake():
    with Server() as server:
        c = Client(server.path)
        c.greet()
        c.push(struct.pack('>QII', nbd.OPTS, nbd.STRUCTURED, 0) * 2)
        notice(server, 'before the reply')


def multi_conn_mistake():
    with Server('--flags', 'no-multi-conn') as server:
        a, b = Client(server.path), Client(server.path)
        a.attach()
        b.attach()
        notice(server, 'without CAN_MULTI_CONN')


def status_mistake():
    with Server() as server:
        c = Client(server.path)
        c.attach()
        c.sock.sendall(raw_request(0, 7, 1, 0, 512))
        notice(server, 'without contexts')


# ---- 4. foreign clients ----

def witnesses():
    """The lines of witness.sh, under our own numbers."""
    script = os.path.join(os.path.dirname(os.path.abspath(__file__)), 'witness.sh')
    with subprocess.Popen([script, program], stdout=subprocess.PIPE, text=True) as proc:
        for line in proc.stdout:
            found = re.match(r'(ok|not ok) \d+ (- .*)', line)
            skipped = re.match(r'1\.\.0 (# SKIP .*)', line)
            if skipped:
                results.append(True)
                print(f'ok {len(results)} - foreign clients {skipped[1]}', flush=True)
            elif found:
                results.append(found[1] == 'ok')
                print(f'{found[1]} {len(results)} {found[2]}', flush=True)
            else:
                print('# ' + line.strip('# \n'), flush=True)


def main():
    for shape in ('whole', 'chunks', 'holes', 'random', 'reverse', 'interleave'):
        test(f'correct-{shape}', correct, '--read-shape', shape, '--write-reply', 'random')
    test('correct-simple', correct, '--flags', 'no-structured')
    for words in ('short', 'overshoot', 'overshoot,beyond', 'differ', 'shuffle', 'split',
                  'short,overshoot,beyond,differ,shuffle,split'):
        test(f'map-{words}', same_map, '--status', words)
    test('context-ids', ids_differ)
    test('occasions', occasions)
    for seed in range(3):
        test(f'mutate-{seed}', mutated, seed)
    test('mutate-kinds', mutations)

    rows = subprocess.run([program, '--list'], check=True, capture_output=True, text=True).stdout
    for row in rows.splitlines():
        name, phase, outcome, _ = row.split('\t')
        if phase == 'handshake':
            test(name, handshake_row, name, outcome)
        elif name == 'read-chunk-unasked':
            test(name, reply_row, name, phase, outcome, '--flags', 'no-structured')
        else:
            test(name, reply_row, name, phase, outcome)
        if phase == 'any':
            test(name + '-simple', reply_row, name, phase, outcome, '--flags', 'no-structured')

    for name, options, raw, expected in MISTAKES:
        test('notices-' + name, mistake, options, raw, expected)
    for name, options, sent, expected in OPTION_MISTAKES:
        test('notices-' + name, option_mistake, options, sent, expected)
    test('notices-client-flags', client_flags_mistake)
    test('notices-pipelining', pipelining_mistake)
    test('notices-multi-conn', multi_conn_mistake)
    test('notices-status', status_mistake)
    if not only:
        witnesses()
    print(f'1..{len(results)}')
    return 0 if all(results) else 1


if __name__ == '__main__':
    sys.exit(main())
