#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# The picture of a layout that the test knows shows each cell as it is, in lines that fit the
# terminal; in ASCII where the locale has nothing else, and without colours where NO_COLOR asks for
# that.

. "$(dirname "$0")/lib/map.sh"

requires evil-nbd script python3

# 8 MiB: data 0-1, hole,zero 1-2, zero 2-3, hole 3-4, a quarter of a MiB of data in 4-5, hole,zero
# to 8
cat >"$TMP/layout" <<-END
	1048576 1048576 3
	2097152 1048576 2
	3145728 1048576 1
	4456448 3932160 3
END
serve_evil --size 8M --fill zero --context "base:allocation=file:$TMP/layout"
attach -C 1

# graph LOCALE COLUMNS [ENV...]: the picture on a terminal of that width
graph() {
	local locale=$1 columns=$2
	shift 2

	env -u NO_COLOR -u COLUMNS LC_ALL="$locale" "$@" script -qec \
		"stty cols $columns rows 24; nbd-map --graph $DEV" /dev/null | tr -d '\r'
}

# cells: the rows of the picture put together (without labels and colours)
cells() {
	sed 's/\x1b\[[0-9;]*m//g' |
		awk 'n == 1 && NF == 0 { exit } n == 1 { printf "%s", $2 } NF == 0 { n++ }'
}

widest() { sed 's/\x1b\[[0-9;]*m//g' | python3 -X utf8 -c 'import sys
print(max(len(line.rstrip("\n")) for line in sys.stdin))'; }

# runs of equal cells: "count cell" ...
fold_runs() { python3 -X utf8 -c 'import itertools, sys
print(" ".join(f"{len(list(g))}{c}" for c, g in itertools.groupby(sys.stdin.read())))'; }

graph C 80 NO_COLOR=1 >"$TMP/ascii"
total=$(cells <"$TMP/ascii" | wc -c)
[ "$total" -ge 64 ] || fail "only $total cells"
m=$((total / 8))
# which of the last shades a cell has depends on its size; these are all whole cells
same "$(cells <"$TMP/ascii" | fold_runs)" \
	"${m}# ${m}. ${m}o ${m}? $((m / 4))# $((m * 15 / 4))." "cells"
! grep -q $'\x1b' "$TMP/ascii" || fail "colours in spite of NO_COLOR"
! LC_ALL=C grep -q '[^ -~]' "$TMP/ascii" || fail "not ASCII"
[ "$(widest <"$TMP/ascii")" -le 80 ] || fail "wider than 80"
[ "$(wc -l <"$TMP/ascii")" -le 24 ] || fail "longer than 24 lines"
# the legend has the totals of nbdinfo
nbdinfo --map --totals "$URI" | while read -r _ percent _ words; do
	grep -F " $words " "$TMP/ascii" | grep -qF "$percent" ||
		fail "no $words of $percent in the legend: $(cat "$TMP/ascii")"
done

graph C.UTF-8 80 TERM=xterm >"$TMP/utf8"
grep -q $'\x1b\\[' "$TMP/utf8" || fail "no colours on a terminal"
same "$(cells <"$TMP/utf8" | fold_runs)" \
	"${m}█ ${m}· ${m}○ ${m}? $((m / 4))█ $((m * 15 / 4))·" "cells in UTF-8"
[ "$(widest <"$TMP/utf8")" -le 80 ] || fail "wider than 80 in UTF-8"

for columns in 40 60; do
	graph C "$columns" NO_COLOR=1 >"$TMP/narrow"
	cells <"$TMP/narrow" | fold_runs | grep -qE '^[0-9]+# [0-9]+\. [0-9]+o [0-9]+\?' ||
		fail "cells at $columns columns: $(cat "$TMP/narrow")"
	rows=$(awk 'n == 1 && NF == 0 { exit } n == 1 { print } NF == 0 { n++ }' "$TMP/narrow" |
		widest)
	[ "$rows" -le "$columns" ] || fail "rows of $rows at $columns columns"
done
# no terminal: no colours, COLUMNS counts
COLUMNS=50 LC_ALL=C nbd-map --graph "$DEV" | sed -n 3p >"$TMP/row"
! grep -q $'\x1b' "$TMP/row" || fail "colours without a terminal"
[ "$(widest <"$TMP/row")" -le 50 ] || fail "COLUMNS is not heeded"
detach
