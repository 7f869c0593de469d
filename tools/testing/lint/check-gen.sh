#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# uapi/linux/nbdctl.h and driver/nbdctl-gen.[ch] are what the kernel's generator makes of
# Documentation/netlink/specs/nbdctl.yaml, and the spec keeps the schema of its protocol.
# check-gen.sh --update writes them.

set -eu
cd "$(dirname "$0")/../../.."

tree=$(tools/testing/vm/ynl)
spec=Documentation/netlink/specs/nbdctl.yaml
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
rc=0

# The generator looks upwards for the top of a kernel tree, which it knows by MAINTAINERS.
mkdir -p "$tmp/Documentation/netlink/specs" "$tmp/driver" "$tmp/uapi/linux"
touch "$tmp/MAINTAINERS"
cp "$tree"/Documentation/netlink/genetlink*.yaml "$tmp/Documentation/netlink/"
cp "$spec" "$tmp/$spec"

# generate FILE MODE PART: the PART of MODE goes to FILE, whose name is that of the header, too
generate() {
	local file=$1

	(cd "$tmp" && timeout 60 "$tree/tools/net/ynl/pyynl/ynl_gen_c.py" --spec "$spec" \
		--mode "$2" "--$3" -o "$file")
	grep -q NBDCTL "$tmp/$file"
	if [ "${update-}" ]; then
		cp "$tmp/$file" "$file"
		return
	fi
	diff -u --label "$file" --label "generated from $spec" "$file" "$tmp/$file" || {
		echo "$file is not what $spec says; make it anew: check-gen.sh --update"
		rc=1
	}
}

[ "${1-}" != --update ] || update=1
generate uapi/linux/nbdctl.h uapi header
generate driver/nbdctl-gen.h kernel header
generate driver/nbdctl-gen.c kernel source
exit "$rc"
