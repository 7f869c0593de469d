#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# The rooms of the driver stand on each other, lowest first: a room is NAME.c and NAME.h, and its
# files include headers of its own or of lower lines only, so that no call goes up. What goes up is
# an event: a lower room calls what a higher one has registered. Documentation/architecture.rst
# describes both; here are all of them.

set -eu
cd "$(dirname "$0")/../../../driver"

layers='
pure compat trace
proto
cover hold reply extents export error copy nbdctl-gen
query
cmd socket batch event
session
conn
pieces send
dispatch
blame
recv
slots
map limits
disk
devices
device queue walk
ioctl
fops
parse fill
nbdctl
main
'

# room, functions that it registers with lower rooms or the kernel, and tables of such functions
handlers='
dispatch batch_timer
blame alone_work
send send_work
recv recv_work nbd_recv_ops
slots fail_work retire_work dead_work
map map_end
session free_work
socket socket_data_ready socket_write_space socket_state_change saved
devices del_work renew_work
device detach_work
queue nbd_mq_ops
fops nbd_fops
main device_ops
nbdctl-gen nbdctl_nl_ops
'

layer_of() { awk -v r="$1" '{ for (i = 1; i <= NF; i++) if ($i == r) print NR }' <<<"$layers"; }

rc=0
complain() {
	echo "driver/$*"
	rc=1
}

for file in *.c *.h; do
	room=${file%.*}
	layer=$(layer_of "$room")
	if [ -z "$layer" ]; then
		complain "$file stands on no layer"
		continue
	fi
	# the tracepoints look into all that they show
	[ "$room" = trace ] && continue
	while read -r header; do
		other=${header%.h}
		[ "$other" = "$room" ] || [ "$(layer_of "$other")" -lt "$layer" ] ||
			complain "$file includes $header, which is not below it"
	done < <(sed -n 's/^#include "\([a-z-]*\.h\)"/\1/p' "$file")
done

# A header declares what its own room defines.
for header in *.h; do
	room=${header%.h}
	while read -r name; do
		grep -qE "^[a-z].*\b$name\(" "$room.c" 2>/dev/null ||
			grep -qE "^[a-z].*[ *]$name\(.*[^;]\$" "$header" ||
			complain "$header declares $name(), which $room.c does not define"
	done < <(sed -nE 's/^[a-z][a-z0-9_ *]*[ *](nbd_[a-z0-9_]+)\(.*/\1/p' "$header")
done

# Nothing is registered but what is listed, by the room that it is listed for.
while IFS=: read -r file name; do
	grep -qE "^${file%.c} (.* )?$name( |\$)" <<<"$handlers" ||
		complain "$file registers $name, which is not listed"
done < <(grep -E 'INIT_(DELAYED_)?WORK\(|nbd_batch_init\(&|->end_io = |_ops [a-z_]+ = |WRITE_ONCE\(\*?(sk->|at)' \
	-- *.c | sed -E 's/ = \{$//; s/[^a-z_]*$//; s/:.*[^a-z_]/:/')
exit "$rc"
