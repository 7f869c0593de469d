#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# What README.md, SECURITY.md, CONTRIBUTING.md and Documentation/*.rst name exists. Checked is what
# stands in backticks (two in .rst, one in .md), and links:
#	driver/x.c		a path in the checkout; patterns are expanded
#	driver/x.c:f()		a function that is defined in that file
#	f()			a function that our sources define or call
#	struct x, enum x	a word of our sources; so are NBDCTL_* and NBDMAP_*
#	make x			a target of the top Makefile
#	evil:x			a misbehaviour of tools/testing/server
#	test_x			a selftest, or a word of a unit test
#	[x](path), :doc:`x`	a file
# In manual pages, the names of selftests are looked at.
# And the other way round: Documentation/index.rst names every file of driver/ and helper/, and
# Documentation/uapi.rst has the text of every refusal of the driver, and no other.

# Backticks are text here.
# shellcheck disable=SC2016

set -u
cd "$(dirname "$0")/../../.." || exit 2

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
rc=0

files() { git ls-files --cached --others --exclude-standard -- "$@"; }

files '*.c' '*.h' | xargs cat >"$work/sources"
grep -oE '[A-Za-z_][A-Za-z0-9_]*\(' "$work/sources" | sort -u >"$work/calls"
grep -oE '[A-Za-z_][A-Za-z0-9_]*' "$work/sources" | sort -u >"$work/words"
files '*/unit/*.c' '*/fuzz/*.c' | xargs -r cat | grep -oE '\w+' |
	sort -u >"$work/unit"
sed -n 's/^\([a-z][a-z -]*\):.*/\1/p' Makefile | tr ' ' '\n' | sort -u >"$work/targets"
grep -ohE '"[a-z0-9-]+"' tools/testing/server/evil_*.c | tr -d '"' | sort -u >"$work/evil"

# has LIST WORD
has() { grep -qxF -- "$2" "$work/$1"; }

# any PATTERN: a file or directory matches
any() { compgen -G "$1" >/dev/null; }

# defines FILE FUNCTION: a line in the first column has it and is no prototype
defines() {
	grep -E "^(#define |[A-Za-z_].*[ *])?$2\(" -- "$1" | grep -qv ';$'
}

# exists SPAN: false if it names something that is not there
exists() {
	local path=${1%%:*}

	case $1 in
	*' '*' '* | *' '*'('*) return 0 ;;
	evil:[A-Z]* | test_*[A-Z]*) return 0 ;; # a placeholder
	evil:*) has evil "${1#evil:}" ;;
	test_*) any "tools/testing/selftests/nbd/${1%%.*}.[cs]*" || has unit "${1%%.*}" ;;
	'make '[a-z]*) has targets "${1#make }" ;;
	'struct '* | 'enum '*) has words "${1#* }" ;;
	driver/*:*'()' | helper/*:*'()' | tools/*:*'()')
		[ -f "$path" ] && path=${1#*:} && defines "${1%%:*}" "${path%()}"
		;;
	driver/* | helper/* | uapi/* | tools/* | Documentation/* | .ci/*) any "${1%% *}" ;;
	[a-z_]*'()') has calls "${1%)}" ;;
	NBDCTL_* | NBDMAP_*) grep -qx -- "${1//'*'/.*}" "$work/words" ;;
	*) return 0 ;;
	esac
}

# complain FILE:LINE WHAT
complain() {
	echo "$1: no such thing: $2"
	rc=1
}

# spans FILE...: "file:line:span" for each span in backticks
spans() {
	grep -noHE '``[^`]+``' -- "$@" | sed 's/``//g'
}

mapfile -t rst < <(files 'Documentation/*.rst')
while IFS=: read -r file line span; do
	exists "$span" || complain "$file:$line" "$span"
done < <([ ${#rst[@]} -eq 0 ] || spans "${rst[@]}"
	grep -noHE '`[^`]+`' README.md SECURITY.md CONTRIBUTING.md | tr -d '`')

while IFS=: read -r file line link; do
	[ -e "$link" ] || [ -e "${file%/*}/$link" ] || [ -e "Documentation/$link.rst" ] ||
		complain "$file:$line" "$link"
done < <(
	grep -noHE '\]\([^)h][^)]*\)' README.md SECURITY.md CONTRIBUTING.md | sed 's/\](//; s/)$//'
	[ ${#rst[@]} -eq 0 ] || grep -noHE ':doc:`[^`]+`' -- "${rst[@]}" | sed 's/:doc:`//; s/`$//'
)

while IFS=: read -r file line test; do
	exists "$test" || complain "$file:$line" "$test"
done < <(grep -noHE '\btest_[a-z0-9_]+' Documentation/man/*.[0-9])

# The map has a line for every room; a header beside its .c needs none of its own.
while read -r file; do
	[ -e "$file" ] || continue
	[[ $file == *.h && -e ${file%.h}.c ]] && continue
	grep -qF -- "\`\`$file\`\`" Documentation/index.rst && continue
	echo "Documentation/index.rst: $file is missing"
	rc=1
done < <(files 'driver/*.c' 'driver/*.h' 'helper/*.c' 'helper/*.h')

grep -ohE '"[a-z][^"\\]* [^"\\]*"|"CAP_[^"]* [^"]*"' driver/nbdctl.c driver/parse.c >"$work/refusals"
grep -ohE 'why = "[^"]*"' driver/*.c | sed 's/^why = //' >>"$work/refusals"
sort -u -o "$work/refusals" "$work/refusals"
sed -n 's/^ *- \("[^"]*"\)$/\1/p' Documentation/uapi.rst | sort -u >"$work/documented"
comm -3 "$work/refusals" "$work/documented" | sed 's/^\t/only in uapi.rst: /; t; s/^/uapi.rst lacks: /' |
	grep . && rc=1
exit "$rc"
