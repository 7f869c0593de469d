# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# Shared by the tests of maps.
#	our_map [OPTIONS...]	nbd-map's map of $DEV: a line "[offset,length,type,description]" an
#				extent
#	server_map [CONTEXT]	the same by nbdinfo from $URI, for base:allocation or CONTEXT
#	same_map [CONTEXT]	fail unless the two are equal
#	same_files GOT WANT WHAT	fail, and show where they differ, unless the files are equal
#	serve_evil ARGS...	evil-nbd ARGS; at the end its log must show no violation

. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

requires_nbdctl
requires nbd-attach nbd-map nbdinfo jq

_lines='.[] | [.offset, .length, .type, .description // ""]'

our_map() {
	nbd-map --json "$@" "$DEV" >"$TMP/our.json" || fail "nbd-map $* failed"
	jq -c "$_lines" "$TMP/our.json"
}

server_map() {
	nbdinfo --map="${1:-base:allocation}" --json "$URI" >"$TMP/server.json" ||
		fail "nbdinfo failed"
	jq -c "$_lines" "$TMP/server.json"
}

same_files() {
	cmp -s "$1" "$2" && return
	diff "$1" "$2" | head -n 20 | sed 's/^/# /'
	fail "$3 differ"
}

same_map() {
	our_map --context "${1:-base:allocation}" >"$TMP/ours"
	server_map "${1:-base:allocation}" >"$TMP/theirs"
	[ -s "$TMP/theirs" ] || fail "nbdinfo has no map of ${1:-base:allocation}"
	same_files "$TMP/ours" "$TMP/theirs" "maps of ${1:-base:allocation}"
}

serve_evil() {
	serve evil-nbd --port @PORT@ --log "$TMP/evil.log" "$@"
	defer no_violation
}

no_violation() {
	! grep -m 3 VIOLATION "$TMP/evil.log" | sed 's/^/# /' | grep . ||
		fail "a violation of the protocol"
}
