#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Writes of mixed sizes are read back right with simple replies.

. "$(dirname "$0")/lib/verify.sh"

verify_writes --flags no-structured
