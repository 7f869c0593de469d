#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Without CAP_SYS_ADMIN nothing is attached or detached: exit status 4. Root's disk stays.

. "$(dirname "$0")/lib/lib.sh"

as_nobody() { exits 4 within 20 setpriv --reuid nobody --regid nogroup --clear-groups -- "$@"; }

serve evil-nbd --port @PORT@ --log "$TMP/log"
dev=$(free_device)
as_nobody nbd-attach "$URI" "$dev"
matches "$OUTPUT" "CAP_SYS_ADMIN|root|permi" "message"
attached "$dev" && fail "$dev is attached"

attach
as_nobody nbd-detach "$DEV"
as_nobody nbd-detach --force "$DEV"
within 20 dd if="$DEV" of=/dev/null bs=4k count=1 iflag=direct status=none
