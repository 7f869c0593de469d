# SPDX-License-Identifier: GPL-2.0-only
"""A small and strict NBD client over raw sockets, the counterpart of evil-nbd in its own tests.

Three ways to end badly: Refused (the handshake), Fault (the connection must go), CommandError (only
that command fails). Rules are those of the public NBD protocol document.
"""
import select
import socket
import struct

OPTS = 0x49484156454F5054
EXPORT_NAME, ABORT, LIST, INFO, GO, STRUCTURED, LIST_META, SET_META = 1, 2, 3, 6, 7, 8, 9, 10
ERR_UNSUP, ERR_TLS_REQD, ERR_SHUTDOWN = 0x80000001, 0x80000005, 0x80000007
READ, WRITE, DISC, FLUSH, TRIM, CACHE, WRITE_ZEROES, BLOCK_STATUS = range(8)
FUA, NO_HOLE, DF, REQ_ONE, FAST_ZERO = 1, 2, 4, 8, 16
DONE = 1
ESHUTDOWN = 108
MAX_STRING = 4096
MAX_REPLIES = 1000


class Refused(Exception):
    pass


class Fault(Exception):
    pass


class CommandError(Exception):
    pass


def u32(n):
    return struct.pack('>I', n)


def text_ok(raw):
    if len(raw) > MAX_STRING or b'\0' in raw:
        return False
    try:
        raw.decode()
    except UnicodeDecodeError:
        return False
    return True


class Request:
    def __init__(self, command, offset, length, flags=0):
        self.command, self.offset, self.length, self.flags = command, offset, length, flags
        self.data = bytearray(length) if command == READ else None
        self.covered = []
        self.status = {}
        self.error = None
        self.done = False


class Client:
    def __init__(self, path, timeout=10):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(timeout)
        self.sock.connect(path)
        self.structured = False
        self.contexts = {}
        self.flags = self.size = None
        self.block_size = None
        self.inflight = {}
        self.dead = {}
        self.cookie = 0x1122334400000000

    def close(self):
        self.sock.close()

    def recv(self, n, error=Fault):
        buf = bytearray()
        while len(buf) < n:
            try:
                part = self.sock.recv(min(n - len(buf), 1 << 20))
            except OSError as exc:
                raise error(f'{exc} after {len(buf)} of {n} bytes') from exc
            if not part:
                raise error(f'EOF after {len(buf)} of {n} bytes')
            buf += part
        return bytes(buf)

    # ---- handshake ----

    def push(self, data):
        try:
            self.sock.sendall(data)
        except OSError as exc:
            raise Refused(f'send: {exc}') from exc

    def greet(self):
        magic, second, hflags = struct.unpack('>QQH', self.recv(18, Refused))
        if magic != 0x4e42444d41474943 or second != OPTS:
            raise Refused('not a newstyle NBD server')
        self.fixed, self.no_zeroes = bool(hflags & 1), bool(hflags & 2)
        self.push(u32(hflags & 3))

    def send_option(self, option, data=b''):
        self.push(struct.pack('>QII', OPTS, option, len(data)) + data)

    def option(self, option, data=b''):
        """Returns (final reply type, list of (type, data) before it)."""
        self.send_option(option, data)
        replies = []
        while len(replies) < MAX_REPLIES:
            magic, echo, kind, length = struct.unpack('>QIII', self.recv(20, Refused))
            if magic != 0x3e889045565a9 or echo != option or length > 65536:
                raise Refused('malformed option reply')
            data = self.recv(length, Refused)
            if kind & 0x80000000:
                if kind in (ERR_SHUTDOWN, ERR_TLS_REQD):
                    raise Refused(f'error {kind:#x}')
                return kind, []
            if kind == 1:
                if length:
                    raise Refused('ACK with data')
                return kind, replies
            replies.append((kind, data))
        raise Refused('replies without end')

    def set_contexts(self, export, wanted):
        data = u32(len(export)) + export + u32(len(wanted))
        for name in wanted:
            data += u32(len(name)) + name
        kind, replies = self.option(SET_META, data)
        told = {}
        for reply, data in replies:
            if reply != 4 or len(data) < 4 or not text_ok(data[4:]):
                raise Refused('malformed context')
            name, cid = data[4:], struct.unpack('>I', data[:4])[0]
            if told.get(name, cid) != cid or any(i == cid and n != name for n, i in told.items()):
                raise Refused('contradictory contexts')
            told[name] = cid
        self.contexts = {} if kind != 1 else told

    def take_info(self, replies):
        for reply, data in replies:
            if reply != 3 or len(data) < 2:
                raise Refused('malformed info')
            kind = struct.unpack('>H', data[:2])[0]
            if kind == 0:
                if len(data) != 12:
                    raise Refused('length of INFO_EXPORT')
                self.size, self.flags = struct.unpack('>QH', data[2:])
            if kind == 3:
                if len(data) != 14:
                    raise Refused('length of INFO_BLOCK_SIZE')
                self.block_size = struct.unpack('>III', data[2:])

    def export_name(self, export):
        self.send_option(EXPORT_NAME, export)
        self.size, self.flags = struct.unpack('>QH', self.recv(10, Refused))
        if not self.no_zeroes:
            self.recv(124, Refused)

    def check_facts(self):
        if self.size is None or not self.flags & 1 or self.size < 512 or self.size >= 1 << 63:
            raise Refused('size or flags make no sense')
        if self.block_size:
            low, pref, high = self.block_size
            if (low < 1 or low > 65536 or low & (low - 1) or pref & (pref - 1) or
                    pref < max(low, 512) or high < pref):
                raise Refused('block sizes make no sense')

    def attach(self, wanted=(), export=b'disk'):
        self.greet()
        if not self.fixed:
            self.export_name(export)
            return self.check_facts()
        self.structured = self.option(STRUCTURED)[0] == 1
        if self.structured and wanted:
            self.set_contexts(export, wanted)
        data = u32(len(export)) + export + struct.pack('>HH', 1, 3)
        kind, replies = self.option(GO, data)
        if kind == ERR_UNSUP:
            self.export_name(export)
        elif kind != 1:
            raise Refused(f'GO failed: {kind:#x}')
        self.take_info(replies)
        self.check_facts()
        return None

    # ---- transmission ----

    def send(self, command, offset=0, length=0, flags=0, payload=b''):
        self.cookie += 0x100000001
        req = Request(command, offset, length, flags)
        self.inflight[self.cookie] = req
        head = struct.pack('>IHHQQI', 0x25609513, flags, command, self.cookie, offset, length)
        try:
            self.sock.sendall(head + payload)
        except OSError as exc:
            raise Fault(f'send: {exc}') from exc
        return req

    def disc(self):
        self.sock.sendall(struct.pack('>IHHQQI', 0x25609513, 0, DISC, 0, 0, 0))
        self.sock.close()

    def fail(self, req, error):
        if error == ESHUTDOWN:
            raise Fault('ESHUTDOWN')
        req.error = req.error or error or 22

    def find(self, cookie):
        if cookie not in self.inflight:
            raise Fault(f'unknown cookie {cookie:#x}')
        return self.inflight[cookie]

    def simple(self, req, cookie, error):
        if error:
            self.fail(req, error)
        elif req.command == READ and not self.structured:
            req.data[:] = self.recv(req.length)
            req.covered.append((0, req.length))
        elif req.command in (READ, BLOCK_STATUS):
            raise Fault('simple success to a command that needs chunks')
        req.done = True
        del self.inflight[cookie]

    def cover(self, req, offset, length):
        start = offset - req.offset
        if not length or start < 0 or start + length > req.length:
            raise Fault('chunk outside the request')
        if any(start < b and a < start + length for a, b in req.covered):
            raise Fault('chunks overlap')
        req.covered.append((start, start + length))
        return start

    def status_chunk(self, req, payload):
        if len(payload) < 12 or (len(payload) - 4) % 8:
            raise Fault('length of a status chunk')
        cid = struct.unpack('>I', payload[:4])[0]
        if cid not in self.contexts.values() or cid in req.status:
            raise Fault('unknown or repeated context')
        found, total = [], 0
        for length, status in struct.iter_unpack('>II', payload[4:]):
            # what is beyond what was asked for, or says nothing, is passed over, as libnbd does
            if total >= req.length or req.flags & REQ_ONE and total:
                break
            if length:
                found.append((length, status))
                total += length
        req.status[cid] = found

    def error_chunk(self, req, kind, payload):
        fixed = 14 if kind == 0x8002 else 6
        if len(payload) < fixed:
            raise Fault('short error chunk')
        error, text = struct.unpack('>IH', payload[:6])
        if text > min(len(payload) - fixed, MAX_STRING):
            raise Fault('error text too long')
        self.fail(req, error)

    def content(self, req, kind, flags, payload):
        if kind & 0x8000:
            self.error_chunk(req, kind, payload)
        elif kind == 0:
            if payload or not flags & DONE:
                raise Fault('NONE with payload or without DONE')
        elif kind == 1 and req.command == READ and len(payload) > 8:
            start = self.cover(req, struct.unpack('>Q', payload[:8])[0], len(payload) - 8)
            req.data[start:start + len(payload) - 8] = payload[8:]
        elif kind == 2 and req.command == READ and len(payload) == 12:
            self.cover(req, *struct.unpack('>QI', payload))
        elif kind == 5 and req.command == BLOCK_STATUS:
            self.status_chunk(req, payload)
        else:
            raise Fault(f'chunk type {kind} with {len(payload)} bytes')

    def check_done(self, req):
        if req.error:
            return
        if req.command == READ and sum(b - a for a, b in req.covered) != req.length:
            raise Fault('gap in the data')
        if req.command == BLOCK_STATUS and len(req.status) != len(self.contexts):
            raise Fault('a context is missing')

    def chunk(self, cookie, flags, kind):
        length = struct.unpack('>I', self.recv(4))[0]
        if length > 9 << 20:
            raise Fault('absurd length')
        if self.dead.get(cookie):   # some servers continue after an error with DONE
            self.dead[cookie] -= 1
            self.recv(length)
            return
        req = self.find(cookie)
        self.content(req, kind, flags, self.recv(length))
        if flags & DONE:
            self.check_done(req)
            req.done = True
            if req.command == BLOCK_STATUS and req.error:
                self.dead[cookie] = len(self.contexts) - 1
            del self.inflight[cookie]

    def reply(self):
        magic, word, cookie = struct.unpack('>IIQ', self.recv(16))
        if magic == 0x67446698:
            self.simple(self.find(cookie), cookie, word)
        elif magic == 0x668e33ef and self.structured:
            self.chunk(cookie, word >> 16, word & 0xffff)
        else:
            raise Fault(f'reply magic {magic:#x}')

    def idle(self, seconds):
        """Nothing is expected: whatever comes is a fault, but for chunks of a dead cookie."""
        while select.select([self.sock], [], [], seconds)[0]:
            self.reply()

    def finish(self, *reqs, idle=0.02):
        while not all(r.done for r in reqs):
            self.reply()
        self.idle(idle)
        for r in reqs:
            if r.error:
                raise CommandError(r.error)

    def run(self, *args, **kwargs):
        req = self.send(*args, **kwargs)
        self.finish(req)
        return req
