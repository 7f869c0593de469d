# SPDX-License-Identifier: GPL-2.0-only
# How the layers of "make check" count: a line in $NBD_RESULTS for each test. "make check" gives all
# layers the same file and sums it up; a layer that runs alone sums up for itself.
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

passed() {
	echo "passed $1" >>"$NBD_RESULTS"
	echo "${_green}ok${_plain}      $1"
}

failed() {
	echo "failed $1" >>"$NBD_RESULTS"
	echo "${_red}FAILED${_plain}  $1${2:+: $2}"
}

skipped() {
	echo "skipped $1" >>"$NBD_RESULTS"
	echo "${_yellow}skipped${_plain} $1: $2"
}

# result NAME STATUS: passed or failed by an exit status
result() {
	if [ "$2" -eq 0 ]; then
		passed "$1"
	else
		failed "$1" "${3-}"
	fi
}

count() { grep -c "^$1 " "$NBD_RESULTS" || true; }

# sum_up [PREFIX]: the closing line, and exit status 1 if anything failed or nothing ran
sum_up() {
	local p f s
	p=$(count passed) f=$(count failed) s=$(count skipped)

	echo "${1:+$1: }$p passed, $f failed, $s skipped"
	rm -f "$NBD_RESULTS"
	[ "$f" -eq 0 ] && [ $((p + s)) -gt 0 ]
}

# end_layer NAME: sum up, if this layer runs alone
end_layer() {
	[ "$_own_results" ] || return 0
	sum_up "$1"
}
