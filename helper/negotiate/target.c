// SPDX-License-Identifier: GPL-2.0-only
#include <arpa/inet.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/text.h"
#include "negotiate/target.h"

void target_init(struct target *target)
{
	memset(target, 0, sizeof(*target));
	target->port = TARGET_PORT;
}

/* True for an IPv6 address, with or without a zone. */
static bool target_is_ipv6(const char *host, size_t len)
{
	char address[INET6_ADDRSTRLEN];
	struct in6_addr ignored;
	const char *zone;

	zone = memchr(host, '%', len);
	if (zone)
		len = zone - host;
	if (len >= sizeof(address))
		return false;
	memcpy(address, host, len);
	address[len] = '\0';
	return inet_pton(AF_INET6, address, &ignored) == 1;
}

int target_set_host(struct target *target, const char *host, struct error *err)
{
	size_t len = strlen(host);

	if (len >= 2 && host[0] == '[' && host[len - 1] == ']') {
		host++;
		len -= 2;
	}
	if (memchr(host, '/', len) || (memchr(host, ':', len) && !target_is_ipv6(host, len))) {
		error_set(err, EXIT_USAGE, "\"%.*s\" is not a host name or address", (int)len,
			  host);
		error_hint(err, "a port is given with --port or in a URI, nbd://HOST:PORT/EXPORT");
		return -1;
	}
	if (!len || len > TARGET_HOST_MAX)
		return error_set(err, EXIT_USAGE, "a host name has 1 to %d bytes", TARGET_HOST_MAX);
	target->kind = TARGET_TCP;
	memcpy(target->host, host, len);
	target->host[len] = '\0';
	return 0;
}

int target_set_port(struct target *target, const char *port, struct error *err)
{
	uint64_t n;

	if (text_parse_number(port, UINT16_MAX, &n) || !n)
		return error_set(err, EXIT_USAGE, "bad port \"%s\": 1 to 65535 expected", port);
	target->port = n;
	return 0;
}

int target_set_unix(struct target *target, const char *path, struct error *err)
{
	size_t len = strlen(path);

	if (!len || len > TARGET_PATH_MAX)
		return error_set(err, EXIT_USAGE, "the path of a Unix socket has 1 to %d bytes",
				 TARGET_PATH_MAX);
	target->kind = TARGET_UNIX;
	memcpy(target->path, path, len + 1);
	target->path_length = len;
	/* As in other tools, @NAME is the abstract socket NAME. */
	if (path[0] == '@')
		target->path[0] = '\0';
	return 0;
}

bool target_make_absolute(struct target *target)
{
	char path[TARGET_PATH_MAX + 1], *cwd;
	int len;

	if (target->kind != TARGET_UNIX || !target->path[0] || target->path[0] == '/')
		return true;
	cwd = get_current_dir_name();
	if (!cwd)
		return false;
	len = snprintf(path, sizeof(path), "%s/%s", cwd, target->path);
	free(cwd);
	if (len >= (int)sizeof(path))
		return false;
	strcpy(target->path, path);
	target->path_length = len;
	return true;
}

int target_set_vsock(struct target *target, const char *address, struct error *err)
{
	const char *colon = strchr(address, ':');
	size_t len = colon ? (size_t)(colon - address) : strlen(address);
	uint64_t cid, port = TARGET_PORT;
	char number[16];

	if (len >= sizeof(number))
		goto bad;
	memcpy(number, address, len);
	number[len] = '\0';
	if (text_parse_number(number, UINT32_MAX - 1, &cid))
		goto bad;
	if (colon && text_parse_number(colon + 1, UINT32_MAX - 1, &port))
		goto bad;
	target->kind = TARGET_VSOCK;
	target->cid = cid;
	target->port = port;
	return 0;

bad:
	return error_set(err, EXIT_USAGE, "bad vsock address \"%s\": CID or CID:PORT expected",
			 address);
}

int target_set_export(struct target *target, const char *name, size_t length, struct error *err)
{
	if (length > TARGET_EXPORT_MAX)
		return error_set(err, EXIT_USAGE, "the export name is longer than %d bytes",
				 TARGET_EXPORT_MAX);
	/* "Values" in the protocol: strings are UTF-8 and contain no NUL. */
	if (!text_is_utf8(name, length))
		return error_set(err, EXIT_USAGE, "the export name is not UTF-8 text without NUL");
	memcpy(target->export, name, length);
	target->export[length] = '\0';
	target->named = true;
	return 0;
}

static char *target_encode(char *to, const char *from, size_t len, const char *safe)
{
	unsigned char c;

	for (; len; from++, len--) {
		c = *from;
		if (c && c < 0x80 && (isalnum(c) || strchr(safe, c)))
			*to++ = c;
		else
			to += sprintf(to, "%%%02X", c);
	}
	*to = '\0';
	return to;
}

char *target_uri(const struct target *target, char *to)
{
	const char *secure = target->tls ? "s" : "";
	bool literal = strchr(target->host, ':');
	char *at = to;

	switch (target->kind) {
	case TARGET_TCP:
		at += sprintf(at, "nbd%s://%s", secure, literal ? "[" : "");
		at = target_encode(at, target->host, strlen(target->host), "-._~:");
		at += sprintf(at, "%s", literal ? "]" : "");
		if (target->port != TARGET_PORT)
			at += sprintf(at, ":%u", target->port);
		break;
	case TARGET_UNIX:
		at += sprintf(at, "nbd%s+unix://", secure);
		break;
	case TARGET_VSOCK:
		at += sprintf(at, "nbd%s+vsock://%u", secure, target->cid);
		if (target->port != TARGET_PORT)
			at += sprintf(at, ":%u", target->port);
		break;
	}
	*at++ = '/';
	at = target_encode(at, target->export, strlen(target->export), "-._~/:@!$'()*+,;=");
	if (target->kind == TARGET_UNIX) {
		at += sprintf(at, "?socket=");
		at = target_encode(at, target->path, target->path_length, "-._~/:@");
	}
	return to;
}
