#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# An idle disk costs nothing but memory: attaching it with four connections adds no thread of the
# kernel's, and after I/O nothing of the driver runs any more, no work and no timer.

. "$(dirname "$0")/lib/lib.sh"

requires lean-nbd fio
# an instance has buffers of its own, small ones: to read large ones takes long if all is emulated
tracing=/sys/kernel/tracing/instances/$NAME
mkdir "$tracing" 2>/dev/null || skip "no instances of tracing"
defer rmdir "$tracing"
echo 128 >"$tracing/buffer_size_kb"
events=(workqueue/workqueue_queue_work timer/timer_start timer/hrtimer_start)

# kernel threads that have nbd in their name; shared workers have that of what they did last
threads() { ps -e -o ppid= -o comm= | awk '$1 == 2 && /nbd/ && !/kworker\/[0-9u]/' | wc -l; }

# what was started meanwhile that names a function of the module
traced() {
	local event

	echo >"$tracing/trace"
	for event in "${events[@]}"; do
		echo 1 >"$tracing/events/$event/enable"
	done
	"$@"
	for event in "${events[@]}"; do
		echo 0 >"$tracing/events/$event/enable"
	done
	grep '\[nbd\]' "$tracing/trace" | head -n 1 || true
}

before=$(threads)
serve lean-nbd --port @PORT@ --size $((64 << 20))
attach -C 4 --no-reconnect
within 100 fio --name=busy --filename="$DEV" --direct=1 --ioengine=libaio --iodepth=32 \
	--rw=randrw --bs=4k --size=64M --number_ios=3000 >/dev/null
settle
sleep 1
same "$(threads)" "$before" "threads with nbd in their name"
same "$(traced sleep 5)" "" "what an idle disk does"
# and the same look finds what there is to do for the end
[ "$(traced detach)" ] || fail "nothing was traced"
