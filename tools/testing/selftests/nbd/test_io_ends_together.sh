#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Requests whose replies come together end as one batch, with several CPUs as with one.
# tags: smp

. "$(dirname "$0")/lib/trace.sh"

requires fio
serve evil-nbd --port @PORT@ --log "$TMP/log" --size 16M
attach -C 1
settle
# shellcheck disable=SC2016 # the kernel expands it
probe ends nbd:nbd_cmds_end 'first=+0($arg1):u64'
within 60 fio --name=read --filename="$DEV" --ioengine=libaio --direct=1 --iodepth=32 \
	--rw=randread --bs=4k --size=4M --randseed=7 --output-format=terse >"$TMP/fio" 2>&1 ||
	fail "$(tail -n 5 "$TMP/fio")"
batches=$(calls | grep -c 'ends:.* first=[1-9]' || true)
note "$batches batches of 1024 requests"
[ "$batches" -ge 32 ] || fail "$batches batches of 1024 requests, 32 at once"
detach
