#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# An idle disk costs nothing but memory: attaching it with four connections adds no thread of the
# kernel's, and after I/O nothing of the driver runs any more, no work and no timer.

. "$(dirname "$0")/lib.sh"

requires nbdkit fio
tracing=/sys/kernel/tracing
[ -d "$tracing/events/workqueue" ] || skip "no tracing of workqueues in this kernel"

# kernel threads that have nbd in their name; shared workers have that of what they did last
threads() { ps -e -o ppid= -o comm= | awk '$1 == 2 && /nbd/ && !/kworker\/[0-9u]/' | wc -l; }

before=$(threads)
serve_nbdkit memory 64M
attach -C 4 --no-reconnect
busy() {
	within 60 fio --name=busy --filename="$DEV" --direct=1 --ioengine=libaio --iodepth=32 \
		--rw=randrw --bs=4k --size=64M --time_based --runtime=2 >/dev/null
}
busy
settle
sleep 1
same "$(threads)" "$before" "threads with nbd in their name"

# what names a function of the module
defer sh -c "echo 0 >$tracing/events/workqueue/enable; echo 0 >$tracing/events/timer/enable"
traced() {
	echo >"$tracing/trace"
	echo 1 >"$tracing/events/workqueue/enable"
	echo 1 >"$tracing/events/timer/enable"
	"$@"
	echo 0 >"$tracing/events/workqueue/enable"
	echo 0 >"$tracing/events/timer/enable"
	grep -c '\[nbd\]' "$tracing/trace" || true
}
idle=$(traced sleep 5)
same "$idle" 0 "works and timers of an idle disk: $(grep -m 1 '\[nbd\]' "$tracing/trace")"
# and the same look finds them where there is something to do
[ "$(traced busy)" -gt 0 ] || fail "nothing was traced"
detach
