#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Stands between client and server: urgent.py LISTEN SERVER AFTER [TIMES]

LISTEN and SERVER are Unix sockets, or ports of this host. Passes on what each of them says, and
says a byte of its own to the client once the server has said AFTER bytes, in the middle of its next
reply, and so TIMES times (default 1): out of band, which the protocol does not know.
"""
import os
import select
import socket
import sys


def place(name):
    return (socket.AF_INET, ('127.0.0.1', int(name))) if name.isdigit() else (socket.AF_UNIX, name)


def main():
    listen, server, after = sys.argv[1], sys.argv[2], int(sys.argv[3])
    times = int(sys.argv[4]) if len(sys.argv) > 4 else 1
    family, address = place(listen)
    listener = socket.socket(family)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(address)
    listener.listen()
    while True:
        client, _ = listener.accept()
        if os.fork() == 0:
            listener.close()
            between(client, server, after, times)
            return
        client.close()


def between(client, server, after, times):
    family, address = place(server)
    there = socket.socket(family)
    there.connect(address)
    said, asked = 0, False
    while True:
        for source in select.select([client, there], [], [])[0]:
            data = source.recv(1 << 16)
            if not data:
                return
            if source is client:
                there.sendall(data)
                asked = True
                continue
            said += len(data)
            # a second one before the first is taken makes that one ordinary
            if said >= after and times and asked:
                times, asked = times - 1, False
                middle = len(data) // 2
                client.sendall(data[:middle])
                client.send(b'!', socket.MSG_OOB)
                print('said so', flush=True)
                data = data[middle:]
            client.sendall(data)


main()
