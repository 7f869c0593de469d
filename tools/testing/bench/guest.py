#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""guest.py [--quick] DRIVER: measure one driver in the VM; a line of JSON for each row.

DRIVER is ours, in-tree, null (null_blk) or libnbd (fio's own engine, no disk). Under --icount a
nanosecond of the guest is one instruction, so time per I/O is instructions per I/O of the whole
system: client, TCP and server.
"""
import json
import os
import subprocess
import sys
import time

DISK = '/dev/nbd0'
SIZE = 256 << 20
PORT = 10899
SOCK = '/tmp/bench.sock'
TRACE = '/sys/kernel/tracing'

# What the sockets of a driver are driven by; counted in a pass of its own
CALLS = ('sock_sendmsg', 'kernel_sendmsg', 'sock_recvmsg', 'kernel_recvmsg', 'tcp_read_sock')


def job(name, rw, block, depth, engine='libaio', mix=None):
    return {'name': name, 'rw': rw, 'bs': block, 'depth': depth, 'engine': engine, 'mix': mix}


RANDOM = [job(f'4k rand{rw} QD{depth}', f'rand{rw}', '4k', depth)
          for depth in (1, 32, 128) for rw in ('read', 'write')]
LARGE = [job('128k read QD8', 'read', '128k', 8), job('128k write QD8', 'write', '128k', 8),
         job('1M read QD4', 'read', '1M', 4), job('1M write QD4', 'write', '1M', 4)]
MIXED = [job('4k rand 70/30 QD32', 'randrw', '4k', 32, mix=70)]
URING = [job('4k randread QD32 io_uring', 'randread', '4k', 32, 'io_uring'),
         job('4k randwrite QD32 io_uring', 'randwrite', '4k', 32, 'io_uring')]

# server, transport, connections, jobs
FULL = [('lean', 'tcp', 1, RANDOM + LARGE + MIXED + URING),
        ('lean', 'tcp', 4, RANDOM[2:]),
        ('lean', 'unix', 1, RANDOM[:4] + LARGE),
        ('nbdkit', 'tcp', 1, RANDOM[:4] + LARGE)]
QUICK = [('lean', 'tcp', 1, RANDOM[:4] + LARGE[:1] + LARGE[2:])]


def run(*args, **options):
    return subprocess.run(args, check=True, stdout=subprocess.PIPE, text=True, **options).stdout


def serve(kind, transport):
    """A server with SIZE bytes; the process."""
    if kind == 'lean':
        where = ['--unix', SOCK] if transport == 'unix' else ['--port', str(PORT)]
        server = subprocess.Popen(['lean-nbd', '--size', str(SIZE), *where])
    else:
        where = ['-U', SOCK] if transport == 'unix' else ['-i', '127.0.0.1', '-p', str(PORT)]
        server = subprocess.Popen(['nbdkit', '-f', *where, 'memory', str(SIZE)])
    for _ in range(200):
        if subprocess.run(['nbdinfo', '--size', uri(transport)], stdout=subprocess.DEVNULL,
                          stderr=subprocess.DEVNULL, check=False).returncode == 0:
            return server
        time.sleep(0.05)
    sys.exit(f'{kind} does not start')


def uri(transport):
    return f'nbd+unix:///?socket={SOCK}' if transport == 'unix' else f'nbd://127.0.0.1:{PORT}'


def attach(driver, transport, connections):
    if driver == 'ours':
        run('nbd-attach', '--no-reconnect', '-C', str(connections), uri(transport), DISK)
    elif driver == 'in-tree':
        where = ['-unix', SOCK] if transport == 'unix' else ['127.0.0.1', str(PORT)]
        run('nbd-client', *where, DISK, '-C', str(connections))
        for _ in range(100):
            if int(open('/sys/block/nbd0/size').read()):
                break
            time.sleep(0.02)
    subprocess.run(['udevadm', 'settle'], check=False)
    with open('/sys/block/nbd0/queue/scheduler', 'w') as file:
        file.write('none')


def detach(driver):
    subprocess.run(['udevadm', 'settle'], check=False)
    run(*(['nbd-detach', DISK] if driver == 'ours' else ['nbd-client', '-d', DISK]))


def fio(target, what, seconds):
    args = ['fio', '--output-format=json', '--name=bench', '--time_based', '--group_reporting',
            f'--runtime={int(seconds * 1000)}ms', '--ramp_time=50ms', '--direct=1',
            '--randrepeat=1', '--norandommap', f'--size={SIZE}', f'--rw={what["rw"]}',
            f'--bs={what["bs"]}', f'--iodepth={what["depth"]}', *target]
    if what['mix']:
        args.append(f'--rwmixread={what["mix"]}')
    return json.loads(run(*args))['jobs'][0]


def switches():
    with open('/proc/stat') as file:
        return next(int(line.split()[1]) for line in file if line.startswith('ctxt'))


class Calls:
    """Counts calls of the sockets' functions by kprobes, where the kernel has them."""

    def __init__(self):
        self.on = False
        try:
            self.write('kprobe_events', '')
            known = open('/proc/kallsyms').read()
            names = [name for name in CALLS if f' {name}\n' in known or f' {name}\t' in known]
            for name in names:
                self.write('kprobe_events', f'p:bench/{name} {name}\n', 'a')
            for name in names:
                self.write(f'events/bench/{name}/trigger', 'hist:keys=common_type\n')
            self.names, self.on = names, bool(names)
        except OSError:
            pass

    @staticmethod
    def write(path, text, mode='w'):
        with open(f'{TRACE}/{path}', mode) as file:
            file.write(text)

    def count(self):
        total = 0
        for name in self.names:
            for line in open(f'{TRACE}/events/bench/{name}/hist'):
                if 'hitcount:' in line:
                    total += int(line.split('hitcount:')[1])
        return total

    def close(self):
        if self.on:
            for name in self.names:
                self.write(f'events/bench/{name}/trigger', '!hist:keys=common_type\n')
            self.write('kprobe_events', '')


def measure(target, what, seconds):
    before = switches()
    result = fio(target, what, seconds)
    during = switches() - before
    sides = [result[side] for side in ('read', 'write') if result[side]['total_ios']]
    iops = sum(side['iops'] for side in sides)
    done = sum(side['total_ios'] for side in sides)
    slow = max(sides, key=lambda side: side['clat_ns']['mean'])['clat_ns']['percentile']
    return {'per_io': round(1e9 / iops), 'switches': round(during / done, 3), 'ios': done,
            'p50': slow['50.000000'], 'p99': slow['99.000000'], 'p99.9': slow['99.900000']}


def socket_calls(target, what):
    calls = Calls()
    if not calls.on:
        return None
    before = calls.count()
    result = fio(target, what, 0.1)
    count = calls.count() - before
    calls.close()
    return round(count / max(sum(result[s]['total_ios'] for s in ('read', 'write')), 1), 3)


def disk(what):
    return [f'--ioengine={what["engine"]}', '--filename=' + DISK]


def tell(**row):
    print('ROW ' + json.dumps(row), flush=True)


def bench_nbd(driver, plan, seconds):
    for server, transport, connections, jobs in plan:
        process = serve(server, transport)
        if driver != 'libnbd':
            attach(driver, transport, connections)
        for what in jobs:
            if driver == 'libnbd':
                target = ['--ioengine=nbd', '--uri=' + uri(transport)]
            else:
                target = disk(what)
            row = measure(target, what, seconds)
            if driver != 'libnbd' and what['depth'] == 32 and transport == 'tcp':
                row['calls'] = socket_calls(target, what)
            tell(driver=driver, server=server, transport=transport, connections=connections,
                 job=what['name'], **row)
        if driver != 'libnbd':
            detach(driver)
        process.terminate()
        process.wait()


def bench_null(plan, seconds):
    run('modprobe', 'null_blk', 'nr_devices=1', f'gb={max(SIZE >> 30, 1)}', 'bs=4096',
        'queue_mode=2', 'irqmode=0')
    for what in plan[0][3]:
        row = measure([f'--ioengine={what["engine"]}', '--filename=/dev/nullb0'], what, seconds)
        tell(driver='null', server='', transport='', connections=0, job=what['name'], **row)


def main():
    quick = '--quick' in sys.argv
    driver = sys.argv[-1]
    plan, seconds = (QUICK, 0.3) if quick else (FULL, 0.5)
    os.environ['LC_ALL'] = 'C'
    if driver in ('ours', 'in-tree'):
        run('modprobe', 'nbd')
        bench_nbd(driver, plan, seconds)
    elif driver == 'libnbd':
        bench_nbd(driver, plan[:1], seconds)
    else:
        bench_null(plan, seconds)


main()
