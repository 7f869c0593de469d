/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef NBD_HELPER_VERBS_H
#define NBD_HELPER_VERBS_H

#include "verbs/opts.h"

extern const struct verb attach_verb;
extern const struct verb detach_verb;
extern const struct verb map_verb;
extern const struct verb list_verb;
extern const struct verb info_verb;
extern const struct verb client_verb;
extern const struct verb generator_verb;

#endif
