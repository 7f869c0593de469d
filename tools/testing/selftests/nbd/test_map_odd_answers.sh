#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# However a server cuts its answers (short, overshooting, past the end, contexts that stop at
# different places or come in any order, split runs), and though ids differ on each of four
# connections, the maps of three contexts are those which nbdinfo has of the same layouts from a
# plain server.

. "$(dirname "$0")/lib/map.sh"

requires evil-nbd

contexts=(base:allocation qemu:dirty-bitmap:b x-test:a)
options=() layouts=()
for context in "${contexts[@]}"; do
	options+=(--context "$context")
	layouts+=(--context "$context=random")
done

serve_evil --size 2M --seed 7 "${layouts[@]}"
for context in "${contexts[@]}"; do
	server_map "$context" >"$TMP/truth-$context"
	[ "$(wc -l <"$TMP/truth-$context")" -gt 40 ] || fail "too plain a layout"
done
for words in overshoot overshoot,beyond short,differ shuffle,split many \
	short,overshoot,beyond,differ,shuffle,split; do
	serve_evil --size 2M --seed 7 "${layouts[@]}" --status "$words"
	attach -C 4 "${options[@]}" --require-context
	for context in "${contexts[@]}"; do
		our_map --context "$context" >"$TMP/ours"
		same_files "$TMP/ours" "$TMP/truth-$context" "maps of $context ($words)"
	done
	detach
	ids=$(grep '^CONTEXT base:allocation' "$TMP/evil.log" | grep -o 'id=[^ ]*' |
		sort -u | wc -l)
	[ "$ids" -ge 4 ] || fail "only $ids ids"
	no_violation
	stop_server
done
