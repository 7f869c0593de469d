#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Test of bare-nbd: it tells what it took, and believes in no reply that is none."""
import os
import socket
import struct
import subprocess
import threading

HERE = os.path.dirname(os.path.abspath(__file__))
SIZE = 1 << 20
results = []


def answer(magic=0x67446698, error=0, cookie=0):
    return struct.pack('>II', magic, error) + struct.pack('=Q', cookie)


def serve(listener, reply, seen):
    """One client, whose requests all get the same reply; None is to hang up."""
    peer = listener.accept()[0]
    with peer, peer.makefile('rb') as file:
        peer.sendall(b'NBDMAGICIHAVEOPT' + struct.pack('>H', 3))
        seen['hello'] = file.read(4 + 16)
        peer.sendall(struct.pack('>QH', SIZE, 1))
        while True:
            head = file.read(28)
            if len(head) < 28:
                return
            _, _, command, _, offset, length = struct.unpack('>IHHQQI', head)
            seen.setdefault('requests', []).append((command, offset, length))
            if command == 1:
                file.read(length)
            if not reply:
                return
            peer.sendall(reply + bytes(0 if command == 1 else length))


def bare(*args, reply=answer()):
    seen = {}
    with socket.create_server(('127.0.0.1', 0)) as listener:
        thread = threading.Thread(target=serve, args=(listener, reply, seen), daemon=True)
        thread.start()
        done = subprocess.run([f'{HERE}/bare-san', '--port', str(listener.getsockname()[1]),
                               '--ms', '1', *args], stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True, timeout=60, check=False)
        thread.join(60)
    return done, seen


def test(name, works):
    results.append(works)
    print(f'{"" if works else "not "}ok {len(results)} - {name}')


for options, command in ([], 0), (['--write'], 1):
    done, seen = bare('--depth', '4', '--block', '8192', *options)
    test(f'tells what a request of type {command} takes',
         done.returncode == 0 and int(done.stdout) > 0)
    test(f'asks for all of them, type {command}',
         seen['requests'][:4] == [(command, i * 8192, 8192) for i in range(4)])
for what, reply in {'an error': answer(error=5), 'another cookie': answer(cookie=1),
                    'no reply': answer(magic=1), 'the end': None}.items():
    done, _ = bare(reply=reply)
    test(f'{what} is no reply', done.returncode == 1 and bool(done.stderr))
test('an export that is too small', bare('--depth', '128', '--block', '8193')[0].returncode == 1)
test('a number that is none', subprocess.run([f'{HERE}/bare-san', '--depth', '0'], check=False,
                                             stderr=subprocess.DEVNULL).returncode == 2)
print(f'1..{len(results)}')
raise SystemExit(not all(results))
