#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# An attach that lacks, repeats or garbles anything is refused by errno and name, and leaves
# nothing.

. "$(dirname "$0")/lib/lib.sh"

requires_nbdctl
harness uapi_refuse_attach
