#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""profile.py COUNTS ARTIFACTS JOBS [FOLDED]: where the instructions of one I/O go.

COUNTS is the file of the plugin, ARTIFACTS the directory with the guest's symbols and images, JOBS
the guest's output. FOLDED gets the chains of calls, for programs that draw flame graphs.
"""
import bisect
import collections
import json
import re
import sys

# Shown of each table: as many, and what is at least this part of an I/O
MOST = 45
LEAST = 0.002

# The last of these in a chain of calls tells what the instructions are for. What is called by
# none of them is a syscall or an interrupt.
PARTS = [(part, re.compile(f'({names})$')) for part, names in (
    ('copies', r'_*(memcpy|memmove|memset|memset_orig|memcpy_orig|rep_movs_alternative'
     r'|clear_page\w*|copy_(user|mc)\w*|_copy_(to|from)_(user|iter)\w*|copy_user_generic_string'
     r'|_?copy_(to|from)_iter|simple_copy_to_iter|skb_copy_(bits|datagram_iter))'),
    ('wake, switch, workers', r'_*(schedule|schedule_\w+|preempt_schedule\w*|cond_resched'
     r'|try_to_wake_up|wake_up\w*|default_wake_function|ep_poll_callback|_?_?queue_work_on'
     r'|queue_delayed_work_on|mod_delayed_work_on|__queue_work|worker_thread|kthread|io_schedule\w*'
     r'|__switch_to_asm|ret_from_fork\w*|smpboot_thread_fn|_*flush_smp_call\w*|aio_read_events'
     r'|prepare_to_wait\w*|finish_wait|autoremove_wake_function)'),
    ('socket: receive', r'(tcp_read_sock|tcp_recvmsg\w*|sock_recvmsg|inet6?_recvmsg|unix_stream_\w*'
     r'(recvmsg|read)\w*|__sys_recv\w+|kernel_recvmsg)'),
    ('socket: send', r'(sock_sendmsg\w*|kernel_sendmsg\w*|tcp_sendmsg\w*|inet6?_sendmsg'
     r'|__sys_send\w+|unix_stream_sendmsg)'),
    ('socket: arrival (softirq)', r'(__do_softirq|handle_softirqs|net_rx_action)'),
    ('clock', r'(sysvec_apic_timer_interrupt|asm_sysvec_apic_timer_interrupt|hrtimer_interrupt)'),
    ('block layer: complete', r'(blk_mq_end_request\w*|blk_mq_complete_request\w*'
     r'|blk_update_request|blk_complete_reqs|blk_mq_free_request|blk_done_softirq)'),
    ('block layer: submit, aio', r'(__x64_sys_io_\w+|submit_bio\w*|blk_mq_\w+|blkdev_\w+'
     r'|__blk_\w+|blk_finish_plug|read_events|io_submit_one)'),
    ('epoll', r'(__x64_sys_epoll\w*|do_epoll_\w+)'))]


class Guest:
    """Names of addresses."""

    def __init__(self, directory):
        self.functions = []
        with open(f'{directory}/symbols') as file:
            for line in file:
                address, kind, name, *module = line.split()
                if kind in 'tTwW':
                    module = module[0].strip('[]') if module else ''
                    self.functions.append((int(address, 16), name, module))
        self.functions.sort()
        self.addresses = [function[0] for function in self.functions]
        with open(f'{directory}/images') as file:
            self.images = [(*(int(end, 16) for end in span.split('-')), program, name)
                           for span, program, name in map(str.split, file)]
        self.known = {}

    def image(self, address, which):
        return next((image[which] for image in self.images if image[0] <= address < image[1]), '?')

    def program(self, address):
        return self.image(address, 2) if address else 'kernel'

    def name(self, address):
        """(function, module), or ("[image]", "program")."""
        if address not in self.known:
            if address < 1 << 63:
                found = f'[{self.image(address, 3).rsplit("/", 1)[-1]}]', 'program'
            else:
                at = bisect.bisect_right(self.addresses, address) - 1
                found = self.functions[at][1:] if at >= 0 else ('?', '')
            self.known[address] = found
        return self.known[address]


def windows(path):
    """Of each count: {call: (parent, address)}, {stack: user address}, [(call, address, n)]."""
    calls, users, ran = {}, {}, []
    with open(path) as file:
        for line in file:
            kind, *fields = line.split()
            if kind == 'stack':
                users[int(fields[0])] = int(fields[1], 16)
            elif kind == 'call':
                calls[int(fields[0])] = (fields[1], int(fields[2], 16))
            elif kind == 'ran':
                ran.append((int(fields[0]), int(fields[1], 16), int(fields[2])))
            else:
                yield calls, users, ran
                calls, users, ran = {}, {}, []


def chains(guest, calls, users, ran):
    """(program or work, [(function, module)...], n) for all that ran."""
    known = {}

    def chain(number):
        if number not in known:
            parent, address = calls[number]
            if parent.startswith('s'):
                known[number] = guest.program(users.get(int(parent[1:]), 0)), ()
            else:
                who, above = chain(int(parent))
                known[number] = who, above + (guest.name(address),)
        return known[number]

    for number, address, n in ran:
        who, names = chain(number)
        name = guest.name(address)
        if name[1] == 'program':
            names = (name,)
        elif not names or names[-1] != name:
            names += (name,)
        yield who, names, n


def actor(who, names):
    """The program, or the work of a worker: what process_one_work called."""
    if who != 'kernel':
        return who
    for caller, callee in zip(names, names[1:]):
        if caller[0] == 'process_one_work' and callee[1]:
            return callee[0]
    return 'workers'


def part(names):
    for name, module in reversed(names):
        if module:
            return 'program' if module == 'program' else module
        for title, pattern in PARTS:
            if pattern.match(name):
                return title
    return 'syscalls, interrupts'


def show(title, counter, ios):
    total = sum(counter.values())
    print(f'{title}\n')
    for name, n in counter.most_common(MOST):
        if n / ios >= 1:
            print(f'{n / ios:10,.0f} {100 * n / total:5.1f} %  {name}')
    print()


def inclusive(title, rows, ios):
    """Each function with all that it called, by whom it was called for."""
    counter = collections.Counter()
    total = sum(n for _, _, n in rows)
    for who, names, n in rows:
        for name in sorted({name for name, _ in names}):
            counter[f'{who:16} {name}'] += n
    for name in [name for name, n in counter.items() if n < LEAST * total]:
        del counter[name]
    print(f'{title}\n')
    for name, n in counter.most_common(2 * MOST):
        print(f'{n / ios:10,.0f} {100 * n / total:5.1f} %  {name}')
    print()


def report(job, rows, folded):
    rows = [(actor(who, names), names, n) for who, names, n in rows]
    total = sum(n for _, _, n in rows)
    ios = job['ios']
    print(f'==== {job["driver"]}: {job["job"]}: {total / ios:,.0f} instructions per I/O '
          f'({ios} I/Os)\n')
    who, what, both, function = (collections.Counter() for _ in range(4))
    for name, names, n in rows:
        who[name] += n
        what[part(names)] += n
        both[f'{name:16} {part(names)}'] += n
        function[f'{part(names):26} {names[-1][0]}'] += n
    show('By who: the program, or the work of a worker', who, ios)
    show('By what it is for', what, ios)
    show('By both', both, ios)
    show('By function, without what it calls', function, ios)
    inclusive('By function, with what it calls', rows, ios)
    if folded:
        lines = collections.Counter()
        for name, names, n in rows:
            lines[';'.join((job['job'], name, *(name for name, _ in names)))] += n
        for line, n in lines.items():
            print(line.replace(' ', '_'), n, file=folded)


def main():
    counts, directory, jobs, *folded = sys.argv[1:]
    guest = Guest(directory)
    folded = open(folded[0], 'w') if folded else None
    with open(jobs) as file:
        jobs = [json.loads(line.split(' ', 1)[1]) for line in file if line.startswith('PROFILE ')]
    counted = list(windows(counts))
    if not jobs or len(jobs) != len(counted):
        sys.exit(f'profile: {len(jobs)} jobs, but {len(counted)} counts')
    for job, window in zip(jobs, counted):
        report(job, chains(guest, *window), folded)


main()
