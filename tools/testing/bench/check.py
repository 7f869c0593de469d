#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Self-test of the bench, without a VM: what it makes of rows and counts, and that it can fail."""
import glob
import json
import os
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
results = []

# What a VM says, if it says anything: a driver in its last word
FAKE_VM = '''#!/bin/bash
driver=${!#} job='4k randread QD1'
case " $* " in *" --large "*) job='1M read QD4' ;; esac
case " $FAKE_LACKS " in *" $driver "*) exit 1 ;; esac
[ "$driver" != "$FAKE_MUTE" ] || exit 0
row() {
    printf 'ROW {"driver": "%s", "server": "lean", "transport": "tcp", "connections": 1, ' "$1"
    printf '"job": "%s", "per_io": %s, "switches": 4.0}\\r\\n' "$job" "$2"
}
case $driver in
--scale) row in-tree 300; row ours 200 ;;
ours) row ours 200 ;;
*) row "$driver" 300 ;;
esac
'''

SYMBOLS = '''ffffffff81000000 T do_syscall_64
ffffffff81001000 T submit_bio
ffffffff81002000 T process_one_work
ffffffffc0000000 t nbd_send_work\t[nbd]
ffffffff81003000 T sock_sendmsg
ffffffff81004000 T try_to_wake_up
'''
IMAGES = '1000-2000 fio /usr/bin/fio\n'
# fio calls submit_bio; a worker calls nbd_send_work, that sends, and that wakes
COUNTS = '''stack 0 1800
stack 1 0
call 0 s0 0
call 1 0 ffffffff81000000
call 2 1 ffffffff81001000
call 3 s1 0
call 4 3 ffffffff81002000
call 5 4 ffffffffc0000000
call 6 5 ffffffff81003000
call 7 6 ffffffff81004000
ran 0 1800 1000
ran 2 ffffffff81001010 2000
ran 5 ffffffffc0000008 3000
ran 6 ffffffff81003000 4000
ran 7 ffffffff81004000 5000
end
'''
JOBS = 'PROFILE {"driver": "ours", "job": "4k randread QD1", "ios": 10}\n'


def test(name):
    def decorate(function):
        with tempfile.TemporaryDirectory() as directory:
            try:
                function(directory)
                why = ''
            except (AssertionError, OSError) as error:
                why = repr(error)
        results.append(not why)
        print(f'{"not " if why else ""}ok {len(results)} - {name}')
        if why:
            print('#', why)
    return decorate


def call(*args, **environment):
    return subprocess.run(args, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          env={**os.environ, **environment}, check=False)


def write(directory, name, text):
    path = f'{directory}/{name}'
    with open(path, 'w') as file:
        file.write(text)
    return path


def row(driver, **more):
    return json.dumps({'kernel': '6.12', 'driver': driver, 'server': 'lean', 'transport': 'tcp',
                       'connections': 1, 'job': '4k randread QD1', 'per_io': 300, **more}) + '\n'


def table(directory, *rows, options=()):
    return call(f'{HERE}/table.py', *options, write(directory, 'rows', ''.join(rows)))


@test('table: ratio of two drivers')
def _(directory):
    done = table(directory, row('in-tree'), row('ours', per_io=200))
    assert done.returncode == 0, done.stderr
    assert ['lean', 'tcp', '1', '4k', 'randread', 'QD1', '300', '200', '1.50'] == \
        done.stdout.split('\n')[3].split()[:9], done.stdout


@test('table: a row without the other driver is told and fails')
def _(directory):
    for lonely in 'ours', 'in-tree':
        done = table(directory, row('in-tree', job='other'), row('ours', job='other'), row(lonely))
        assert done.returncode == 1 and 'one driver only: 6.12 lean tcp 1 4k' in done.stderr, done


@test('table: what four connections bring')
def _(directory):
    done = table(directory, row('in-tree', busy=0.5), row('ours', per_io=200, busy=0.6),
                 row('in-tree', connections=4, per_io=150, busy=0.8),
                 row('ours', connections=4, per_io=80, busy=0.9), options=['--scale'])
    assert done.returncode == 0, done.stderr
    assert 'lean tcp 4k randread QD1 4 2.00 2.50 0.50 0.60 0.80 0.90' in \
        ' '.join(done.stdout.split()), done.stdout


@test('table: drivers that took turns are compared in each')
def _(directory):
    done = table(directory, row('in-tree', turns=[300, 300, 600]),
                 row('ours', per_io=500, turns=[500, 200, 500]))
    assert done.returncode == 0, done.stderr
    assert 'QD1 300 500 1.20 ' in ' '.join(done.stdout.split()), done.stdout


@test('table: ours slower in each turn fails, if not by little')
def _(directory):
    for theirs, status in ([300, 500], 1), ([300, 700], 0), ([560, 590], 0):
        done = table(directory, row('in-tree', turns=theirs), row('ours', turns=[600, 600]))
        assert done.returncode == status, done
        assert ('slower in each turn: 6.12 lean tcp 1 4k' in done.stderr) == bool(status), done


@test('table: null_blk, libnbd and bare-nbd need nobody beside them, and make a limit')
def _(directory):
    done = table(directory, row('null', server='', per_io=100), row('libnbd', server=''),
                 row('bare', server='', per_io=150), row('in-tree'), row('ours', per_io=500),
                 row('null', server='', per_io=70, job='other'))
    assert done.returncode == 0, done
    lines = [' '.join(line.split()) for line in done.stdout.split('\n')]
    assert '4k randread QD1 100 300 150 250 500 2.00' in lines, done.stdout
    assert 'other 70 - - - - -' in lines, done.stdout


@test('table: large requests by both ways of counting')
def _(directory):
    done = table(directory, row('in-tree'), row('ours', per_io=200),
                 row('in-tree', cpu='max', per_io=900), row('ours', cpu='max', per_io=600))
    assert done.returncode == 0, done.stderr
    assert '4k randread QD1 300 200 1.50 900 600 1.50' in ' '.join(done.stdout.split()), done.stdout
    done = table(directory, row('in-tree'), row('ours'), row('ours', cpu='max'))
    assert done.returncode == 1 and 'one driver only: 6.12 lean' in done.stderr, done


@test('table: no rows are a failure')
def _(directory):
    assert table(directory).returncode == 1


def bench(directory, *args, **environment):
    fake = write(directory, 'vm', FAKE_VM)
    os.chmod(fake, 0o755)
    return call(f'{HERE}/bench', *args, NBD_VM_RUN=fake, XDG_CACHE_HOME=directory, **environment)


@test('bench: rows of all VMs')
def _(directory):
    done = bench(directory, '--json', '6.1', '6.12')
    assert done.returncode == 0, done.stderr
    rows = [(row['kernel'], row['driver'], row['cpu'], row['job'].split()[0])
            for row in json.loads(done.stdout)]
    assert rows == [(kernel, *what) for kernel in ('6.1', '6.12') for what in (
        ('in-tree', '', '4k'), ('ours', '', '4k'), ('in-tree', 'max', '1M'), ('ours', 'max', '1M'),
        ('null', '', '4k'), ('libnbd', '', '4k'), ('bare', '', '4k'))], rows
    kept, = glob.glob(f'{directory}/nbd-attach/builds/*/artifacts/bench/rows')
    assert os.path.getsize(kept)


@test('bench: no second VM where no job is large')
def _(directory):
    done = bench(directory, '--json', '--only', 'randread', '6.12')
    assert done.returncode == 0, done.stderr
    assert [row['cpu'] for row in json.loads(done.stdout)] == ['', ''], done.stdout


@test('bench: drivers that take turns do so in one VM')
def _(directory):
    done = bench(directory, '--scale', '--json', '6.12')
    assert done.returncode == 0, done.stderr
    assert [row['driver'] for row in json.loads(done.stdout)] == ['in-tree', 'ours'], done.stdout
    done = bench(directory, '--scale', '6.12', FAKE_LACKS='--scale')
    assert done.returncode == 1 and '6.12 failed' in done.stderr, done


@test('bench: a VM that fails is told, and fails')
def _(directory):
    for driver in 'ours', 'in-tree', 'libnbd', 'bare':
        for form in ['6.12'], ['--json', '6.12']:
            done = bench(directory, *form, FAKE_LACKS=driver)
            assert done.returncode == 1 and f'{driver} on 6.12 failed' in done.stderr, done


@test('bench: wall clock says what the machine lacks')
def _(directory):
    done = call(sys.executable, f'{HERE}/guest/bench.py', '--check', 'ours', PATH=directory)
    assert done.returncode == 1 and 'nbd-attach is not installed' in done.stderr, done


def profile(directory, counts, jobs):
    write(directory, 'symbols', SYMBOLS)
    write(directory, 'images', IMAGES)
    return call(f'{HERE}/profile.py', write(directory, 'counts', counts), directory,
                write(directory, 'jobs', jobs), f'{directory}/folded')


@test('profile: who, what for, and with what it calls')
def _(directory):
    done = profile(directory, COUNTS, JOBS)
    assert done.returncode == 0, done.stderr
    lines = [' '.join(line.split()) for line in done.stdout.split('\n')]
    for line in ('300 20.0 % fio', '1,200 80.0 % nbd_send_work',
                 '500 33.3 % nbd_send_work wake, switch, workers',
                 '400 26.7 % nbd_send_work socket: send', '300 20.0 % nbd_send_work nbd',
                 '200 13.3 % fio block layer: submit, aio', '100 6.7 % fio program',
                 '900 60.0 % nbd_send_work sock_sendmsg'):
        assert line in lines, f'{line}\n{done.stdout}'
    with open(f'{directory}/folded') as file:
        assert '4k_randread_QD1;nbd_send_work;process_one_work;nbd_send_work;sock_sendmsg;' \
            'try_to_wake_up 5000\n' in file.readlines()


@test('bench: a row that only one driver has fails')
def _(directory):
    for form in ['6.12'], ['--json', '6.12']:
        done = bench(directory, *form, FAKE_MUTE='ours')
        assert done.returncode == 1 and 'one driver only: 6.12 lean' in done.stderr, done


@test('profile: a job that was not counted fails')
def _(directory):
    for counts, jobs in (COUNTS, ''), ('', JOBS), (COUNTS, JOBS + JOBS):
        assert profile(directory, counts, jobs).returncode == 1


print(f'1..{len(results)}')
sys.exit(not all(results))
