#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""fakenbd MODE SOCKET: a server that makes one kind of trouble while options are negotiated. What it
cannot be told by a client's option it writes to SOCKET.log."""

import socket
import struct
import sys

REPLY_MAGIC = 0x3E889045565A9
ABORT, LIST, STRUCTURED = 2, 3, 8
ACK, SERVER = 1, 2
ERR_POLICY, ERR_INVALID, ERR_UNKNOWN = 0x80000002, 0x80000003, 0x80000006


def receive(peer, length):
    data = b''
    while len(data) < length:
        more = peer.recv(length - len(data))
        if not more:
            raise EOFError
        data += more
    return data


def answers(mode, option):
    if option == STRUCTURED:
        return [(ACK, b'')]
    if option != LIST:
        return [(ERR_INVALID if mode == 'invalid' else ERR_UNKNOWN, b'')]
    if mode == 'nolist':
        return [(ERR_POLICY, b'')]
    names = {'invalid': b'x', 'badname': b'\xff', 'mute': b'x'}
    if mode not in names:
        return [(ACK, b'')]
    name = names[mode]
    return [(SERVER, struct.pack('>I', len(name)) + name), (ACK, b'')]


def serve(peer, mode, log):
    if mode == 'nogreeting':
        peer.sendall(b'SSH-2.0-OpenSSH_9.2p1 Debian\r\n')
    else:
        peer.sendall(b'NBDMAGICIHAVEOPT' + struct.pack('>H', 3))
    log.write(receive(peer, 4).hex() + '\n')
    while True:
        header = receive(peer, 16)
        magic, option, length = struct.unpack('>8sII', header)
        receive(peer, length)
        log.write('%s %u\n' % ('option' if magic == b'IHAVEOPT' else header, option))
        log.flush()
        if mode == 'mute' and option not in (LIST, ABORT):
            continue
        for kind, data in answers(mode, option):
            peer.sendall(struct.pack('>QIII', REPLY_MAGIC, option, kind, len(data)) + data)


def main():
    mode, path = sys.argv[1:]
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen(8)
    with open(path + '.log', 'w', encoding='ascii') as log:
        while True:
            peer, _ = listener.accept()
            try:
                serve(peer, mode, log)
            except (EOFError, OSError):
                peer.close()


main()
