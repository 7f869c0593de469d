# SPDX-License-Identifier: GPL-2.0-only
"""Servers, disks and fio: what is measured, without the measuring."""
import glob
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time

DISK = '/dev/nbd0'
NULL = '/dev/nullb0'
SIZE = 256 << 20
PORT = 10899
SOCK = f'{tempfile.gettempdir()}/nbd-bench.{os.getpid()}.sock'
TOOLS = {'ours': ('nbd-attach', 'nbd-detach', 'nbd-map'), 'legacy': ('nbd-client',),
         'in-tree': ('nbd-client',)}


def run(*args, **options):
    return subprocess.run(args, check=True, stdout=subprocess.PIPE, text=True, **options).stdout


def modules(driver):
    """Files of the kernel's own nbd.ko, or of ours, on this machine."""
    base = f'/lib/modules/{os.uname().release}'
    below = 'kernel/drivers/block' if driver == 'in-tree' else 'updates'
    return glob.glob(f'{base}/{below}/nbd.ko*')


def missing(driver):
    """What a measurement of @driver on this machine lacks, in words."""
    if os.geteuid():
        yield 'must be run as root'
    for tool in ('fio', 'lean-nbd', 'nbdkit', 'nbdinfo', 'udevadm', *TOOLS.get(driver, ())):
        if not shutil.which(tool):
            yield f'{tool} is not installed'
    if driver in TOOLS and not modules(driver):
        yield f'no nbd.ko ({driver}) for {os.uname().release}'
    if driver in TOOLS and os.path.isdir('/sys/module/nbd'):
        if int(open('/sys/module/nbd/refcnt').read()):
            yield 'module nbd is in use'
    if os.path.isdir('/sys/module/nbd') and glob.glob('/sys/block/nbd*/pid'):
        yield 'disks are attached'


def load(driver):
    """The driver's module; each VM has one only, a machine may have both."""
    if os.path.isdir('/sys/module/nbd'):
        run('modprobe', '-r', 'nbd')
    found = modules(driver)
    if not found:
        sys.exit(f'no nbd.ko ({driver})')
    run('insmod', found[0])
    # who finds a disk open takes it for in use
    subprocess.run(['udevadm', 'settle'], check=False)


def uri(transport):
    return f'nbd+unix:///?socket={SOCK}' if transport == 'unix' else f'nbd://127.0.0.1:{PORT}'


def steer(to_one):
    """What is sent to this machine itself arrives on its first CPU, or on the sender's."""
    with open('/sys/class/net/lo/queues/rx-0/rps_cpus', 'w') as file:
        file.write('1' if to_one else '0')


class Server:
    """A server on this machine: lean-nbd, which costs next to nothing, or nbdkit."""

    def __init__(self, kind, transport, *options, size=SIZE):
        if kind == 'lean':
            where = ['--unix', SOCK] if transport == 'unix' else ['--port', str(PORT)]
            args = ['lean-nbd', '--size', str(size), *where, *options]
        else:
            where = ['-U', SOCK] if transport == 'unix' else ['-i', '127.0.0.1', '-p', str(PORT)]
            args = ['nbdkit', '-f', *where, 'memory', str(size)]
        self.uri = uri(transport)
        self.process = subprocess.Popen(args)
        for _ in range(200):
            if self.process.poll() is None and subprocess.run(
                    ['nbdinfo', '--size', self.uri], stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL, check=False).returncode == 0:
                return
            time.sleep(0.05)
        self.process.kill()
        sys.exit(f'{kind} does not start')

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()


def connect(driver, where, connections):
    """The attach itself, until a sector can be read."""
    if driver == 'ours':
        run('nbd-attach', '--no-reconnect', '-C', str(connections), where, DISK)
    else:
        host = ['-unix', SOCK] if where.startswith('nbd+unix') else ['127.0.0.1', str(PORT)]
        run('nbd-client', *host, DISK, '-C', str(connections))
    deadline = time.monotonic() + 30
    while not readable():
        if time.monotonic() > deadline:
            sys.exit(f'{DISK} cannot be read')
        time.sleep(0.001)


def readable():
    fd = os.open(DISK, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return len(os.pread(fd, 512, 0)) == 512
    except OSError:
        return False
    finally:
        os.close(fd)


def attach(driver, where, connections):
    connect(driver, where, connections)
    subprocess.run(['udevadm', 'settle'], check=False)
    with open('/sys/block/nbd0/queue/scheduler', 'w') as file:
        file.write('none')


def fill():
    """Write all of the disk: a server that has memory allocates it then, and not while measured."""
    run('dd', 'if=/dev/zero', f'of={DISK}', 'bs=1M', 'oflag=direct', 'status=none',
        f'count={SIZE >> 20}')


def detach(driver):
    subprocess.run(['udevadm', 'settle'], check=False)
    run(*(['nbd-detach', DISK] if driver == 'ours' else ['nbd-client', '-d', DISK]))
    while driver != 'ours' and os.path.exists('/sys/block/nbd0/pid'):
        time.sleep(0.001)


def bare(what, seconds):
    """Nanoseconds for each request of bare-nbd."""
    return int(run('bare-nbd', '--port', str(PORT), '--block', str(what['bytes']),
                   '--depth', str(what['depth']), '--ms', str(int(seconds * 1000)),
                   *['--write'] * what['rw'].endswith('write')))


# A submitter that never sleeps
SPINNING = ['--ioengine=libaio', '--userspace_reap', '--iodepth_batch_complete_min=0']


def disk(what, name=DISK):
    engine = SPINNING if what['engine'] == 'spinning' else [f'--ioengine={what["engine"]}']
    return [*engine, f'--filename={name}', '--ramp_time=50ms']


def fio_args(target, what, seconds):
    args = ['fio', '--output-format=json', '--name=bench', '--time_based', '--group_reporting',
            f'--runtime={int(seconds * 1000)}ms', '--direct=1', '--randrepeat=1', '--norandommap',
            '--clat_percentiles=0', '--lat_percentiles=1',
            f'--size={SIZE}', f'--rw={what["rw"]}', f'--bs={what["bs"]}',
            f'--iodepth={what["depth"]}', f'--numjobs={what.get("tasks", 1)}', *target]
    if what.get('mix'):
        args.append(f'--rwmixread={what["mix"]}')
    return args


def fio(target, what, seconds):
    told = run(*fio_args(target, what, seconds))
    # its engine for NBD says something before
    return json.loads(told[told.index('{'):])['jobs'][0]
