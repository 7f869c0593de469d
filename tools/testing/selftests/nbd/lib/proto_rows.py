#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Drives the driver through misbehaviours of evil-nbd: proto_rows.py DIR PHASE [NAME...]

Each row of "evil-nbd --list" of the phase gets a server of its own, an attach, the fitting I/O, and
a detach; what came of it must be what the row's outcome says:

ok       right data, and the same connection goes on
error    the command fails with the fitting errno, and the same connection goes on
drop     the connection ends and the kernel log says why; the command fails with EIO if it was the
         only one, and succeeds on the other one if there are two (a second run)
refuse   nbd-attach fails with the exit status of its manual page, and nothing is attached
degrade  attached, with fewer contexts; --require-context refuses (a second run)

Witnesses: the data themselves (pages are poisoned before), the server's log and its image, the
kernel's log, sysfs.
Rows are shared out to one worker a device, /dev/nbd1 to nbd8, since most of the time is waiting.
"""
import array
import ctypes
import errno
import fcntl
import itertools
import mmap
import operator
import os
import re
import select
import struct
import subprocess
import sys
import time

WORKERS = 8
MIB = 1 << 20
SIZE = 12 * MIB
PLACE = 4 * MIB
ELSEWHERE = 10 * MIB
STATUS_LENGTH = 2 * MIB
HUNG = 30
# of nbd-detach, while somebody has the disk open
EXIT_BUSY = 7

# Rows that show only when time runs out
MUTE = re.compile('stall|deaf|reply-none|mute|never|slow')
# The server has answered well by the time it breaks the rule: the command may have succeeded
LATE = re.compile('junk|idle|unsolicited|after-done|done-twice|twice$|write-simple-data')

# Why the kernel log says a connection was lost; the first pattern that fits the name
REASONS = [
    ('eshutdown', {errno.ESHUTDOWN}),
    ('stall|deaf|reply-none|never-read', {errno.ETIMEDOUT}),
    # a server that closes with requests unread resets the connection; our sender may be first to
    # see
    ('eof|half-close|close-opened', {errno.ECONNABORTED, errno.ECONNRESET, errno.EPIPE}),
    ('', {errno.EPROTO}),
]

# and which rule it says was broken, unless there were so many complaints that it says no more
RULES = [
    ('stall|deaf|reply-none|never-read', 'no reply to'),
    ('eshutdown|eof|half-close|close-opened', 'lost'),
    # the end of the handshake, read once more, would be a wrong magic
    ('go-early-reply', 'no request in flight'),
    ('magic|junk|go-padding|write-simple-data', 'magic'),
    ('cookie-other', 'chunk|no request in flight'),
    ('cookie|unsolicited|after-done|done-twice|write-twice|flush-twice|error-success',
     'no request in flight|stray|second|magic|not negotiated'),
    ('read-overlap-gap|overlap|whole-twice|hole-over', 'data sent twice|twice'),
    ('gap|none-only', 'data missing'),
    ('chunk-unasked', 'not negotiated'),
    ('read-simple|status-simple', 'simple reply'),
    ('status-(unknown|foreign)', 'context'),
    ('status-(missing|none)', 'context missing'),
    ('status-duplicate', 'second|duplicate'),
    ('surplus|beyond|before|relative|wrap|too-long', 'outside|wrong length|too long'),
    ('type-(3|4|6|unknown)', 'type'),
    ('error-text|error-length|offset-short', 'error (message|chunk)'),
    ('', 'protocol violation: .*chunk'),
]

# A kernel that looks for mistakes may need seconds for what else takes none
SLOW = os.path.exists('/sys/kernel/debug/kmemleak') or os.path.exists('/sys/kernel/debug/kcsan')

# Exit status of nbd-attach where it refuses
EXITS = [
    ('^(stall|trickle-slow)|mute|mid-stall', {9}),
    ('^close|second-close|mid-close', {6}),
    # EOF is how a server without GO says that there is no such export
    ('export-name-(close|short)', {6, 11}),
    ('tls-reqd', {10}),
    ('err-shutdown', {6, 11}),
    # a refusal, or nonsense in answer to what was asked
    ('go-err-(invalid|block-size|too-big|other)', {11, 12}),
    ('go-err|size-(0|511|2to63|max)', {11}),
    ('^second-', {11, 12}),
    ('', {12}),
]

ERRNOS = [
    ('eperm', {errno.EREMOTEIO}),
    ('enospc|early-error', {errno.ENOSPC}),
    ('enotsup', {errno.EOPNOTSUPP}),
    ('', {errno.EIO}),
]

STATUS_ERRNOS = [
    ('einval|unknown', {errno.EINVAL}),
    ('eoverflow', {errno.EOVERFLOW}),
    ('', {errno.EIO}),
]

libc = ctypes.CDLL(None, use_errno=True)


def first(table, name):
    return next(value for pattern, value in table if re.search(pattern, name))


class Bad(Exception):
    """What was seen is not what the row demands."""


def demand(condition, text):
    if not condition:
        raise Bad(text)


def all_places():
    """The server's own content: eight bytes at each offset that hold offset + 1, of which the lower
    three differ from zero. No two places are alike."""
    content = bytearray(SIZE)
    content[7::8] = bytes(range(1, 256, 8)) * (SIZE >> 8)
    content[6::8] = b''.join(bytes([i]) * 32 for i in range(256)) * (SIZE >> 16)
    content[5::8] = b''.join(bytes([i]) * (1 << 13) for i in range(SIZE >> 16))
    return bytes(content)


PATTERN = all_places()


def pattern(offset, length):
    return PATTERN[offset:offset + length]


# ---- I/O on the device ----

class Aio:
    """Linux AIO by bare system calls: several requests at once, and no waiting for ever."""

    def __init__(self):
        self.ctx = ctypes.c_ulong(0)
        if libc.syscall(206, 64, ctypes.byref(self.ctx)):
            raise OSError(ctypes.get_errno(), 'io_setup')
        self.buf = mmap.mmap(-1, 8 * MIB)
        self.base = ctypes.addressof(ctypes.c_char.from_buffer(self.buf))

    def run(self, fd, requests):
        """Each request (write, offset, length); returns bytes read, True, or an errno."""
        blocks, places, at = [], [], 0
        for i, (write, offset, length) in enumerate(requests):
            # reads into pages of a value that is nowhere in the export
            self.buf[at:at + length] = write or b'\xa5' * length
            blocks.append(ctypes.create_string_buffer(struct.pack(
                '<QIIHhIQQqQII', i, 0, 0, 1 if write else 0, 0, fd, self.base + at, length,
                offset, 0, 0, 0), 64))
            places.append((at, length))
            at += (length + 4095) // 4096 * 4096
        n = len(blocks)
        pointers = (ctypes.c_void_p * n)(*[ctypes.addressof(b) for b in blocks])
        demand(libc.syscall(209, self.ctx, n, pointers) == n, 'io_submit')
        events = ctypes.create_string_buffer(32 * n)
        got, end = 0, time.monotonic() + HUNG
        results = [None] * n
        while got < n:
            demand(time.monotonic() < end, f'{n - got} of {n} requests hang')
            limit = struct.pack('<qq', 1, 0)
            more = libc.syscall(208, self.ctx, 1, n - got, events, limit)
            for k in range(max(more, 0)):
                which, _, res, _ = struct.unpack_from('<QQqq', events, 32 * k)
                at, length = places[which]
                if res < 0:
                    results[which] = -int(res)
                elif res != length:
                    raise Bad(f'{res} bytes of {length}')
                else:
                    results[which] = requests[which][0] and True or self.buf[at:at + length]
            got += max(more, 0)
        return results


def call(fn, *args):
    try:
        fn(*args)
        return True
    except OSError as exc:
        return exc.errno


def punch(fd, offset, length):
    mode = ctypes.c_int(3)      # KEEP_SIZE, PUNCH_HOLE: WRITE_ZEROES without a fallback
    if libc.fallocate(fd, mode, ctypes.c_long(offset), ctypes.c_long(length)):
        raise OSError(ctypes.get_errno(), 'fallocate')


def discard(fd, offset, length):
    fcntl.ioctl(fd, 0x1277, struct.pack('=QQ', offset, length))


def node(fd):
    rdev = os.fstat(fd).st_rdev
    return os.major(rdev), os.minor(rdev)


def contexts(fd):
    names = []
    try:
        while True:
            name = ctypes.create_string_buffer(4096)
            arg = bytearray(struct.pack('=IIIIIIQ', len(names), 0, 4096, *node(fd), 0,
                                        ctypes.addressof(name)))
            fcntl.ioctl(fd, 0xc020ab40, arg)
            _, count, size, *_ = struct.unpack('=IIIIIIQ', arg)
            names.append(name.raw[:size].decode())
            if len(names) == count:
                return names
    except OSError as exc:
        demand(exc.errno == errno.EOPNOTSUPP, f'contexts: {exc}')
        return names


def block_status(fd, offset, length, flags=0):
    """The status of both contexts: for each the columns offset, length and status of its extents.

    Some servers' answers have a million of them, so nothing here is a loop over extents.
    """
    capacity = 65536
    room = bytearray(32 * capacity)
    place = ctypes.addressof(ctypes.c_char.from_buffer(room))
    found, done = tuple([array.array('Q') for _ in range(3)] for _ in range(2)), 0
    while done < length:
        arg = bytearray(struct.pack('=QQIIIIQQIIQ', offset + done, length - done, 0xffffffff,
                                    flags, capacity, 0, place, 0, *node(fd), 0))
        fcntl.ioctl(fd, 0xc040ab41, arg)
        count, _, covered = struct.unpack_from('=IQQ', arg, 28)
        demand(covered > 0, 'block status without progress')
        done += covered
        took_in(found, room[:32 * count], offset + done)
        if flags:
            break
    return found


def took_in(found, answer, end):
    """Adds one answer, of which the part before end counts: a context may be ahead of another."""
    words, context_of = array.array('Q', answer), array.array('I', answer)[6::8]
    for context, columns in enumerate(found):
        mine = [c == context for c in context_of]
        for i, column in enumerate(columns):
            column.extend(itertools.compress(words[i::4], mine))
        starts, sizes, _ = columns
        if any(mine) and starts[-1] < end < starts[-1] + sizes[-1]:
            sizes[-1] = end - starts[-1]


def as_bytes(extents, offset, length):
    starts, sizes, statuses = extents
    demand(starts and starts[0] == offset and
           all(map(operator.eq, map(operator.add, starts, sizes), starts[1:])),
           f'extents with a gap or overlap from {offset} on')
    demand(min(sizes) > 0, 'an empty extent')
    demand(max(statuses) < 256, f'an extent of status {max(statuses)}')
    out = b''.join(map(operator.mul, map(STATUS_BYTES.__getitem__, statuses), sizes))
    demand(len(out) == length, 'extents do not fill the range')
    return out


STATUS_BYTES = [bytes([status]) for status in range(256)]


TRUTH = ((bytes(65536) + b'\3' * 65536) * 16, (bytes(8192) + b'\1' * 8192) * 128)
LAYOUT = ['--context', 'base:allocation=alternate:65536', '--context', 'x-test:a=alternate:8192']
# What the spoiled answer says, for each context; None is the truth
SPOILED = [
    ('short-1$', (None, b'\1')),
    ('short', (None, b'\1' * 512)),
    ('differ', (None, b'\1' * 1024)),
    ('overshoot|past-end', (b'\3' * STATUS_LENGTH, None)),
    ('unknown-bits|overrun|sum-wraps|zero-first', (bytes(STATUS_LENGTH), None)),
    ('zero-last', (bytes(STATUS_LENGTH // 2), None)),
    ('over-million', (b'\0\1\2\3' * ((MIB + 1000) // 4), None)),
    ('million', (b'\0\1\2\3' * (MIB // 4), None)),
    ('', (None, None)),
]


def check_status(name, found):
    """Each context is as the spoiled answer says up to some byte, and true from there."""
    for i, spoiled in enumerate(first(SPOILED, name)):
        got = as_bytes(found[i], PLACE, STATUS_LENGTH)
        if got == TRUTH[i] and (spoiled is None or name == 'status-short-1'):
            continue
        demand(spoiled is not None, f'context {i}: not the truth')
        low, high = 0, len(spoiled)
        while low < high:
            middle = (low + high + 1) // 2
            if got[:middle] == spoiled[:middle]:
                low = middle
            else:
                high = middle - 1
        demand(low > 0 and got[low:] == TRUTH[i][low:], f'context {i}: neither said nor true')


# ---- one row ----

class Row:
    def __init__(self, worker, name, phase, outcome, second):
        self.name, self.phase, self.outcome, self.second = name, phase, outcome, second
        self.connections = 2 if name.startswith('second-') or second and outcome == 'drop' else 1
        self.dev = f'/dev/nbd{worker.index}'
        self.worker = worker
        self.sock = f'{worker.dir}/{name}-{int(second)}.sock'
        self.log_path = self.sock + '.log'
        self.spoiled_conn = None

    # witnesses

    def log(self):
        with open(self.log_path, encoding='utf-8', errors='replace') as f:
            return f.read()

    def klog(self):
        """Lines of the kernel log about our device, since the row began."""
        try:
            while True:
                line = os.read(self.kmsg, 8192).decode(errors='replace').split('\n', 1)[0]
                self.lines.append(line.split(';', 1)[1])
        except BlockingIOError:
            pass
        return [x for x in self.lines if x.startswith(self.dev[5:] + ': ')]

    def wait(self, seconds, condition, text):
        end = time.monotonic() + seconds
        while not condition():
            demand(time.monotonic() < end, text)
            time.sleep(0.02)

    def attached(self):
        # a disk that had users when it was detached is gone until they are, and may go in between
        try:
            with open(f'/sys/block/{self.dev[5:]}/size', encoding='ascii') as f:
                return int(f.read()) != 0
        except OSError as exc:
            if exc.errno not in (errno.ENOENT, errno.ENODEV):
                raise
            return False

    # parts

    def server_args(self):
        args = ['--image', self.worker.image, '--evil', self.name]
        if self.phase != 'handshake' and not self.name.startswith('flush'):
            args += ['--at', str(PLACE)]
        if self.phase == 'any':
            args += ['--on', 'READ']
        # Without chunks, the content under another's cookie cannot be told from the right one.
        simple = self.phase == 'any' and self.second and self.name != 'cookie-other'
        if simple or self.name == 'read-chunk-unasked':
            args += ['--flags', 'no-structured']
        return args + LAYOUT

    def start_server(self):
        self.worker.restore(PLACE, 4 * MIB if self.name == 'write-never-read' else 4096)
        self.server = subprocess.Popen(
            ['evil-nbd', '--unix', self.sock, '--log', self.log_path, *self.server_args()],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        self.wait(20, lambda: os.path.exists(self.sock) or self.server.poll() is not None,
                  'server does not listen')

    def stop_server(self):
        self.server.terminate()
        said = self.server.communicate()[1].decode(errors='replace')
        demand(not said, f'server said: {said[:200]}')

    def tool(self, *args):
        done = subprocess.run(args, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, timeout=60, check=False)
        return done.returncode, done.stdout.decode(errors='backslashreplace')

    def attach(self, *more):
        mute = MUTE.search(self.name)
        shaking = self.phase == 'handshake'
        hasty = '8' if SLOW else '2'
        return self.tool('nbd-attach', '--no-reconnect', '--timeout',
                         hasty if mute and not shaking else '25', '--connect-timeout',
                         '2' if mute and shaking else '55', '-C', str(self.connections),
                         '--context', 'base:allocation', '--context', 'x-test:a', *more,
                         '--unix', self.sock, self.dev)

    def must_attach(self, *more):
        # a disk that went with users keeps its number until udev, slow among eight of these, closes
        # it
        for _ in range(6 if SLOW else 1):
            rc, said = self.attach(*more)
            if 'still in use after a forced detach' not in said:
                break
        demand(rc == 0, f'attach: exit status {rc}: {said}')
        self.fd = os.open(self.dev, os.O_RDWR | os.O_DIRECT)

    def detach(self):
        if self.fd is not None:
            os.close(self.fd)
            self.fd = None
        # udev, with eight disks that come and go, may look at one for longer than the tool waits
        for _ in range(6):
            rc, said = self.tool('nbd-detach', self.dev)
            if rc != EXIT_BUSY:
                break
        demand(rc == 0 and not self.attached(), f'detach: exit status {rc}: {said}')

    # the I/O that meets the misbehaviour

    def trigger(self):
        """Returns True, an errno, or raises Bad."""
        if self.phase == 'status':
            return call(self.query)
        word = self.name.split('-')[0] if self.phase == 'write' else 'read'
        if word == 'flush':
            return call(os.fsync, self.fd)
        if word == 'trim':
            return call(discard, self.fd, PLACE, 4096)
        if word == 'zeroes':
            return call(punch, self.fd, PLACE, 4096)
        if word == 'write':
            length = 4 * MIB if self.name == 'write-never-read' else 4096
            self.written = b'n' * length
            return self.worker.aio.run(self.fd, [(self.written, PLACE, length)])[0]
        if self.name == 'cookie-stale':
            # which needs an answered request, and no other in flight
            self.read((ELSEWHERE, ELSEWHERE + 65536))
            return self.read((PLACE,))
        return self.read((PLACE, PLACE + 65536))

    def query(self):
        one = self.name == 'status-one-two'
        found = block_status(self.fd, PLACE, STATUS_LENGTH, 1 if one else 0)
        extents = tuple(list(zip(*columns)) for columns in found) if one else None
        if self.outcome == 'drop':
            check_status('', found)
        elif one:
            demand(extents == ([(PLACE, MIB, 1)], [(PLACE, 8192, 0)]) or
                   extents == ([(PLACE, 8192, 1)], [(PLACE, 8192, 0)]), f'one extent: {extents}')
        else:
            check_status(self.name, found)

    def read(self, places):
        """Reads at once; the result is that of the first one. What succeeds must be right."""
        results = self.worker.aio.run(self.fd, [(b'', p, 4096) for p in places])
        for place, result in zip(places, results):
            if isinstance(result, bytes):
                demand(result == pattern(place, 4096), f'wrong data at {place}')
        company = [r for r in results[1:] if not isinstance(r, bytes)]
        if company and (self.outcome != 'drop' or self.connections > 1):
            raise Bad(f'company failed: {os.strerror(company[0])}')
        return True if isinstance(results[0], bytes) else results[0]

    def check_content(self):
        """What a command did, where it succeeded."""
        word = self.name.split('-')[0]
        if self.phase == 'write' and self.outcome != 'error' and word in ('write', 'zeroes'):
            want = self.written[:4096] if word == 'write' else bytes(4096)
            got = os.pread(self.worker.fd, 4096, PLACE)
            demand(got == want, f"content of the server's file after {word}")
        if self.phase == 'status':
            check_status('', block_status(self.fd, PLACE, STATUS_LENGTH))

    # outcomes

    def check_fired(self):
        fired = re.search(f'EVIL {self.name} .*conn=(\\d+)', self.log())
        demand(fired, 'did not fire')
        self.spoiled_conn = int(fired[1])

    def same_connection(self):
        demand(self.read((ELSEWHERE, ELSEWHERE + 65536)) is True, 'next read failed')
        self.check_content()
        log = self.log()
        demand(f'READ {ELSEWHERE} 4096 conn=1' in log, 'next read is not on connection 1')
        demand('CONNECT 2' not in log and 'EOF' not in log, 'connection was replaced')
        demand(not [x for x in self.klog() if 'lost' in x], 'connection was lost')

    def ok(self):
        self.must_attach()
        result = self.trigger()
        demand(result is True, f'failed: {os.strerror(result)}')
        self.check_fired()
        self.same_connection()

    def error(self):
        self.must_attach()
        result = self.trigger()
        self.check_fired()
        # the block layer makes a success of a discard that is not supported
        if self.name != 'trim-enotsup':
            demand(result is not True, 'succeeded')
            want = first(STATUS_ERRNOS if self.phase == 'status' else ERRNOS, self.name)
            demand(result in want, f'failed with {errno.errorcode[result]}, want '
                   + '|'.join(errno.errorcode[e] for e in want))
        self.same_connection()

    def dropped(self):
        """True as soon as server and kernel log report the end of the spoiled connection."""
        if any(f'conn {self.spoiled_conn - 1}: lost' in x for x in self.klog()):
            return True
        # bytes behind the last reply are noticed with the next one
        result = self.read([ELSEWHERE + i * 65536 for i in range(4)])
        demand(self.connections == 1 or result is True, 'read failed though one connection is left')
        return False

    def drop(self):
        self.must_attach()
        result = self.trigger()
        self.check_fired()
        if self.name == 'write-error-success':
            demand(result == errno.EIO, 'its first answer is EIO')
        elif self.connections > 1:
            demand(result is True, f'failed: {result is True or os.strerror(result)}')
        elif not (result is True and LATE.search(self.name)):
            demand(result is not True, 'succeeded')
            demand(result == errno.EIO, f'failed with {errno.errorcode[result]}, want EIO')
        self.wait(10, self.dropped, 'connection was not dropped')
        log = self.log()
        if self.connections > 1:
            demand(self.read([ELSEWHERE + i * 65536 for i in range(8)]) is True, 'next read failed')
            self.check_content()
            lost = [x for x in self.klog() if 'lost' in x]
            demand(len(lost) == 1, f'lost: {lost}')
        else:
            demand(self.read((ELSEWHERE, ELSEWHERE)) == errno.EIO,
                   'read succeeds without a connection')
        demand('CONNECT 3' not in log, 'a new connection')
        self.check_rule()

    def check_rule(self):
        rule = first(RULES, self.name)
        log = self.klog()
        reasons = first(REASONS, self.name)
        demand(any(f'lost, error -{reason}' in x for x in log for reason in reasons),
               f'kernel log does not say {[errno.errorcode[r] for r in reasons]}: {log[1:]}')
        if any('protocol violation' in x or 'no reply to' in x for x in log) or 'lost' == rule:
            demand(any(re.search(rule, x) for x in log),
                   f'kernel log does not say "{rule}": {log[1:]}')
        else:
            self.silent = True

    def refuse(self):
        start = time.monotonic()
        rc, said = self.attach()
        took = time.monotonic() - start
        want = first(EXITS, self.name)
        demand(rc != 0, 'attached')
        demand(not self.attached(), 'failed, but is attached')
        demand(f'EVIL {self.name} ' in self.log(), 'did not fire')
        demand(rc in want, f'exit status {rc}, want {want}: {said}')
        demand(said.startswith(f'nbd-attach: {self.dev}: cannot attach '), f'message: {said}')
        demand(re.fullmatch(r'[ -~\n]*', said), f'control bytes in the message: {said!r}')
        demand(took < 20, f'took {took:.0f} s')

    def degrade(self):
        if self.second:
            rc, said = self.attach('--require-context')
            demand(rc not in (0, 3, 13) and not self.attached(),
                   f'--require-context: exit status {rc}: {said}')
            return
        self.must_attach()
        demand(f'EVIL {self.name} ' in self.log(), 'did not fire')
        want = ['base:allocation'] if self.name == 'set-missing-one' else []
        demand(contexts(self.fd) == want, f'contexts {contexts(self.fd)}')
        self.same_connection()

    def handshake_ok(self):
        self.must_attach()
        demand(f'EVIL {self.name} ' in self.log(), 'did not fire')
        # without GO there is nothing that the contexts are of
        if self.name not in ('go-err-unsup', 'export-name-padded'):
            # more than was asked for is allowed
            demand({'base:allocation', 'x-test:a'} <= set(contexts(self.fd)),
                   f'contexts {contexts(self.fd)}')
        with open(f'/sys/block/{self.dev[5:]}/size', encoding='ascii') as f:
            demand(int(f.read()) * 512 == SIZE, 'size of the disk')
        self.same_connection()

    def handshake_drop(self):
        """The server breaks off, or breaks the protocol, when the handshake is just over."""
        rc, said = self.attach()
        if rc:
            demand(rc in (6, 12) and not self.attached(), f'exit status {rc}: {said}')
        else:
            self.fd = os.open(self.dev, os.O_RDWR | os.O_DIRECT)
            demand(self.read((PLACE, PLACE)) == errno.EIO, 'read succeeded')
        # where the server was quick, the driver did not take the connection at all
        if not rc or 'closed a connection' not in said:
            self.check_rule()

    def listing(self):
        """Only a client that lists meets these."""
        rc, said = self.tool('nbd-info', '--connect-timeout', '55', '--unix', self.sock)
        demand(f'EVIL {self.name} ' in self.log(), 'did not fire')
        demand('protocol violation' in said, f'nbd-info: exit status {rc}: {said[-300:]}')
        demand(rc == 12, f'nbd-info: exit status {rc}, want 12: {said[-300:]}')

    def body(self):
        if self.name.startswith('list-'):
            return self.listing()
        if self.phase == 'handshake' and self.outcome in ('ok', 'drop'):
            return self.handshake_ok() if self.outcome == 'ok' else self.handshake_drop()
        return getattr(self, self.outcome)()

    def run(self):
        problems, self.fd, self.lines, self.silent = [], None, [], False
        self.kmsg = os.open('/dev/kmsg', os.O_RDONLY | os.O_NONBLOCK)
        os.lseek(self.kmsg, 0, os.SEEK_END)
        for part in (self.start_server, self.body, self.end, self.check_violations,
                     self.stop_server):
            try:
                part()
            except (Bad, OSError, subprocess.SubprocessError) as exc:
                problems.append(str(exc) or type(exc).__name__)
        os.close(self.kmsg)
        if self.attached():
            self.tool('nbd-detach', '--force', self.dev)
        return problems

    def end(self):
        if self.attached():
            self.detach()

    def check_violations(self):
        # the server may still be about to read what we sent
        time.sleep(0.02)
        wrong = re.findall('VIOLATION.*', self.log())
        demand(not wrong, '; '.join(wrong[:3]))


# ---- all rows ----

class Worker:
    def __init__(self, index, where):
        self.index, self.dir, self.aio = index, where, Aio()
        self.image = f'{where}/image{index}'
        self.fd = os.open(self.image, os.O_RDWR | os.O_CREAT)
        self.restore(0, SIZE)

    def restore(self, offset, length):
        os.pwrite(self.fd, PATTERN[offset:offset + length], offset)

    def work(self, jobs, todo, results):
        while True:
            number = os.read(todo, 2)
            if not number:
                return
            job = jobs[struct.unpack('=H', number)[0]]
            start = time.monotonic()
            row = Row(self, *job)
            problems = row.run()
            line = '\t'.join([job[0] + ('/2' if job[3] else ''), str(int(row.silent)),
                              f'{time.monotonic() - start:.1f}', *problems]).replace('\n', ' ')
            os.write(results, line[:4000].encode() + b'\n')


def runs_of(name, phase, outcome):
    yield (name, phase, outcome, False)
    # other than that a second connection takes over, the second run of phase any is without chunks
    if outcome in ('drop', 'degrade') and \
       name not in ('close-opened', 'go-early-reply', 'go-padding') or phase == 'any':
        yield (name, phase, outcome, True)


def main():
    where, phase, only = sys.argv[1], sys.argv[2], sys.argv[3:]
    table = subprocess.run(['evil-nbd', '--list'], check=True, capture_output=True,
                           text=True).stdout
    rows = [line.split('\t')[:3] for line in table.splitlines()]
    rows = [r for r in rows if r[1] == phase and (not only or r[0] in only)]
    jobs = [run for row in rows for run in runs_of(*row)]
    # those that wait come first, so that the others fill the time
    jobs.sort(key=lambda job: not MUTE.search(job[0]))
    todo, fill = os.pipe()
    results, out = os.pipe()
    os.write(fill, b''.join(struct.pack('=H', i) for i in range(len(jobs))))
    os.close(fill)
    workers = []
    for i in range(1, WORKERS + 1):
        pid = os.fork()
        if not pid:
            try:
                Worker(i, where).work(jobs, todo, out)
            finally:
                os._exit(0)
        workers.append(pid)
    os.close(out)

    done, failed, silent, data, slow = set(), 0, 0, b'', []
    while select.select([results], [], [], 4 * HUNG)[0]:
        more = os.read(results, 65536)
        if not more:
            break
        *lines, data = (data + more).split(b'\n')
        for line in lines:
            name, mute, took, *problems = line.decode(errors='replace').split('\t')
            done.add(name)
            silent += int(mute)
            slow.append((float(took), name))
            if problems:
                failed += 1
                print(f'# not ok {name}: ' + '; '.join(problems), flush=True)
    missing = [j[0] for j in jobs if j[0] + ('/2' if j[3] else '') not in done]
    if missing:
        print('# not ok, no result: ' + ' '.join(missing))
    print(f'# {len(rows)} rows of phase {phase}, {len(jobs)} runs, {failed} failed; longest '
          + ', '.join(f'{n} {t} s' for t, n in sorted(slow)[-3:]))
    if silent:
        said = subprocess.run(['dmesg'], check=True, capture_output=True, text=True).stdout
        limited = re.search('callbacks suppressed', said)
        print(f'# {silent} rules that the kernel log does not name' +
              (', its rate is limited' if limited else ''))
        failed += not limited
    if not rows:
        print(f'# no row of phase {phase}')
    for pid in workers:
        if missing:
            os.kill(pid, 9)
        os.waitpid(pid, 0)
    return 1 if failed or missing or not rows else 0


if __name__ == '__main__':
    sys.exit(main())
