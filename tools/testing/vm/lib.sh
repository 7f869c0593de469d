# SPDX-License-Identifier: GPL-2.0-only
# Common ground of the VM scripts: where the cache is, how to fill it, how to say what goes on.
#
# Everything that is downloaded or built outside the checkout lives under $cache. An entry's name
# holds a key of what it was made from, so a changed input makes a new entry, never a stale one.
# shellcheck shell=bash

set -Eeuo pipefail

vm=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck disable=SC2034 # used by the scripts that source this
top=$(cd "$vm/../../.." && pwd)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/nbd-attach
# what is built from this checkout's sources
# shellcheck disable=SC2034
builds=$cache/builds/$(sha256sum <<<"$top" | cut -c1-8)
mkdir -p "$cache" "$builds"

say() { echo "${0##*/}: $*" >&2; }
die() { say "$*"; exit 2; }

# lines FILE: the list in FILE without comments and blank lines
lines() { sed 's/#.*//; s/[[:space:]]*$//; /^$/d' "$1"; }

# key [FILE...]: a short hash of the files and of standard input
key() { cat "$@" - | sha256sum | cut -c1-12; }

# build_once DIR FUNCTION [ARGS...]: make DIR by running FUNCTION with a temporary directory as its
# first argument, then rename it. Does nothing if DIR exists. Two at once: the second waits.
build_once() {
	local dir=$1 fn=$2 tmp
	shift 2

	[ -d "$dir" ] && return
	mkdir -p "$(dirname "$dir")"
	exec {lock}>"$dir.lock"
	flock -w 3600 "$lock" || die "$dir: somebody else has been building this for an hour"
	if [ ! -d "$dir" ]; then
		tmp=$dir.tmp
		rm -rf "$tmp"
		mkdir "$tmp"
		"$fn" "$tmp" "$@" >&2
		mv -T "$tmp" "$dir"
	fi
	exec {lock}>&-
}

# forget_others DIR: drop older entries of the same kind (same name up to the last '-')
forget_others() {
	local dir=$1 old

	for old in "${dir%-*}"-*; do
		[ "$old" = "$dir" ] || [ "$old" = "$dir.lock" ] || [ ! -d "$old" ] && continue
		# a VM that runs holds its files open, so it keeps them
		rm -rf "$old" "$old.lock"
	done
}

# fetch_deb DIR PACKAGE...: download packages into DIR, as whoever we are
fetch_deb() {
	local dir=$1
	shift

	apt_update_once
	(cd "$dir" && apt-get -q -o APT::Sandbox::User=root download "$@") ||
		die "cannot download $*"
}

# The package lists are refreshed at most once an hour; a stale list names packages that are gone.
apt_update_once() {
	local stamp=$cache/apt-updated

	[ -n "$(find "$stamp" -mmin -60 2>/dev/null)" ] && return
	apt-get -q update >&2
	touch "$stamp"
}
