# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# Ground of the tests that look into the running kernel by kprobes. Without these they are skipped.

. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

tracefs=/sys/kernel/tracing
[ -w "$tracefs/kprobe_events" ] || skip "this kernel has no kprobes"

# probe NAME FUNCTION [ARGUMENT...]: note its calls from now on
probe() {
	echo "p:nbdtest/$1 ${*:2}" >>"$tracefs/kprobe_events" || skip "no kprobe at $2"
	[ -e "$TMP/probed" ] || defer unprobe
	: >"$TMP/probed"
	echo 1 >"$tracefs/events/nbdtest/$1/enable"
}

unprobe() {
	echo 0 >"$tracefs/events/nbdtest/enable"
	: >"$tracefs/kprobe_events"
	: >"$tracefs/trace"
}

# The calls so far
calls() { grep -v '^#' "$tracefs/trace"; }
