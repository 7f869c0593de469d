# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# Ground of the tests in which allocations fail. The kernel has CONFIG_FAILSLAB and
# CONFIG_FAIL_PAGE_ALLOC, else they are skipped.

. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

requires_nbdctl
requires evil-nbd
[ -d /sys/kernel/debug/failslab ] || skip "this kernel can't fail allocations (CONFIG_FAILSLAB)"

# knob NAME VALUE: of both kinds of allocation
knob() {
	local dir

	for dir in /sys/kernel/debug/failslab /sys/kernel/debug/fail_page_alloc; do
		[ ! -e "$dir/$1" ] || echo "$2" >"$dir/$1"
	done
}

# every allocation counts, also those that may sleep or are of one page; no word about each
knob ignore-gfp-wait N
knob ignore-gfp-highmem N
knob min-order 0
knob verbose 0
# it would look into each disk that is new, while the module's users are counted
settle
udevadm control --stop-exec-queue
# hundreds of attaches are thousands of events, which are this test's to wait for
defer eval "udevadm control --start-exec-queue; udevadm settle --timeout=600"

# fail_below_nbd PERCENT: of the allocations that the driver makes or causes, in any context
fail_below_nbd() {
	local symbols last

	[ -e /sys/kernel/debug/failslab/require-start ] ||
		skip "this kernel can't tell whose allocations fail"
	symbols=$(awk '$2 ~ /[tT]/ && /\[nbd\]$/ { print "0x" $1 }' /proc/kallsyms | sort)
	last=$(tail -n 1 <<<"$symbols")
	knob require-start "$(head -n 1 <<<"$symbols")"
	knob require-end "$(printf "%#x" "$((last + 4096))")"
	knob task-filter N
	knob times -1
	knob verbose 1
	defer fail_nothing
	knob probability "$1"
}

fail_nothing() {
	knob probability 0
	knob require-start 0
}
