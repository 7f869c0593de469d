#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""names.py FILE: a name server at 127.0.0.1 that knows one host by all names.

FILE has its addresses, one a line, and is read for each question. The first that was told before
is the last next time, as name servers do it to spread load.
"""
import socket
import struct
import sys

TYPE_A = 1


def answer(question, turn):
    end = question.index(b'\0', 12) + 5
    kind, = struct.unpack('>H', question[end - 4:end - 2])
    with open(sys.argv[1], encoding='ascii') as file:
        addresses = file.read().split()
    if kind != TYPE_A or not addresses:
        addresses = []
    else:
        turn %= len(addresses)
        addresses = addresses[turn:] + addresses[:turn]
    header = question[:2] + struct.pack('>HHHHH', 0x8580, 1, len(addresses), 0, 0)
    records = b''.join(struct.pack('>HHHIH', 0xc00c, TYPE_A, 1, 0, 4) + socket.inet_aton(address)
                       for address in addresses)
    return header + question[12:end] + records, kind == TYPE_A


def main():
    turn = 0
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(('127.0.0.1', 53))
        print('ready', flush=True)
        while True:
            question, peer = sock.recvfrom(512)
            told, counts = answer(question, turn)
            turn += counts
            sock.sendto(told, peer)


main()
