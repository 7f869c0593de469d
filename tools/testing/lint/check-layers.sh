#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# The rooms of the driver stand on each other: a file includes headers of its own layer or of lower
# ones only. Documentation/architecture.rst has the picture.

set -eu
cd "$(dirname "$0")/../../../driver"

layers='
0 pure.h compat.h trace.h trace.c
1 proto.h
2 cover.h cover.c hold.h hold.c reply.h reply.c extents.h extents.c export.h export.c error.h error.c
3 cmd.h private.h event.h gather.h socket.h
4 cmd.c copy.c private.c conn.h conn.c socket.c gather.c send.c recv.c session.h session.c
4 blame.c pieces.c slots.c map.h map.c
5 device.h device.c devices.h devices.c disk.c limits.c queue.c ioctl.c walk.h walk.c
6 nbdctl.h nbdctl.c parse.h parse.c show.h show.c event.c
7 main.c
'

layer_of() { awk -v f="$1" '{ for (i = 2; i <= NF; i++) if ($i == f) print $1 }' <<<"$layers"; }

rc=0
for file in *.c *.h; do
	layer=$(layer_of "$file")
	if [ -z "$layer" ]; then
		echo "driver/$file stands on no layer"
		rc=1
		continue
	fi
	# the tracepoints look into all that they show
	[ "${file%.*}" = trace ] && continue
	while read -r header; do
		[ "$(layer_of "$header")" -le "$layer" ] && continue
		echo "driver/$file (layer $layer) includes $header (layer $(layer_of "$header"))"
		rc=1
	done < <(sed -n 's/^#include "\([a-z]*\.h\)"/\1/p' "$file")
done
exit "$rc"
