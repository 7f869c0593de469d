# SPDX-License-Identifier: GPL-2.0-only
# Common ground of the VM scripts: where the cache is, how to fill it, how to report.
#
# Everything that is downloaded or built outside the checkout lives under $cache. An entry's name
# holds a key of what it was made from, so a changed input makes a new entry, never a stale one.
# Checkouts share the entries; what is built from a checkout's own sources is below $builds.
# shellcheck shell=bash

set -Eeuo pipefail

vm=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck disable=SC2034 # used by the scripts that source this
top=$(cd "$vm/../../.." && pwd)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/nbd-attach
builds=$cache/builds/$(sha256sum <<<"$top" | cut -c1-8)
# shellcheck disable=SC2034
artifacts=$builds/artifacts
# the suite with QEMU, the tools of lint and unit tests, and the kernel's source
# shellcheck disable=SC2034
newest_suite=trixie
# a root sees the host's /tmp
export TMPDIR=/tmp
mkdir -p "$cache" "$builds"

say() { echo "${0##*/}: $*" >&2; }
die() { say "$*"; exit 2; }

# lines FILE: the list in FILE without comments and trailing space
lines() { sed 's/#.*//; s/[[:space:]]*$//; /^$/d' "$1"; }

# key [FILE...]: a short hash of the files and of standard input
key() { cat "$@" - | sha256sum | cut -c1-12; }

# kernels [SUITE]: the names of the lab's kernels, the newest first
kernels() { lines "$vm/kernels.list" | awk -v suite="${1-}" '!suite || $2 == suite { print $1 }'; }

# suite_of KERNEL
suite_of() {
	local suite

	suite=$(lines "$vm/kernels.list" | awk -v name="$1" '$1 == name { print $2 }')
	echo "${suite:-$newest_suite}"
}

# in_turn N WORDS: true for one commit in N, another one for other words
in_turn() {
	: "${commit:=$(git -C "$top" rev-parse HEAD 2>/dev/null || echo none)}"
	[ $((0x$(sha256sum <<<"$commit $2" | cut -c1-4) % $1)) -eq 0 ]
}

# sampled_kernels: the first of each line of kernels, and others in turn
sampled_kernels() {
	local kernel line seen=' '

	for kernel in $(kernels); do
		line=${kernel%%-*}
		if [[ $seen != *" $line "* ]] || in_turn 4 "$kernel"; then
			echo "$kernel"
		fi
		seen+="$line "
	done
}

# limit floor|ceiling: the oldest or newest kernel of driver/kernels
limit() { lines "$top/driver/kernels" | awk -v name="$1" '$1 == name { print $2 }'; }

# above_ceiling RELEASE: true if the kernel is newer than those that the driver was tested on
above_ceiling() {
	local line ceiling

	line=$(grep -oE '^[0-9]+\.[0-9]+' <<<"$1")
	ceiling=$(limit ceiling)
	[ "$line" != "$ceiling" ] && printf '%s\n' "$ceiling" "$line" | sort -C -V
}

# module_dir RELEASE: where the module is built for that kernel; NBD_LEGACY as in Kbuild
module_dir() { echo "$builds/module-$1${NBD_LEGACY:+-legacy-$NBD_LEGACY}"; }

# hold LOCKFILE SECONDS: take a lock until the script ends or calls release_lock
hold() {
	mkdir -p "$(dirname "$1")"
	exec {lock}>"$1"
	flock -w "$2" "$lock" || die "$1: another process has held this lock for $2 s"
}

release_lock() { exec {lock}>&-; }

# build_once DIR FUNCTION [ARGS...]: make DIR by running FUNCTION with a temporary directory as its
# first argument, then rename it. Does nothing if DIR exists. Two at once: the second waits. What
# FUNCTION says is in DIR.log, and shown if it fails.
build_once() {
	local dir=$1 fn=$2 tmp
	shift 2

	[ -d "$dir" ] && return
	hold "$dir.lock" 3600
	if [ ! -d "$dir" ]; then
		tmp=$dir.tmp
		rm -rf "$tmp"
		mkdir "$tmp"
		exec {shown}>&2
		# shellcheck disable=SC2064 # this DIR
		trap "tail -n 40 '$dir.log' >&$shown" EXIT
		"$fn" "$tmp" "$@" >"$dir.log" 2>&1
		trap - EXIT
		exec {shown}>&-
		mv -T "$tmp" "$dir"
	fi
	release_lock
	forget_unused "$dir"
}

# The archives of Debian that this host itself takes packages from: "LABEL URI".
archives() {
	# shellcheck disable=SC2016 # apt's variables
	apt-get indextargets --format '$(LABEL) $(REPO_URI) $(ORIGIN)' \
		'Created-By: Packages' 'Component: main' |
		awk '$3 == "Debian" { print $1, $2 }' | sort -u
}

# sources SUITE: the same archives, as sources.list(5) of that suite
sources() {
	local label uri

	while read -r label uri; do
		case $label in
		Debian)
			echo "deb $uri $1 main"
			echo "deb $uri $1-updates main"
			[ "$1" != "$newest_suite" ] || echo "deb $uri $1-backports main"
			;;
		Debian-Security) echo "deb $uri $1-security main" ;;
		esac
	done < <(archives)
}

# used DIR: note that this entry is in use
used() { touch "$1.lock"; }

# forget_unused DIR: drop entries of the same kind (same name up to the last '-') that nobody has
# used for two weeks. Other checkouts may use other entries, or be making them.
forget_unused() {
	local dir=$1 lock old

	while read -r lock; do
		old=${lock%.lock}
		[ "$old" != "$dir" ] || continue
		flock -n "$lock" rm -rf "$old" "$old.tmp" "$old.log" "$lock" || true
	done < <(find "$(dirname "$dir")" -maxdepth 1 \
		-name "$(basename "${dir%-*}")-*.lock" -mtime +14)
}

# Commands in the background, which end with the script, however that ends: each is the leader of a
# process group, as what it starts would live on otherwise.
jobs=()

end_jobs() {
	local job

	for job in "${jobs[@]}"; do
		kill -- "-$job" 2>/dev/null || true
	done
}

# job COMMAND...: start it, and add its process to $jobs
job() {
	if [ ${#jobs[@]} -eq 0 ]; then
		trap end_jobs EXIT
		trap 'exit 130' INT
		trap 'exit 143' TERM HUP
	fi
	set -m
	"$@" &
	jobs+=("$!")
	set +m
}

# fetch_deb SUITE DIR PACKAGE...: download packages of that suite into DIR
fetch_deb() {
	local suite=$1 dir=$2
	shift 2

	"$vm/in" "$suite" "$vm/apt" download "$dir" "$@" >&2 || die "cannot download $*"
}

# newest_version SUITE PACKAGE: its newest version, of any archive of the suite; fails if there is
# none
newest_version() { "$vm/in" "$1" "$vm/apt" version "$2"; }
