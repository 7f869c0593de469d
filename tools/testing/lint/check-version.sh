#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# VERSION is the only place that has the version: the builds of the module and of the tools read it,
# and the installation of manual pages. NEWS must agree, and the pages have a place for it.

set -u
cd "$(dirname "$0")/../../.." || exit 2
rc=0

version=$(<VERSION)
[[ $version =~ ^[0-9]+\.[0-9]+\.[0-9]+$ ]] || {
	echo "VERSION: not of the form X.Y.Z: $version"
	rc=1
}

# The headings of NEWS are underlined by =; "Unreleased" may come before the newest version
newest=$(awk '/^==+$/ && last != "Unreleased" { print last; exit } { last = $0 }' NEWS)
[ "$newest" = "$version" ] || {
	echo "NEWS: the newest version is $newest, not $version as in VERSION"
	rc=1
}

# helper/Makefile adds the version to the name at the foot of the page
for page in Documentation/man/*.[0-9]; do
	grep -qE '^\.TH [^ ]+ [0-9] "" "nbd" "' "$page" && continue
	echo "$page: .TH has no \"nbd\" to which the version can be added"
	rc=1
done
exit "$rc"
