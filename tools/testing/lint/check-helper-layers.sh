#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# The rooms of the helper, its directories, stand on each other: a file includes headers of its own
# room or of rooms on lower layers only, and names them with their room. All files but that with
# main() are in a room, and in the list of what is built. Documentation/architecture.rst has the
# picture.

set -eu
cd "$(dirname "$0")/../../../helper"

layers='
0 base
1 maps
1 negotiate
2 kernel
3 keeper
4 verbs
'
top=5 # nbd-attach.c

# layer_of FILE: nothing if it is in no room
layer_of() { awk -v room="${1%/*}" '$2 == room { print $1 }' <<<"$layers"; }

rc=0
# complain WHAT
complain() {
	echo "helper/$1"
	rc=1
}

built=" $(make -s --no-print-directory -f - list <<'END'
include rooms.mk
list:
	@echo $(helper_rooms)
END
) "

while read -r file; do
	[ -e "$file" ] || continue
	if [ "$file" = nbd-attach.c ]; then
		layer=$top
	else
		layer=$(layer_of "$file")
		if [ -z "$layer" ]; then
			complain "$file is in no room"
			continue
		fi
		[[ $file != *.c || $built = *" ${file%.c} "* ]] || complain "$file is not in rooms.mk"
	fi
	while read -r header; do
		[[ $header != ../../uapi/linux/* ]] || continue
		under=$(layer_of "$header")
		if [ -z "$under" ] || [ ! -e "$header" ]; then
			complain "$file includes $header, not ROOM/HEADER"
		elif [ "${header%/*}" != "${file%/*}" ] && [ "$under" -ge "$layer" ]; then
			complain "$file (layer $layer) includes $header (layer $under)"
		fi
	done < <(sed -nE 's/^[[:space:]]*#[[:space:]]*include[[:space:]]*"([^"]*)".*/\1/p' "$file")
done < <(git ls-files --cached --others --exclude-standard -- '*.c' '*.h')
exit "$rc"
