#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# uapi/linux/nbdctl.h is what the kernel's generator makes of Documentation/netlink/specs/nbdctl.yaml,
# and the spec keeps the schema of its protocol. check-gen.sh --update writes the header.

set -eu
cd "$(dirname "$0")/../../.."

tree=${KSELFTEST_TREE:-$(tools/testing/vm/kselftest)}
spec=Documentation/netlink/specs/nbdctl.yaml
header=uapi/linux/nbdctl.h
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

# The generator looks upwards for the top of a kernel tree, which it knows by MAINTAINERS.
mkdir -p "$tmp/Documentation/netlink/specs"
touch "$tmp/MAINTAINERS"
cp "$tree"/Documentation/netlink/genetlink*.yaml "$tmp/Documentation/netlink/"
cp "$spec" "$tmp/$spec"
(cd "$tmp" && timeout 60 "$tree/tools/net/ynl/ynl-gen-c.py" --mode uapi --header --spec "$spec") \
	>"$tmp/generated.h"
grep -q '^#define NBDCTL_FAMILY_NAME' "$tmp/generated.h"

if [ "${1-}" = --update ]; then
	cp "$tmp/generated.h" "$header"
	exit
fi
diff -u --label "$header" --label "generated from $spec" "$header" "$tmp/generated.h" || {
	echo "$header is not what $spec says; make it anew: ${0##*/} --update"
	exit 1
}
