#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# A name has two addresses, with two servers of the same exports: what nbd-info tells, for which it
# connects again for each export, is of one of them.

. "$(dirname "$0")/lib/names.sh"

names=(exportname={a,b,c,d} exportname-list=explicit)
serve_at 10.9.0.1 --filter=exportname memory 4M "${names[@]}"
serve_at 10.9.0.2 --filter=exportname memory 8M "${names[@]}"
name_host 10.9.0.1 10.9.0.2
for _ in 1 2; do
	sizes=$(nbd-info --json "$URI" | jq -r '[.exports[].size] | "\(length) \(unique | length)"')
	same "$sizes" "4 1" "exports and their sizes"
done
