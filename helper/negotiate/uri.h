/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef NBD_HELPER_URI_H
#define NBD_HELPER_URI_H

#include <stdbool.h>

struct error;
struct target;

/* Longest URI that is parsed: an export name and a socket path, every byte as %XX. */
#define URI_MAX		(16 * 1024)

/* True if @s is meant as a URI, well formed or not. */
bool uri_is_uri(const char *s);

/*
 * Parses an NBD URI ("The NBD Uniform Resource Indicator (URI) format"). Accepts TLS schemes; the
 * caller checks @target->tls.
 */
int uri_parse(const char *s, struct target *target, struct error *err);

#endif
