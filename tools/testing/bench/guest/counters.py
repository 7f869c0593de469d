# SPDX-License-Identifier: GPL-2.0-only
"""What the kernel counts meanwhile."""
import os

TRACE = '/sys/kernel/tracing'

# What sockets are driven by, counted in a pass of its own: by a task that is not a server, ...
CALLS = ('inet_sendmsg', 'inet_recvmsg', 'unix_stream_sendmsg', 'unix_stream_recvmsg',
         'unix_stream_read_skb')
SERVERS = ('lean-nbd', 'nbdkit')
# ... and what no server calls, but a driver in a softirq that came in the middle of one: reading in
# place, and what sends under the lock, without those that tcp_sendmsg() does for all others
DIRECT = {'tcp_read_sock': 1, 'tcp_sendmsg_locked': 1, 'tcp_sendmsg': -1}


def switches():
    with open('/proc/stat') as file:
        return next(int(line.split()[1]) for line in file if line.startswith('ctxt'))


def processors():
    """Time that all of them have spent, and what of it idle, in ticks."""
    with open('/proc/stat') as file:
        ticks = [int(field) for field in file.readline().split()[1:9]]
    return sum(ticks), ticks[3] + ticks[4]


def moved(name):
    """Bytes that a disk has read and written."""
    with open(f'/sys/block/{name}/stat') as file:
        fields = file.read().split()
    return (int(fields[2]) + int(fields[6])) * 512


class Calls:
    """Counts calls of the sockets' functions by others than servers, by kprobes."""

    def __init__(self):
        self.names = {}
        others = ' && '.join(f'COMM != "{server}"' for server in SERVERS)
        if not os.path.exists(f'{TRACE}/kprobe_events'):
            return
        for name in (*CALLS, *DIRECT):
            try:
                write('kprobe_events', f'p:bench/{name} {name}', os.O_APPEND)
            except OSError:
                continue    # not in this kernel
            self.names[name] = 'hist:keys=common_type' + (f' if {others}' * (name in CALLS))
            write(f'events/bench/{name}/trigger', self.names[name])

    def count(self):
        total = 0
        for name in self.names:
            for line in open(f'{TRACE}/events/bench/{name}/hist'):
                if line.startswith('{'):
                    total += int(line.split('hitcount:')[1]) * DIRECT.get(name, 1)
        return total

    def close(self):
        for name, trigger in self.names.items():
            write(f'events/bench/{name}/trigger', '!' + trigger)
            write('kprobe_events', f'-:bench/{name}', os.O_APPEND)
        self.names = {}


def write(path, text, flags=os.O_TRUNC):
    fd = os.open(f'{TRACE}/{path}', os.O_WRONLY | os.O_CLOEXEC | flags)
    try:
        os.write(fd, text.encode() + b'\n')
    finally:
        os.close(fd)
