#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Stands between client and server, on Unix sockets: urgent.py LISTEN SERVER AFTER

Passes on what each of them says, and says a byte of its own to the client once the server has said
AFTER bytes: out of band, which the protocol does not know.
"""
import os
import select
import socket
import sys


def main():
    listen, server, after = sys.argv[1], sys.argv[2], int(sys.argv[3])
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(listen)
    listener.listen()
    while True:
        client, _ = listener.accept()
        if os.fork() == 0:
            listener.close()
            between(client, server, after)
            return
        client.close()


def between(client, server, after):
    there = socket.socket(socket.AF_UNIX)
    there.connect(server)
    said = 0
    while True:
        for source in select.select([client, there], [], [])[0]:
            data = source.recv(1 << 16)
            if not data:
                return
            if source is client:
                there.sendall(data)
                continue
            client.sendall(data)
            if said < after <= said + len(data):
                client.send(b'!', socket.MSG_OOB)
                print('said so', flush=True)
            said += len(data)


main()
