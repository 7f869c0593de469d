# SPDX-License-Identifier: GPL-2.0-only
# Steps of a test, in TAP.
# shellcheck shell=bash

steps=0 bad=0
said=$(mktemp)
trap 'rm -f "$said"' EXIT

# step NAME COMMAND...: passes if the command, a function perhaps, succeeds with "set -e"
step() {
	local name=$1 rc
	shift

	steps=$((steps + 1))
	(set -eE; trap 'echo "line $LINENO: $BASH_COMMAND" >&2' ERR; "$@") >"$said" 2>&1
	rc=$?
	if [ "$rc" -eq 0 ]; then
		echo "ok $steps - $name"
	else
		echo "not ok $steps - $name"
		sed 's/^/# /' "$said" | tail -n 60
		bad=$((bad + 1))
	fi
}

# same GOT WANT WHAT: fails unless equal
same() {
	[ "$1" = "$2" ] || { echo "$3: \"$1\" instead of \"$2\""; return 1; }
}

end() {
	echo "1..$steps"
	[ "$bad" -eq 0 ]
}
