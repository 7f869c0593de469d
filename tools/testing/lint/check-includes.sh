#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Which room may include which: a quoted #include that crosses rooms must be in this table. A room
# is a directory; "a b" means that files of a may include files of b. Those of the helper are one here:
# check-helper-layers.sh has the rules between them.

set -eu
cd "$(dirname "$0")/../../.."

allowed='
driver uapi/linux
helper uapi/linux
tools/testing/unit/driver driver
tools/testing/unit/helper helper
tools/testing/fuzz/driver driver
tools/testing/fuzz/driver tools/testing/unit/driver
tools/testing/fuzz/helper helper
tools/testing/bench/client tools/testing/server
tools/testing/server uapi/linux
tools/testing/server/lean tools/testing/server
tools/testing/selftests/nbd uapi/linux
'

# room FILE
room() {
	case $1 in
	helper/*) echo helper ;;
	*) dirname "$1" ;;
	esac
}

rc=0
while IFS=: read -r file line text; do
	from=$(room "$file")
	name=${text#*\"}
	name=${name%%\"*}
	# as the compiler would: beside the file first, then by the path that the room is built with
	for dir in "$(dirname "$file")" driver helper uapi .; do
		target=$(realpath -m --relative-to=. "$dir/$name")
		[ -e "$target" ] && break
	done
	to=$(room "$target")
	[ "$from" = "$to" ] && continue
	[ -e "$target" ] || continue
	grep -qxF "$from $to" <<<"$allowed" && continue
	echo "$file:$line: $from may not include $to ($name)"
	rc=1
done < <(git grep -n --untracked -E '^[[:space:]]*#[[:space:]]*include[[:space:]]*"' -- '*.c' '*.h')
exit "$rc"
