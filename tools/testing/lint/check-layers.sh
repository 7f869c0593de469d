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
cover hold reply extents export error copy
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
parse show
nbdctl
main
'

# room, what it registers: work items, handlers, operations
handlers='
batch timer
blame alone_work
send send_work
recv recv_work nbd_recv_ops
slots fail_work retire_work dead_work
dispatch batch_timer
session free_work
devices del_work renew_work
device detach_work
queue nbd_mq_ops
fops nbd_fops
map end_io
socket sk_data_ready sk_write_space sk_state_change sk_error_report
main device_ops
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
while IFS=: read -r file _ text; do
	for name in $(grep -oE '[a-z_]+' <<<"$text"); do
		grep -qE "^${file%.c} (.* )?$name( |\$)" <<<"$handlers" && continue 2
	done
	complain "$file registers a function that is not listed:$text"
done < <(grep -nE 'INIT_(DELAYED_)?WORK\(|hrtimer_setup\(|nbd_batch_init\(.*, [a-z]|->end_io = |_ops [a-z_]+ = |WRITE_ONCE\(sk->sk_[a-z_]+,' \
	-- *.c)
exit "$rc"
