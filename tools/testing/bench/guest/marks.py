# SPDX-License-Identifier: GPL-2.0-only
"""For a profile: tells the plugin of the emulation when to count, and what the addresses mean."""
import ctypes
import json
import mmap
import os
import subprocess
import time

import counters
import rig

SECONDS = 0.2
ARTIFACTS = '/artifacts'


class Marks:
    """Two instructions that do nothing, and that the plugin listens to."""

    def __init__(self):
        self.memory = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
        self.begin = self.function(0, b'nbdb')
        self.end = self.function(64, b'nbde')

    def function(self, at, word):
        code = b'\x0f\x1f\x84\x00' + word + b'\xc3'
        self.memory[at:at + len(code)] = code
        return ctypes.CFUNCTYPE(None)(ctypes.addressof(ctypes.c_char.from_buffer(self.memory, at)))


def symbols():
    with open(f'{ARTIFACTS}/symbols', 'w') as file:
        file.write(open('/proc/kallsyms').read())


def images():
    """Which addresses are which program's; more of them with each job."""
    with open(f'{ARTIFACTS}/images', 'a') as file:
        for pid in filter(str.isdigit, os.listdir('/proc')):
            try:
                name = open(f'/proc/{pid}/comm').read().strip().replace(' ', '_')
                for line in open(f'/proc/{pid}/maps'):
                    if ' r-xp ' in line:
                        file.write(f'{line.split()[0]} {name} {line.split()[-1]}\n')
            except OSError:
                pass


def profile(what):
    """I/Os that were done while the plugin counted, fio in full run."""
    marks = Marks()
    before = counters.moved('nbd0')
    with subprocess.Popen(rig.fio_args(rig.disk(what), what, 30),
                          stdout=subprocess.DEVNULL) as process:
        while counters.moved('nbd0') < before + (4 << 20):
            time.sleep(0.01)
        images()
        time.sleep(0.01)
        marks.begin()
        before = counters.moved('nbd0')
        time.sleep(SECONDS)
        done = counters.moved('nbd0') - before
        marks.end()
        process.terminate()
    return done // what['bytes']


def run(driver, jobs):
    rig.load(driver)
    symbols()
    with rig.Server('lean', 'tcp') as server:
        rig.attach(driver, server.uri, 1)
        for what in jobs:
            print('PROFILE ' + json.dumps({'driver': driver, 'job': what['name'],
                                           'ios': profile(what)}), flush=True)
        rig.detach(driver)
