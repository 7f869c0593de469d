# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# Ground of the shell tests. A test is one file, proves one behaviour, and reads like this:
#
#	#!/bin/bash
#	# SPDX-License-Identifier: GPL-2.0-only
#	# What is proven here, in a sentence.
#
#	. "$(dirname "$0")/lib/lib.sh"
#
#	serve_nbdkit memory 64M
#	attach
#	same "$(blockdev --getsize64 "$DEV")" 67108864 "size of the disk"
#
# Any command that fails, fails the test (set -e); the place is reported. On every way out the
# clean-up stack is run; then the kernel log since the start must be clean and nothing of the test
# may be left. The result is KTAP; exit status 0, 1 or (skipped) 4.
#
# Verdicts
#	fail REASON...		fail now
#	skip REASON...		skip now
#	requires PROGRAM...	skip unless all are in PATH
#	requires_nbdctl		skip if nbd.ko lacks our netlink family (the kernel's own driver)
#	same GOT WANT WHAT	fail unless equal
#	matches TEXT REGEX WHAT	fail unless TEXT matches the (extended) REGEX
#	fails COMMAND...	fail if COMMAND succeeds, or is killed; output in $OUTPUT
#	exits STATUS COMMAND...	fail unless COMMAND ends with STATUS; output in $OUTPUT
#	note TEXT...		a diagnostic line
#
# Waiting; nothing waits for ever
#	wait_until SECONDS COMMAND...	poll until COMMAND succeeds, else fail
#	within SECONDS COMMAND...	run a program (not a function); fail if it takes longer
#
# Servers, on TCP 127.0.0.1 or, with TRANSPORT=unix before the call, on a Unix socket. They answer
# when the call returns and are killed at the end of the test. Each sets URI, SERVER_PID, SERVER_LOG
# (its stderr), and PORT or SOCKET. EXPORT is the export's name in URI (default: empty).
#	serve_nbdkit ARGS...		nbdkit ARGS
#	serve_qemu IMAGE [ARGS...]	qemu-nbd ARGS IMAGE (persistent, shared by 16)
#	serve_nbd_server FILE [LINE...]	nbd-server with export "disk" of FILE; LINEs go into the
#					export's section of the configuration
#	serve_nbd_servers FILE [LINE...]	likewise, a process for each connection; SERVER_PID
#					is their parent
#	serve PROGRAM ARGS...		any other; @PORT@ and @SOCKET@ in ARGS are replaced
#	stop_server [PID]		kill it (-9) and wait; default: the last one started
#	pause_server, resume_server	SIGSTOP, after which it answers nothing, and SIGCONT
#
# Devices
#	attach [OPTIONS...]	nbd-attach OPTIONS $URI to a free device; sets DEV and DISK (its
#				name)
#	attach_legacy [OPTS]	the same by nbd-client (netlink); TCP: by PORT, Unix: by SOCKET
#	detach [DEV]		nbd-detach; checks that the device is free after it
#	free_device		print a /dev/nbdN that is not attached
#	attached DEV		true if DEV is attached
#	queue ATTRIBUTE		print /sys/block/$DISK/queue/ATTRIBUTE
#	settle			wait for udev
#
# Tests in C (kselftest_harness.h) that need a device: x.c, not test_x.c, and a shell test that
# calls
#	harness PROGRAM [ARGS...]	run it, with DEV, URI, PORT and SOCKET in its environment;
#					fails if it fails, skips if it skips
#
# Kernel log
#	klog			print the kernel log since the test began
#	wait_klog SECONDS REGEX	wait until a line of it matches
#	allow_klog REGEX	lines that match are not held against the test
#
# Clean-up
#	defer COMMAND...	run COMMAND at the end; last in, first out
#	$TMP			a directory of the test's own, removed at the end
#
# By hand, as root, with nbd.ko loaded or installed and the tools in PATH: ./test_x.sh. Where the
# kernel's kselftest/ktap_helpers.sh is not there: KSELFTEST=<dir that has kselftest/>.

set -Eeu

# An emulated CPU starts programs slowly, so the code of every test starts few. A fifth of such a
# start would be reading the locale.
export LC_ALL=C

NAME=${0##*/}
NAME=${NAME%.sh}
HERE=${BASH_SOURCE[0]%/*}/..
[[ $HERE == /* ]] || HERE=$PWD/$HERE
: "${KSELFTEST:=$HERE/..}"
if [ ! -r "$KSELFTEST/kselftest/ktap_helpers.sh" ]; then
	echo "$NAME: no kselftest/ktap_helpers.sh in $KSELFTEST; say where with KSELFTEST=" >&2
	exit 1
fi
# shellcheck source=/dev/null
. "$KSELFTEST/kselftest/ktap_helpers.sh"

# The longest that one attach or detach may take, in seconds; emulated debug kernels are slow.
PATIENCE=60

OUTPUT=
DEV=
DISK=
URI=
PORT=
SOCKET=
SERVER_PID=
SERVER_LOG=
_why=
_skipped=
_deferred=()
_servers=()
_allowed=()

# ---- verdicts ----

note() { ktap_print_msg "$*"; }

fail() {
	_why=$*
	# From a command whose output somebody takes, that is the way to tell
	[ "$BASH_SUBSHELL" -eq 0 ] || echo "$_why" >&2
	exit "$KSFT_FAIL"
}

skip() {
	_why=$*
	_skipped=1
	exit "$KSFT_SKIP"
}

requires() {
	local program

	for program; do
		command -v "$program" >/dev/null || skip "no $program"
	done
}

requires_nbdctl() {
	genl_has_family nbdctl || skip "this nbd.ko has no netlink family nbdctl"
}

# iproute2's genl lists the families
genl_has_family() { genl ctrl list 2>/dev/null | grep -qw "Name: $1"; }

same() { [ "$1" = "$2" ] || fail "${3:-value}: got '$1', want '$2'"; }

matches() { [[ $1 =~ $2 ]] || fail "${3:-text}: '$1' does not match '$2'"; }

_run() {
	local rc=0

	OUTPUT=$("$@" 2>&1) || rc=$?
	return "$rc"
}

fails() {
	local rc=0

	_run "$@" || rc=$?
	[ "$rc" -ne 0 ] || fail "succeeded: $*: $OUTPUT"
	[ "$rc" -lt 124 ] || fail "died with $rc: $*: $OUTPUT"
}

exits() {
	local want=$1 rc=0
	shift

	_run "$@" || rc=$?
	[ "$rc" -eq "$want" ] || fail "exit status $rc, want $want: $*: $OUTPUT"
}

# ---- waiting ----

wait_until() {
	local end=$((SECONDS + $1)) tries=0
	shift

	until "$@" >/dev/null 2>&1; do
		[ "$SECONDS" -lt "$end" ] || fail "timed out waiting for: $*"
		_nap "0.$((++tries < 10 ? 1 : 3))"
	done
}

# _nap SECONDS: sleep without starting a program; nothing is ever written to the FIFO
_nap() {
	[ -p "$TMP/nap" ] || mkfifo "$TMP/nap"
	read -rt "$1" <>"$TMP/nap" || true
}

within() {
	local seconds=$1 rc=0
	shift

	timeout -k 5 "$seconds" "$@" || rc=$?
	case $rc in
	124 | 137) fail "took longer than $seconds s: $*" ;;
	esac
	return "$rc"
}

# ---- clean-up ----

defer() {
	local command

	printf -v command '%q ' "$@"
	_deferred+=("$command")
}

# ---- servers ----

# _tcp_has REGEX: true if the kernel's table of TCP sockets has a line that matches
_tcp_has() {
	local lines file

	for file in /proc/net/tcp /proc/net/tcp6; do
		[ -r "$file" ] || continue
		mapfile -t lines <"$file"
		[[ "${lines[*]}" =~ $1 ]] && return
	done
	return 1
}

_free_port() {
	local port regex

	for _ in {1..50}; do
		port=$((10900 + RANDOM % 19100))
		printf -v regex ' [0-9A-F]+:%04X ' "$port"
		_tcp_has "$regex" || break
	done
	echo "$port"
}

_place() {
	PORT=
	SOCKET=
	SERVER_LOG=$TMP/server-${#_servers[@]}.log
	if [ "${TRANSPORT:-tcp}" = unix ]; then
		SOCKET=$TMP/server-${#_servers[@]}.sock
		URI="nbd+unix:///${EXPORT-}?socket=$SOCKET"
	else
		PORT=$(_free_port)
		URI="nbd://127.0.0.1:$PORT/${EXPORT-}"
	fi
}

# listening: somebody listens at PORT or SOCKET (asked of the kernel, as a connection would disturb)
_listening() {
	local regex

	if [ "$SOCKET" ]; then
		[ -S "$SOCKET" ]
	else
		printf -v regex ' [0-9A-F]+:%04X [0-9A-F]+:0000 0A ' "$PORT"
		_tcp_has "$regex"
	fi
}

# Servers write to files only: a pipe that outlives the test would keep the runner waiting.
_launch() {
	local end=$((SECONDS + PATIENCE))

	requires "$1"
	"$@" </dev/null >"$SERVER_LOG" 2>&1 &
	SERVER_PID=$!
	_servers+=("$SERVER_PID")
	defer _kill "$SERVER_PID"
	until _listening; do
		kill -0 "$SERVER_PID" 2>/dev/null || fail "$1 ended: $(tail -n 3 "$SERVER_LOG")"
		[ "$SECONDS" -lt "$end" ] || fail "$1 does not listen: $(tail -n 3 "$SERVER_LOG")"
		_nap 0.1
	done
}

_kill() {
	kill -9 "$1" 2>/dev/null || return 0
	wait "$1" 2>/dev/null || true
}

serve_nbdkit() {
	_place
	if [ "$SOCKET" ]; then
		_launch nbdkit -f -U "$SOCKET" "$@"
	else
		_launch nbdkit -f -i 127.0.0.1 -p "$PORT" "$@"
	fi
}

serve_qemu() {
	local image=$1 where
	shift

	_place
	if [ "$SOCKET" ]; then
		where=(-k "$SOCKET")
	else
		where=(-b 127.0.0.1 -p "$PORT")
	fi
	_launch qemu-nbd -t -e 16 -x "${EXPORT-}" "${where[@]}" "$@" "$image"
}

# nbd-server looks for primes before its first initial handshake, for up to a minute if emulated
_no_primes=$(command -v no_primes.so || true)
NBD_SERVER=(env ${_no_primes:+LD_PRELOAD="$_no_primes"} nbd-server)

_nbd_server_config() {
	local file=$1
	shift

	EXPORT=disk _place
	requires nbd-server
	{
		echo "[generic]"
		if [ "$SOCKET" ]; then
			echo "unixsock = $SOCKET"
		else
			printf '%s\n' "listenaddr = 127.0.0.1" "port = $PORT"
		fi
		printf '%s\n' "[disk]" "exportname = $file" "$@"
	} >"$SERVER_LOG.conf"
}

serve_nbd_server() {
	_nbd_server_config "$@"
	_launch "${NBD_SERVER[@]}" -d -C "$SERVER_LOG.conf"
}

# In the foreground it has no children
serve_nbd_servers() {
	_nbd_server_config "$@"
	"${NBD_SERVER[@]}" -C "$SERVER_LOG.conf" -p "$SERVER_LOG.pid" </dev/null >"$SERVER_LOG" 2>&1
	wait_until "$PATIENCE" test -s "$SERVER_LOG.pid"
	SERVER_PID=$(<"$SERVER_LOG.pid")
	_servers+=("$SERVER_PID")
	defer _kill "$SERVER_PID"
	wait_until "$PATIENCE" _listening
}

serve() {
	local args=("$@")

	_place
	args=("${args[@]//@PORT@/$PORT}")
	args=("${args[@]//@SOCKET@/$SOCKET}")
	_launch "${args[@]}"
}

stop_server() { _kill "${1:-$SERVER_PID}"; }

_paused() { ! grep -qv '^State:.T' <(grep -h '^State:' "/proc/$SERVER_PID"/task/*/status); }

# Until all its threads have stopped, any of them may still answer
pause_server() {
	kill -STOP "$SERVER_PID"
	wait_until 20 _paused
}

resume_server() { kill -CONT "$SERVER_PID"; }

# ---- devices ----

attached() {
	local sys=/sys/block/${1#/dev/} size=0

	# in a trap for EXIT a bare return has the status from before the trap
	[ -e "$sys/pid" ] && return 0
	# no fork: this is asked of each device, before and after each test
	{ read -r size <"$sys/size"; } 2>/dev/null || true
	[ "${size:-0}" -ne 0 ]
}

free_device() {
	local sys

	# the lowest number first
	for sys in /sys/block/nbd[0-9] /sys/block/nbd[0-9][0-9] /sys/block/nbd[0-9][0-9][0-9]*; do
		[ -d "$sys" ] || continue
		attached "${sys##*/}" && continue
		echo "/dev/${sys##*/}"
		return
	done
	return 1
}

_pick_device() {
	DEV=$(free_device) || fail "no free /dev/nbdN"
	DISK=${DEV#/dev/}
	defer _force_detach "$DEV"
}

# The resident part of the tool may keep its output open, so that goes to a file.
_tool() {
	local log=$TMP/tool.log rc=0

	timeout -k 5 "$PATIENCE" "$@" </dev/null >"$log" 2>&1 || rc=$?
	OUTPUT=$(<"$log")
	[ "$rc" -eq 0 ] || fail "exit status $rc: $*: $OUTPUT"
}

attach() {
	requires nbd-attach
	_pick_device
	_tool nbd-attach "$@" "$URI" "$DEV"
	attached "$DEV" || fail "nbd-attach was content, but $DEV is not attached"
}

attach_legacy() {
	requires nbd-client
	_pick_device
	if [ "$SOCKET" ]; then
		_tool nbd-client -unix "$SOCKET" "$DEV" -N "${EXPORT-}" "$@"
	else
		_tool nbd-client 127.0.0.1 "$PORT" "$DEV" -N "${EXPORT-}" "$@"
	fi
	wait_until "$PATIENCE" attached "$DEV"
}

detach() {
	local dev=${1:-$DEV}

	_tool nbd-detach "$dev"
	attached "$dev" && fail "nbd-detach was content, but $dev is still attached"
	return 0
}

_force_detach() {
	local tool

	for tool in "nbd-detach" "nbd-detach --force" "nbd-client -d"; do
		attached "$1" || return 0
		# shellcheck disable=SC2086 # a command and its option
		timeout -k 5 "$PATIENCE" $tool "$1" </dev/null >/dev/null 2>&1 || true
	done
}

harness() {
	local program=$1 rc=0
	shift

	export DEV URI PORT SOCKET
	"$HERE/$program" "$@" </dev/null >"$TMP/harness.log" 2>&1 || rc=$?
	sed 's/^/  /' "$TMP/harness.log"
	case $rc in
	0) ;;
	"$KSFT_SKIP") skip "$(sed -n 's/.*# SKIP *//p' "$TMP/harness.log" | head -n 1)" ;;
	*) fail "$program: exit status $rc" ;;
	esac
}

queue() { cat "/sys/block/$DISK/queue/$1"; }

settle() { udevadm settle --timeout="$PATIENCE"; }

# ---- kernel log ----

_mark="selftests: nbd: $NAME: start $$.$RANDOM"

# Before the mark is what others did. If the ring has lost the mark, all of it is ours.
klog() { dmesg | awk -v m="$_mark" '{ l[n++] = $0 } index($0, m) { n = 0 }
	END { for (i = 0; i < n; i++) print l[i] }'; }

_klog_has() { klog | grep -qE -- "$1"; }

wait_klog() { wait_until "$1" _klog_has "$2"; }

allow_klog() { _allowed+=("$1"); }

# What a sound kernel never says.
_bad_klog='BUG|WARNING:|Oops|KASAN|KCSAN|UBSAN|ODEBUG|refcount_t'
_bad_klog+='|general protection|kernel paging|NULL pointer'
_bad_klog+='|INFO: (task|rcu|possible|trying|lockdep)|suspicious RCU|inconsistent lock|lock held'
_bad_klog+='|invalid wait context|sleeping function|scheduling while atomic|soft lockup|hard LOCKUP'
_bad_klog+='|blocked for more than|corruption|use-after-free|out-of-bounds|kmemleak: [1-9]'
_bad_klog+='|unreferenced object'

# KCSAN reports races anywhere in the kernel; ours are those with the driver in a stack. Not among
# them: kthread_data() and its like read the flags of a worker where memalloc_noreclaim_save() is
# setting one.
_our_races() {
	awk '/BUG: KCSAN/ { report = 1; text = "" }
		!report { print; next }
		{ text = text $0 "\n" }
		/Reported by Kernel Concurrency/ {
			report = 0
			if (text ~ /\[nbd\]/ && text !~ /data-race in kthread_/)
				printf "%s", text
		}
		END { if (report) printf "%s", text }'
}

# True if no line since the mark is bad, which it mostly is. dmesg would format a time stamp for
# each line, which takes longer than all else. The end of the log is an error to dd; if another one
# ends its reading, that a record was overwritten, this cannot tell.
_klog_is_clean() {
	dd if=/dev/kmsg bs=8k iflag=nonblock 2>&1 | MARK=$_mark BAD=$_bad_klog awk '
		index($0, ENVIRON["MARK"]) { n = 0; next }
		/^dd: .*: Resource temporarily unavailable$/ { whole = 1 }
		{ line[n++] = $0 }
		END {
			for (i = 0; i < n; i++)
				if (line[i] ~ ENVIRON["BAD"])
					exit 1
			exit !whole
		}'
}

_klog_complaints() {
	local allowed='^$' regex

	_klog_is_clean && return
	for regex in ${_allowed[@]+"${_allowed[@]}"}; do
		allowed+="|$regex"
	done
	klog | _our_races | grep -E -- "$_bad_klog" | grep -vE -- "$allowed" | head -n 5
}

# ---- end of a test ----

# _our_processes: add running servers, tools and what gives disks something to do to $found
_our_processes() {
	local comm name stat

	for comm in $(grep -lsE '^(nbd-|nbdkit$|qemu-nbd$|qemu-storage-|evil-nbd$|fio$|hog\.py$)' \
		/proc/[0-9]*/comm || true); do
		# it may end meanwhile
		{ read -r name <"$comm" && read -r stat <"${comm%/*}/stat"; } \
			2>/dev/null || continue
		# threads of the kernel, children of 2, have names like that too
		comm=${comm%/*}
		[[ $stat == *') '?' 2 '* ]] || found+="${comm##*/} $name "
	done
}

# _leftovers: set $_left to the servers, tools and attached disks that are left, and give those that
# were not there before the test some time to end
_leftovers() {
	local sys found tries

	_left=
	for tries in 1 2 3 4 5 6 7 8 9 10; do
		found=
		_our_processes
		for sys in /sys/block/nbd*; do
			[ -d "$sys" ] && attached "${sys##*/}" && found+="/dev/${sys##*/} "
		done
		[ "$found" ] || return 0
		[ "$found" = "$_before" ] && return 0
		sleep "0.$tries"
	done
	_left=$found
}

_on_err() {
	# not in a command substitution: a command of the caller fails next
	[ "$BASH_SUBSHELL" -eq 0 ] || return 0
	_why=${_why:-"line $1: exit status $3: $2"}
}

# When a function whose output goes elsewhere ends the test, bash has not given it back yet; but it
# has kept it, as number 10 or above.
_own_output() {
	local fd

	[ -e "/proc/$$/fd/10" ] || return 0
	for fd in 1 "/proc/$$/fd/"*; do
		fd=${fd##*/}
		[ "$(readlink "/proc/$$/fd/$fd")" = "$_output" ] || continue
		exec >&"$fd"
		return
	done
}

_on_exit() {
	local rc=$? i complaints

	trap - EXIT ERR
	trap '' TERM INT HUP
	set +e
	_own_output
	for ((i = ${#_deferred[@]} - 1; i >= 0; i--)); do
		eval "${_deferred[i]}"
	done
	rm -rf "$TMP"
	if [ "$rc" -eq "$KSFT_SKIP" ] && [ "$_skipped" ]; then
		ktap_skip_all "$_why"
		exit "$KSFT_SKIP"
	fi
	_leftovers
	complaints=$(_klog_complaints)
	[ "$rc" -ne 0 ] && note "FAILED: ${_why:-exit status $rc}"
	[ "$_left" ] && note "left behind: $_left" && rc=1
	[ "$complaints" ] && note "the kernel complained: $complaints" && rc=1
	[ "$rc" -ne 0 ] && klog | tail -n 15 | sed 's/^/# klog: /'
	ktap_set_plan 1
	if [ "$rc" -eq 0 ]; then
		ktap_test_pass "$NAME"
	else
		ktap_test_fail "$NAME"
	fi
	ktap_finished
}

# ---- start of a test ----

_output=$(readlink "/proc/$$/fd/1")
ktap_print_header
_before=
TMP=$(mktemp -d "${TMPDIR:-/tmp}/$NAME.XXXXXX")
trap _on_exit EXIT
# the runner's time-out signals the whole process group, so nothing in the foreground delays this
trap 'fail "ended by a signal: time-out?"' TERM INT HUP
trap '_on_err "$LINENO" "$BASH_COMMAND" "$?"' ERR

[ "$EUID" -eq 0 ] || skip "not root"
[ -e /sys/block/nbd0 ] || modprobe nbd || skip "no nbd module"
_leftovers
_before=$_left
echo "$_mark" >/dev/kmsg
