/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef NBD_HELPER_TARGET_H
#define NBD_HELPER_TARGET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TARGET_PORT		10809	/* assigned to NBD by IANA */
#define TARGET_PATH_MAX		107	/* sun_path less the NUL */
#define TARGET_HOST_MAX		255
#define TARGET_EXPORT_MAX	4096	/* longest string of the protocol */
/* Bytes of a URI, with each byte of host, export and socket as %XX. */
#define TARGET_URI_ROOM		(3 * (TARGET_EXPORT_MAX + TARGET_HOST_MAX + TARGET_PATH_MAX) + 64)

enum target_kind {
	TARGET_TCP,
	TARGET_UNIX,
	TARGET_VSOCK,
};

/**
 * struct target - a server and an export on it
 * @tls: the URI requires TLS
 * @named: an export was named, even if by an empty name
 * @host: name or address without brackets (TCP)
 * @port: of TCP or vsock
 * @path_length: bytes of @path; an abstract socket begins with NUL (Unix)
 * @cid: vsock
 * @export: NUL-terminated; "" is the default export
 */
struct target {
	enum target_kind kind;
	bool tls;
	bool named;
	char host[TARGET_HOST_MAX + 1];
	uint32_t port;
	char path[TARGET_PATH_MAX + 1];
	size_t path_length;
	uint32_t cid;
	char export[TARGET_EXPORT_MAX + 1];
};

struct error;

void target_init(struct target *target);
int target_set_host(struct target *target, const char *host, struct error *err);
int target_set_port(struct target *target, const char *port, struct error *err);
int target_set_unix(struct target *target, const char *path, struct error *err);
/* Makes the path absolute; false if it is too long then, or the directory is unknown. */
bool target_make_absolute(struct target *target);
/* "CID" or "CID:PORT" */
int target_set_vsock(struct target *target, const char *address, struct error *err);
int target_set_export(struct target *target, const char *name, size_t length, struct error *err);

/* Writes the URI of @target; @to has TARGET_URI_ROOM bytes. Returns @to. */
char *target_uri(const struct target *target, char *to);

#endif
