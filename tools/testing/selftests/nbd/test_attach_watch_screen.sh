#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# The screen that nbd-list --watch draws is the list of that moment, whatever was there before: when
# disks come and go, when the terminal gets narrow or low, and with -v. Then the shell has the
# terminal as it was.

. "$(dirname "$0")/lib/lib.sh"

requires tmux expand
# the identifier has characters of two bytes
export LC_ALL=C.UTF-8 TMUX_TMPDIR=$TMP
terminal() { tmux -L nbd -f /dev/null "$@"; }
type_in() { terminal send-keys -t pane "$@"; }
screen() { terminal capture-pane -p -t pane; }
flags() { terminal display-message -p -t pane "$1"; }

at_prompt() { [ "$(screen)" = "$" ]; }
screen_has() { [[ $(screen) == *"$1"* ]]; }

# shows PICTURE: below the time and an empty line there is nothing else
shows() {
	mapfile -t lines < <(screen)
	[[ ${lines[0]} == *", every 1000 s and at"* && ${lines[1]} == "" ]] || return
	[ "$(printf '%s\n' "${lines[@]:2}")" = "$1" ]
}

# must_show COLUMNS OPTIONS...: what nbd-list prints, $n lines, cut to that many columns; $lines is
# the screen
must_show() {
	local picture='' columns=$1 line
	shift

	n=0
	while IFS= read -r line; do
		line=${line:0:columns}
		picture+=${line%"${line##*[! ]}"}$'\n'
		n=$((n + 1))
	done < <(nbd-list "$@" | expand)
	wait_until 20 shows "${picture%$'\n'}"
}

# begins LINE HEADING TEXT: TEXT begins where HEADING does, and ends: it ends where HEADING does
begins() { local at=${heading%%"$2"*}; matches "${1:${#at}}" "^$3" "below $2"; }
ends() { local at=${heading%%"$2"*}; matches "${1:0:${#at} + ${#2}}" "$3\$" "below $2"; }

serve evil-nbd --port @PORT@ --size 1000M
two=$URI
serve evil-nbd --port @PORT@ --size 16M
attach -C 2 -i "Grüße"
one=$DEV first=$URI URI=$two
attach

defer terminal kill-server
terminal new-session -d -s pane -x 100 -y 30 'PS1="$ " exec bash --norc --noprofile'
wait_until 20 at_prompt
type_in "stty -g >'$TMP/before'; nbd-list --watch=1000" Enter
must_show 100
heading=${lines[2]}
begins "${lines[3]}" NAME "${one#/dev/} "
ends "${lines[3]}" SIZE " 16M"
ends "${lines[4]}" SIZE " 1000M"
begins "${lines[3]}" IDENTIFIER "Grüße "
begins "${lines[3]}" URI "$first"

# disks go and come
detach
must_show 100
attach
must_show 100
same "$(flags '#{history_size}')" 0 "lines that have scrolled away"

# the terminal gets narrow; what fits to the last column is there
terminal resize-window -t pane -x 60 -y 30
must_show 60

type_in C-c
wait_until 20 screen_has ^C
type_in "echo status \$?; stty -g >'$TMP/after'" Enter
wait_until 20 test -s "$TMP/after"
screen_has "status 0" || fail "exit status: $(screen)"
same "$(<"$TMP/after")" "$(<"$TMP/before")" "settings of the terminal"
same "$(flags '#{wrap_flag} #{cursor_flag}')" "1 1" "wrapping and the cursor"

# all about a disk, on a screen that has other text
settle
type_in "nbd-list --watch=1000 -v $one" Enter
must_show 60 -v "$one"
terminal resize-window -t pane -x 100 -y 30
must_show 100 -v "$one"
for line in "${lines[@]}"; do
	case $line in
	CONN*) heading=$line ;;
	"   "[01]*)
		ends "$line" CONN " [01]"
		begins "$line" PEER "127.0.0.1:[0-9]+ "
		ends "$line" RECEIVED " [0-9.]+[BKM]"
		ends "$line" RECONNECTS " 0"
		;;
	esac
done
matches "$heading" "^CONN.*PEER" "the connections"

# a low terminal counts what it has no place for
terminal resize-window -t pane -x 100 -y 10
wait_until 20 screen_has " more lines"
screen_has $'\n'"$((n - 6)) more lines" || fail "lines that are left out: $(screen)"
detach "$one"
wait_until 20 screen_has "nbd-list: $one: not attached"
