#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Runs each line of the file mistakes, and compares exit status and output; prints TAP. Words that
# may stand before a command:
#	fake MODE	with a server of fakenbd.py at the Unix socket s
#	deep		in a directory whose path leaves no room for that of a socket
#	ignoring_children, as_nobody	with SIGCHLD ignored; as another user
#	quietly		with standard error closed; says what became of it, as soon as the server
#			was talked to
# With EMULATED set, what needs netlink is skipped.

set -u
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d /tmp/mistakes.XXXXXX)
server=
trap 'end_server; rm -rf "$work"' EXIT
PATH=${TOOLS:-$here/../../../../helper/build}:$PATH
chmod 755 "$work"

end_server() {
	[ -z "$server" ] || kill "$server" 2>/dev/null
	[ -z "$server" ] || wait "$server" 2>/dev/null
	server=
}

fake() {
	local i

	rm -f s s.log
	python3 "$here/fakenbd.py" "$1" s 2>fake.err &
	server=$!
	for ((i = 0; i < 500; i++)); do
		[ ! -S s ] || break
		sleep 0.02
	done
	shift
	"$@"
	rc=$?
	end_server
	return "$rc"
}

deep() {
	local dir

	dir=$work/$(printf '%0.sx' {1..100})
	mkdir -p "$dir"
	(cd "$dir" && "$@")
}

ignoring_children() {
	python3 -c 'import os, signal, sys
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
os.execvp(sys.argv[1], sys.argv[1:])' "$@"
}

as_nobody() { setpriv --reuid 65534 --regid 65534 --clear-groups "$@"; }

quietly() {
	local i pid

	"$@" >/dev/null 2>&- &
	pid=$!
	for ((i = 0; i < 500; i++)); do
		[ ! -s s.log ] || break
		sleep 0.02
	done
	echo "standard error is $(readlink "/proc/$pid/fd/2")"
	wait "$pid"
}

n=0 bad=0
cd "$work" || exit 2
while read -r want line; do
	case $want in
	'' | '#'*) continue ;;
	esac
	command=${line% => *} pattern=${line#* => }
	n=$((n + 1))
	[[ ! $command =~ as_nobody|quietly || $(id -u) -eq 0 ]] || {
		echo "ok $n - $command # SKIP needs root"
		continue
	}
	# on standard error, unless the line sends one of them elsewhere
	said=$({ eval "$command"; } 2>&1 </dev/null)
	got=$?
	said=${said//$'\n'/ }
	[[ -z ${EMULATED-} || $said != *"netlink socket: Protocol"* ]] || {
		echo "ok $n - $command # SKIP no netlink for emulated programs"
		continue
	}
	if [ "$got" -eq "$want" ] && [[ $said =~ $pattern ]]; then
		echo "ok $n - mistake: $command"
	else
		bad=$((bad + 1))
		echo "not ok $n - mistake: $command"
		echo "# exit status $got, not $want, or not /$pattern/: $said"
	fi
done <"$here/mistakes"
echo "1..$n"
[ "$bad" -eq 0 ] && [ "$n" -ge 60 ]
