# SPDX-License-Identifier: GPL-2.0-only
# How the layers of "make check" count: a line in $NBD_RESULTS for each test, "passed SECONDS NAME".
# "make check" gives all layers the same file and sums it up; a layer that runs alone sums up for
# itself.
# shellcheck shell=bash

_own_results=
if [ -z "${NBD_RESULTS-}" ]; then
	NBD_RESULTS=$(mktemp)
	_own_results=1
fi

if [ -t 1 ]; then
	_green=$'\e[32m' _red=$'\e[31m' _yellow=$'\e[33m' _plain=$'\e[0m'
else
	_green='' _red='' _yellow='' _plain=''
fi

# SECONDS that the next test took, if the caller knows them
took=

_count() {
	echo "$1 ${took:--} $2" >>"$NBD_RESULTS"
}

_time() { [ -z "$took" ] || printf ' (%s s)' "$took"; }

passed() {
	_count passed "$1"
	echo "${_green}ok${_plain}      $1$(_time)"
}

failed() {
	_count failed "$1"
	echo "${_red}FAILED${_plain}  $1$(_time)${2:+: $2}"
}

skipped() {
	_count skipped "$1"
	echo "${_yellow}skipped${_plain} $1: $2"
}

# A failure that says nothing of this checkout: shown, and not counted.
reported() {
	_count reported "$1"
	echo "${_yellow}reported${_plain} $1$(_time)${2:+: $2}"
}

# result NAME STATUS: passed or failed by an exit status
result() {
	if [ "$2" -eq 0 ]; then
		passed "$1"
	else
		failed "$1" "${3-}"
	fi
}

# tap NAME COMMAND...: count the tests in its TAP output. A command without any counts as one test,
# one that fails without a failed test as one failure. Only what does not pass is listed.
tap() {
	local name=$1 log rc=0 line title reason='' good=0 bad=0
	shift

	log=$(mktemp)
	"$@" >"$log" 2>&1 </dev/null || rc=$?
	while IFS= read -r line; do
		case $line in
		"# reason: "*) reason=${line#*: } ;;
		"ok "*"# SKIP"*)
			_title "${line%%# SKIP*}"
			# of cmocka, the title comes behind, and the reason before (skip_as())
			[ "$title" ] || { title=${line##*# SKIP } line=$reason; }
			skipped "$name: $title" "${line##*# SKIP }"
			;;
		"ok "*)
			_title "$line"
			passed "$name: $title" >/dev/null
			good=$((good + 1))
			;;
		"not ok "*)
			_title "$line"
			failed "$name: $title"
			bad=$((bad + 1))
			;;
		esac
	done < <(grep -aE '^((not )?ok |# reason: )' "$log")
	if [ "$rc" -ne 0 ]; then
		[ "$bad" -gt 0 ] || failed "$name" "exit status $rc"
		grep -av '^ok ' "$log" | tail -n 80
	elif ! grep -qaE '^(not )?ok ' "$log"; then
		passed "$name"
	fi
	[ "$good" -eq 0 ] || echo "        $name: $good passed"
	rm -f "$log"
}

# set $title: of "ok 3 - parses a port" that is "parses a port"
_title() {
	[[ $1 =~ ^(not )?ok\ +[0-9]*\ *(-\ *)?(.*[^\ ])?\ *$ ]]
	title=${BASH_REMATCH[3]-}
}

count() { grep -c "^$1 " "$NBD_RESULTS" || true; }

# sum_up [PREFIX]: the slowest, what was not counted, and the closing line; exit status 1 if
# anything failed or nothing ran
sum_up() {
	local p f s r
	p=$(count passed) f=$(count failed) s=$(count skipped) r=$(count reported)

	if grep -q '^[a-z]* [0-9]' "$NBD_RESULTS"; then
		echo "The slowest, in seconds:"
		grep '^[a-z]* [0-9]' "$NBD_RESULTS" | sort -k 2 -rn | head -n 10 |
			sed -E 's/^[a-z]+ ([0-9]+) /\1\t/'
	fi
	[ "$r" -eq 0 ] ||
		echo "$r failed on a kernel above the ceiling of driver/kernels; not counted"
	echo "${1:+$1: }$p passed, $f failed, $s skipped"
	rm -f "$NBD_RESULTS"
	[ "$f" -eq 0 ] && [ $((p + s)) -gt 0 ]
}

# end_layer NAME: sum up, if this layer runs alone
end_layer() {
	[ "$_own_results" ] || return 0
	sum_up "$1"
}
