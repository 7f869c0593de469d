#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# A server that is lost may be found at another address of its name: when the old one accepts and
# disconnects, as a proxy whose server is gone does, and when the name has an address only now.

. "$(dirname "$0")/lib/names.sh"

requires python3
truncate -s 8M "$TMP/disk"
serve_at 10.9.0.1 file "$TMP/disk"
name_host 10.9.0.1
attach -C 2
stop_at 10.9.0.1
wait_until 20 is_state waiting

cat >"$TMP/proxy.py" <<-'END'
	import socket, sys
	with socket.create_server((sys.argv[1], int(sys.argv[2]))) as sock:
	    print('ready', flush=True)
	    while True:
	        sock.accept()[0].close()
END
proxy_at() {
	python3 "$TMP/proxy.py" "$1" "$PORT" >"$TMP/proxy-$1" 2>&1 &
	defer _kill $!
	wait_until 20 grep -q ready "$TMP/proxy-$1"
}
proxy_at 10.9.0.1
serve_at 10.9.0.2 file "$TMP/disk"
name_host 10.9.0.1 10.9.0.2
wait_until 30 is_state live
wait_until 30 are_established 2
same "$(peers)" "10.9.0.2:$PORT" "the servers of all connections"

# it moves on; where it was, something else answers
stop_at 10.9.0.2
wait_until 20 is_state waiting
proxy_at 10.9.0.2
ip address add 10.9.0.3/32 dev lo
defer ip address del 10.9.0.3/32 dev lo
serve_at 10.9.0.3 file "$TMP/disk"
name_host 10.9.0.3
wait_until 30 is_state live
wait_until 30 are_established 2
same "$(peers)" "10.9.0.3:$PORT" "the servers of all connections"
detach
