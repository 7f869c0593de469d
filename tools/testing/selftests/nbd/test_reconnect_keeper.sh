#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# A keeper depends on nothing that its disk may provide: no file, directory or terminal, memory that
# is locked, reserves of the kernel, and no end when memory is short. It holds up nobody who reads
# what nbd-attach prints.
# tags: kernel

. "$(dirname "$0")/lib/keeper.sh"

serve evil-nbd --port @PORT@
DEV=$(cd "$TMP" && within 30 nbd-attach "$URI" 3>"$TMP/left open")
DISK=${DEV#/dev/}
defer _force_detach "$DEV"
proc=/proc/$(keeper)
matches "$(grep VmLck "$proc/status")" "[1-9][0-9]* kB" "locked memory"
same "$(<"$proc/oom_score_adj")" -1000 "oom_score_adj"
same "$(readlink "$proc/cwd")" / "working directory"
stat=$(<"$proc/stat")
read -r -a stat <<<"${stat##*) }"
# PF_MEMALLOC_NOIO, which prctl(2) PR_SET_IO_FLUSHER sets
[ $((stat[6] & 0x80000)) -ne 0 ] || fail "flags of the process: ${stat[6]}"
same "$(readlink "$proc"/fd/[012] | sort -u)" /dev/null "standard files"
others=$(readlink "$proc"/fd/* | grep -vE '^(socket:|anon_inode:|/dev/(null|kmsg)$)' || true)
same "$others" "/run/nbd-attach/$DISK.pid" "open files"
same "$(stat -c %a "/run/nbd-attach/$DISK.pid")" 600 "rights on its file"
same "$(ps -o pgid= -p "${proc#/proc/}" | tr -d ' ')" "${proc#/proc/}" "process group"
detach
