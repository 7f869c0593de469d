/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef NBD_HELPER_URI_H
#define NBD_HELPER_URI_H

#include <stdbool.h>

struct error;
struct target;

/* Longest URI looked at: an export name and a socket path, every byte as %XX. */
#define URI_MAX		(16 * 1024)

/* Whether @s is meant as a URI, well formed or not. */
bool uri_is_uri(const char *s);

/*
 * Parses an NBD URI ("The NBD Uniform Resource Indicator (URI) format"). TLS
 * schemes are parsed; whether TLS can be had is up to the caller.
 */
int uri_parse(const char *s, struct target *target, struct error *err);

#endif
