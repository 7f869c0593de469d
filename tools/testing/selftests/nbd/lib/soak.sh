# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# Shared by the soak tests, which run something for long, at random, and repeatably: SEED, and COUNT
# or DURATION (seconds), are taken from the environment. As selftests they are short; "make soak"
# runs them at length. Each ends with one line "# soak: ..." that says what was done.
#
#	rnd FROM TO		a random number in $N; SEED gives the sequence
#	soak_server KIND IMAGE	choose a server on TCP: file and cache (nbdkit), qemu, nbd-server,
#				lying
#				(answers FLUSH and does nothing), memory (IMAGE is its size), df
#				(answers DF with an error)
#	server_up		start it, at the same place each time
#	server_down		kill it (-9) with all its processes
#	server_end		have it end (SIGTERM): nbdkit refuses what comes meanwhile
#	server_still MS		it stands still for so long
#	while_unread COMMAND	stop it, and run this when a request waits that it has not read;
#				HELD has the line of ss
#	in_turn N HOW		while it stands still, end the connection on which something waits,
#				so that it moves to the next one, N times. HOW is cut_off (by the
#				network) or end_child (nbd-server has a process for each); ENDED
#				counts them
#	all_connected N		wait until it has N connections
#	progress		wait until the disk has finished more requests than now
#	new_image		make $TMP/image
#	start_load LOAD [volatile]	use the disk from now on; LOAD is busy, slow (see
#				ledger_write.c) or reader: one direct read of 4 KiB after the other
#	end_load		no longer; fails if it has met an error
#	start_ledger [volatile]	write to the disk from now on, see ledger_write.c
#	check_image [volatile]	hold the image against the ledger, if there is one, see
#				ledger_check.c
#	end_ledger		stop writing; fails if the writer has met an error
#	no_io_errors		fail if the kernel's log has one of this disk
#	count_written		add what it wrote to WRITTEN, or read to READS
#	soaked TEXT...		the last line; fails if the kernel has warned at any time

. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

requires_nbdctl
requires nbd-attach nbdkit

SEED=${SEED:-$((RANDOM * 32768 + RANDOM))}
note "SEED=$SEED"

LEDGER=$TMP/ledger
LEDGER_MIB=32
_seed_state=$SEED
_server=()
# run in front of the server, and where it listens
IN_NETNS=()
SERVER_IP=127.0.0.1
WRITER_PID=
LOAD=
HELD=
ENDED=0

# shellcheck disable=SC2034 # N is for the tests
rnd() {
	_seed_state=$(((_seed_state * 1103515245 + 12345) & 0x7fffffff))
	N=$(($1 + (_seed_state >> 8) % ($2 - $1 + 1)))
}

nap_ms() { sleep "$(($1 / 1000)).$(printf '%03d' $(($1 % 1000)))"; }

# ---- the server ----

soak_server() {
	local image=$2

	_place
	URI="nbd://$SERVER_IP:$PORT/${EXPORT-}"
	_server=(nbdkit -f -i "$SERVER_IP" -p "$PORT")
	_server_daemon=
	case $1 in
	file) _server+=(file "$image") ;;
	cache) _server+=(--filter=cache file "$image" cache=writeback) ;;
	memory) _server+=(memory "$image") ;;
	df)
		requires evil-nbd
		_server=(evil-nbd --port "$PORT" --image "$image" --df einval --log "$TMP/df.log")
		;;
	lying) _server+=(--filter=cache file "$image" cache=unsafe) ;;
	qemu)
		requires qemu-nbd
		_server=(qemu-nbd -t -e 0 -f raw --discard=unmap -b "$SERVER_IP" -p "$PORT"
			"$image")
		;;
	nbd-server)
		requires nbd-server
		printf '%s\n' "[generic]" "listenaddr = $SERVER_IP" "port = $PORT" "[disk]" \
			"exportname = $image" "flush = true" "fua = true" "trim = true" >"$TMP/conf"
		_server=("${NBD_SERVER[@]}" -C "$TMP/conf" -p "$TMP/pid")
		_server_daemon=1
		URI="nbd://$SERVER_IP:$PORT/disk"
		;;
	*) fail "no server $1" ;;
	esac
}

_server_listens() { [ "$("${IN_NETNS[@]}" ss -Hltn "sport = :$PORT")" ]; }

# A session of its own: some servers are several processes. nbd-server has one for each client only
# if it makes itself a daemon, which is a session too.
_server_start() {
	if [ "$_server_daemon" ]; then
		rm -f "$TMP/pid"
		"${IN_NETNS[@]}" "${_server[@]}" </dev/null >>"$SERVER_LOG" 2>&1
		wait_until 20 test -s "$TMP/pid"
		SERVER_PID=$(<"$TMP/pid")
		return
	fi
	setsid "${IN_NETNS[@]}" "${_server[@]}" </dev/null >>"$SERVER_LOG" 2>&1 &
	SERVER_PID=$!
}

server_up() {
	_server_start
	until _server_listens; do
		kill -0 "$SERVER_PID" 2>/dev/null ||
			fail "the server ended: $(tail -n 3 "$SERVER_LOG")"
		sleep 0.05
	done
}

_server_gone() { ! kill -0 -- "-$SERVER_PID" 2>/dev/null; }

server_down() {
	[ "$SERVER_PID" ] || return 0
	kill -9 -- "-$SERVER_PID" 2>/dev/null || true
	wait "$SERVER_PID" 2>/dev/null || true
	wait_until 20 _server_gone
	SERVER_PID=
}

server_end() {
	kill -TERM "$SERVER_PID"
	wait_until "$PATIENCE" _server_gone
	wait "$SERVER_PID" 2>/dev/null || true
	SERVER_PID=
}

_stop() { kill -STOP -- "-$SERVER_PID"; }

_go_on() { kill -CONT -- "-$SERVER_PID"; }

server_still() {
	_stop
	nap_ms "$1"
	_go_on
}

# sets HELD to the server's end of a connection with something that it has not read. It has no pid
# if its process has come since ss looked for processes.
_unread() {
	while read -r HELD; do
		[[ $HELD == 0\ * || $HELD != *pid=* ]] || return 0
	done < <("${IN_NETNS[@]}" ss -Htnp state established "sport = :$PORT")
	return 1
}

_wait_unread() {
	local tries

	for ((tries = 0; tries < 10; tries++)); do
		_unread && return
		_nap 0.1
	done
	return 1
}

# It may have read the only one there is, without an answer so far; then once more
_hold() {
	local tries

	for ((tries = 0; tries < 30; tries++)); do
		_stop
		_wait_unread && return
		_go_on
		_nap "0.0$((tries % 9 + 1))"
	done
	fail "no request came to the server"
}

while_unread() {
	_hold
	"$@"
}

# ss shows what it has ended
cut_off() {
	local port

	read -r _ _ _ port _ <<<"$HELD"
	[ ! "$(ss -HtnK "sport = :${port##*:} and dport = :$PORT")" ] || ENDED=$((ENDED + 1))
}

end_child() {
	local child=${HELD##*pid=}

	kill -9 "${child%%,*}"
	ENDED=$((ENDED + 1))
}

_connected() {
	[ "$("${IN_NETNS[@]}" ss -Htn state established "sport = :$PORT" | wc -l)" -ge "$1" ]
}

all_connected() { wait_until "$PATIENCE" _connected "$1"; }

# some may end by themselves, if a request has waited for too long
in_turn() {
	local before=$ENDED i

	all_connected "$1"
	_hold
	for ((i = 0; i < $1; i++)); do
		"$2"
		_wait_unread || break
	done
	_go_on
	[ "$ENDED" -gt "$before" ] || fail "no connection was ended by $2"
}

# ---- the disk ----

finished() { awk '{ print $1 + $5 + $12 + $16 }' "/sys/block/$DISK/stat"; }

_more_than() { [ "$(finished)" -gt "$1" ]; }

progress() { wait_until "$PATIENCE" _more_than "$(finished)"; }

# Readers have the last MiB to themselves
READ_FROM=$((63 * 256))

new_image() {
	rm -f "$TMP/image" "$LEDGER"
	truncate -s 64M "$TMP/image"
	[ -e "$TMP/pattern" ] || head -c 1M /dev/urandom >"$TMP/pattern"
	dd if="$TMP/pattern" of="$TMP/image" bs=4k seek="$READ_FROM" conv=notrunc status=none
}

_read_on() {
	until [ -e "$TMP/enough" ]; do
		dd if="$DEV" of="$TMP/back" bs=4k skip="$READ_FROM" count=256 iflag=direct \
			status=none || return
		cmp "$TMP/back" "$TMP/pattern" || return
		echo . >>"$TMP/reads"
	done
}

start_load() {
	LOAD=$1
	shift
	case $LOAD in
	busy) start_ledger "$@" ;;
	slow) start_ledger "$@" slow ;;
	reader)
		rm -f "$TMP/enough"
		: >"$TMP/reads"
		_read_on </dev/null >"$TMP/writer.log" 2>&1 &
		WRITER_PID=$!
		progress
		;;
	esac
}

end_load() {
	[ "$LOAD" != reader ] || touch "$TMP/enough"
	end_ledger
}

start_ledger() {
	rm -f "$LEDGER"
	"$HERE/ledger_write" "$DEV" "$LEDGER" "$SEED" 100000 "$LEDGER_MIB" "$@" \
		</dev/null >"$TMP/writer.log" 2>&1 &
	WRITER_PID=$!
	progress
}

_writer_ended() { ! kill -0 "$WRITER_PID" 2>/dev/null; }

end_ledger() {
	local rc=0

	[ "$LOAD" = reader ] || kill "$WRITER_PID" 2>/dev/null || true
	wait_until "$PATIENCE" _writer_ended
	wait "$WRITER_PID" || rc=$?
	WRITER_PID=
	[ "$rc" -eq 0 ] || fail "the writer: $rc: $(cat "$TMP/writer.log")"
}

check_image() {
	[ -e "$LEDGER" ] || return 0
	"$HERE/ledger_check" image "$LEDGER" "$@" >"$TMP/check.log" ||
		fail "the image: $(cat "$TMP/check.log")"
}

# Adds up in WRITTEN what ledger_write says at its end: "N reads, N writes, ..."
WRITTEN=0
READS=0
count_written() {
	if [ "$LOAD" = reader ]; then
		READS=$((READS + 256 * $(wc -l <"$TMP/reads")))
	else
		WRITTEN=$((WRITTEN + $(awk '{ print $3 + $5 + $8 + $10 }' "$TMP/writer.log")))
	fi
}

no_io_errors() {
	klog | grep -E "$DISK.*(I/O error|error, dev)|(I/O error|error, dev).*$DISK" |
		head -n 3 >"$TMP/errors"
	[ ! -s "$TMP/errors" ] || fail "I/O errors: $(cat "$TMP/errors")"
}

# Over hours the kernel's log loses its beginning. These two do not forget: a warning, an oops, a
# bad page or a soft lockup taints; lockdep ends itself with its first report.
_taint() { echo $(($(cat /proc/sys/kernel/tainted) & (1 << 5 | 1 << 7 | 1 << 9 | 1 << 14))); }

_taint_before=$(_taint)

# known_warning REGEX: the rest of the kernel may warn like that
known_warning() {
	local panic=/proc/sys/kernel/panic_on_warn

	_known_warning=$1
	allow_klog "$1"
	defer sh -c "echo $(<$panic) >$panic"
	echo 0 >$panic
}

_known_warning=

sound() {
	local taint=$(($(_taint) & ~_taint_before))

	if [ "$_known_warning" ] && _klog_has "$_known_warning"; then
		taint=$((taint & ~(1 << 9)))
	fi
	[ "$taint" -eq 0 ] || fail "the kernel is tainted by a warning or worse"
	[ ! -e /proc/lockdep_stats ] || grep -q 'debug_locks: *1' /proc/lockdep_stats ||
		fail "lockdep has ended itself"
}

soaked() {
	sound
	echo "# soak: ${NAME#test_soak_}: kernel $(uname -r), seed $SEED: $*"
}

_end_soak() {
	[ ! "$WRITER_PID" ] || kill -9 "$WRITER_PID" 2>/dev/null || true
	# a process that is left waits for a reply
	[ ! "$DEV" ] || nbd-detach --force "$DEV" >/dev/null 2>&1 || true
	server_down
}
defer _end_soak
