// SPDX-License-Identifier: GPL-2.0-only
#include <stdio.h>
#include <string.h>

#include <uriparser/Uri.h>

#include "base/error.h"
#include "base/text.h"
#include "negotiate/target.h"
#include "negotiate/uri.h"

struct scheme {
	const char *name;
	enum target_kind kind;
	bool tls;
};

static const struct scheme uri_schemes[] = {
	{ "nbd",		TARGET_TCP,	false },
	{ "nbds",		TARGET_TCP,	true },
	{ "nbd+unix",		TARGET_UNIX,	false },
	{ "nbds+unix",		TARGET_UNIX,	true },
	{ "nbd+vsock",		TARGET_VSOCK,	false },
	{ "nbds+vsock",		TARGET_VSOCK,	true },
};

/* A part of the URI, still percent-encoded. */
struct piece {
	const char *start;
	size_t length;
};

static struct piece uri_piece(UriTextRangeA range)
{
	struct piece piece = { range.first, 0 };

	if (range.first && range.afterLast)
		piece.length = range.afterLast - range.first;
	return piece;
}

static bool piece_is(struct piece piece, const char *s)
{
	return piece.length == strlen(s) && !strncasecmp(piece.start, s, piece.length);
}

static int uri_hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/*
 * Decodes @piece into @to, which has @room bytes, and adds a NUL that is not counted. Returns the
 * length, or -1 if it does not fit. The caller or uriparser has checked that two hexadecimal digits
 * follow every %.
 */
static ssize_t uri_decode(struct piece piece, char *to, size_t room)
{
	size_t in, out = 0;

	for (in = 0; in < piece.length; in++) {
		char c = piece.start[in];

		if (c == '%' && piece.length - in > 2) {
			c = uri_hex(piece.start[in + 1]) << 4 | uri_hex(piece.start[in + 2]);
			in += 2;
		}
		if (out + 1 >= room)
			return -1;
		to[out++] = c;
	}
	to[out] = '\0';
	return out;
}

static int uri_get_scheme(const UriUriA *uri, struct target *target, struct error *err)
{
	struct piece scheme = uri_piece(uri->scheme);
	char name[64];
	size_t i;

	for (i = 0; i < sizeof(uri_schemes) / sizeof(uri_schemes[0]); i++) {
		if (!piece_is(scheme, uri_schemes[i].name))
			continue;
		target->kind = uri_schemes[i].kind;
		target->tls = uri_schemes[i].tls;
		return 0;
	}
	text_escape(name, sizeof(name), scheme.start, scheme.length);
	error_set(err, EXIT_USAGE, "\"%s\" is not the scheme of an NBD URI", name);
	error_hint(err, "use nbd://HOST/EXPORT or nbd+unix:///EXPORT?socket=PATH");
	return -1;
}

static int uri_get_vsock(struct piece host, struct piece port, struct target *target,
			 struct error *err)
{
	char address[64];

	if (!host.length)
		return error_set(err, EXIT_USAGE, "the URI names no vsock CID");
	snprintf(address, sizeof(address), "%.*s%s%.*s", (int)host.length, host.start,
		 port.length ? ":" : "", (int)port.length, port.length ? port.start : "");
	return target_set_vsock(target, address, err);
}

/*
 * Copies @s to @without, less the zone of "[fe80::1%25eth0]" (RFC 6874) or "[fe80::1%eth0]", which
 * many programs write: uriparser accepts neither. Returns the zone, without the percent sign.
 */
static struct piece uri_cut_zone(const char *s, char *without)
{
	struct piece zone = { NULL, 0 };
	const char *host, *end, *percent;

	strcpy(without, s);
	host = strstr(s, "://");
	if (!host)
		return zone;
	host += 3;
	end = host + strcspn(host, "/?#");
	host = memchr(host, '[', end - host);
	end = host ? memchr(host, ']', end - host) : NULL;
	percent = end ? memchr(host, '%', end - host) : NULL;
	if (!percent)
		return zone;
	strcpy(without + (percent - s), end);
	zone.start = percent + 1;
	if (end - zone.start > 2 && !strncmp(zone.start, "25", 2))
		zone.start += 2;
	zone.length = end - zone.start;
	return zone;
}

/* True if two hexadecimal digits follow every %. */
static bool uri_is_encoded(struct piece piece)
{
	size_t i;

	for (i = 0; i < piece.length; i++)
		if (piece.start[i] == '%' &&
		    (piece.length - i < 3 || uri_hex(piece.start[i + 1]) < 0 ||
		     uri_hex(piece.start[i + 2]) < 0))
			return false;
	return true;
}

/* Adds "%ZONE" to a host of @len bytes. */
static int uri_add_zone(struct piece zone, char *host, size_t len, size_t room)
{
	ssize_t added;

	if (!zone.start)
		return 0;
	if (!len || len + 2 > room || !uri_is_encoded(zone))
		return -1;
	added = uri_decode(zone, host + len + 1, room - len - 1);
	if (added <= 0 || strlen(host + len + 1) != (size_t)added)
		return -1;
	host[len] = '%';
	return 0;
}

static int uri_get_authority(const UriUriA *uri, struct piece zone, struct target *target,
			     struct error *err)
{
	struct piece host = uri_piece(uri->hostText), port = uri_piece(uri->portText);
	char text[TARGET_HOST_MAX + 2];
	ssize_t len;

	if (target->kind == TARGET_UNIX) {
		if (host.length || port.length)
			return error_set(err, EXIT_USAGE,
					 "the URI of a Unix socket has no host: write nbd+unix:///");
		return 0;
	}
	if (target->kind == TARGET_VSOCK)
		return uri_get_vsock(host, port, target, err);
	len = uri_decode(host, text, sizeof(text));
	if (len < 0 || strlen(text) != (size_t)len)
		return error_set(err, EXIT_USAGE, "bad host name in the URI");
	/* An IPv6 address may have colons, a name may not, even if they are encoded. */
	if (strchr(text, ':') && !uri->hostData.ip6)
		return error_set(err, EXIT_USAGE, "bad host name in the URI");
	if (uri_add_zone(zone, text, len, sizeof(text)))
		return error_set(err, EXIT_USAGE, "bad zone of the address in the URI");
	/* The URI format leaves the default host to the client. */
	if (target_set_host(target, len ? text : "localhost", err))
		return -1;
	if (!port.length)
		return 0;
	if (port.length > 5)
		return error_set(err, EXIT_USAGE, "bad port in the URI: 1 to 65535 expected");
	memcpy(text, port.start, port.length);
	text[port.length] = '\0';
	return target_set_port(target, text, err);
}

/*
 * The export name is the path without its first slash, and only that one. It is taken from the text
 * and not from the segments, as some versions of uriparser normalise "//".
 */
static int uri_get_export(const char *s, struct target *target, struct error *err)
{
	char name[TARGET_EXPORT_MAX + 2];
	struct piece path;
	ssize_t len;

	path.start = strchr(s, ':') + 1;
	if (path.start[0] == '/' && path.start[1] == '/')
		path.start += 2 + strcspn(path.start + 2, "/?#");
	path.length = strcspn(path.start, "?#");
	if (!path.length)
		return 0;
	if (path.start[0] != '/')
		return error_set(err, EXIT_USAGE, "the URI lacks // after the scheme");
	path.start++;
	path.length--;
	len = uri_decode(path, name, sizeof(name));
	if (len < 0)
		return error_set(err, EXIT_USAGE, "the export name is longer than %d bytes",
				 TARGET_EXPORT_MAX);
	if (!len)
		return 0;
	return target_set_export(target, name, len, err);
}

static int uri_set_socket(struct piece value, struct target *target, struct error *err)
{
	ssize_t len;

	if (target->kind != TARGET_UNIX)
		return error_set(err, EXIT_USAGE, "socket= belongs to nbd+unix URIs only");
	if (target->path_length)
		return error_set(err, EXIT_USAGE, "the URI has more than one socket=");
	len = uri_decode(value, target->path, sizeof(target->path));
	if (len <= 0)
		return error_set(err, EXIT_USAGE, "the path of a Unix socket has 1 to %d bytes",
				 TARGET_PATH_MAX);
	/* A NUL begins an abstract name; anywhere else it would cut a path short. */
	if (target->path[0] && strlen(target->path) != (size_t)len)
		return error_set(err, EXIT_USAGE, "NUL inside the path of a Unix socket");
	if (!target->path[0] && len == 1)
		return error_set(err, EXIT_USAGE, "the abstract Unix socket has no name");
	target->path_length = len;
	return 0;
}

static int uri_get_key(struct piece key, struct piece value, struct target *target,
		       struct error *err)
{
	static const char *const tls[] = {
		"tls-type", "tls-hostname", "tls-verify-peer", "tls-certificates",
		"tls-psk-file", "tls-username",
	};
	char name[64];
	size_t i;

	if (piece_is(key, "socket"))
		return uri_set_socket(value, target, err);
	/* Reserved for experiments of other programs. */
	if (key.length >= 2 && !strncmp(key.start, "x-", 2))
		return 0;
	for (i = 0; i < sizeof(tls) / sizeof(tls[0]); i++)
		if (piece_is(key, tls[i]) && target->tls)
			return 0;
	text_escape(name, sizeof(name), key.start, key.length);
	if (key.length > 4 && !strncmp(key.start, "tls-", 4))
		return error_set(err, EXIT_USAGE, "\"%s\" is not for a URI without TLS", name);
	return error_set(err, EXIT_USAGE, "unknown key \"%s\" in the URI", name);
}

static int uri_get_query(const UriUriA *uri, struct target *target, struct error *err)
{
	struct piece rest = uri_piece(uri->query), key, value;
	size_t len;

	while (rest.length) {
		const char *end = memchr(rest.start, '&', rest.length);
		const char *equals;

		len = end ? (size_t)(end - rest.start) : rest.length;
		equals = memchr(rest.start, '=', len);
		key.start = rest.start;
		key.length = equals ? (size_t)(equals - rest.start) : len;
		value.start = equals ? equals + 1 : rest.start + len;
		value.length = rest.start + len - value.start;
		if (len && uri_get_key(key, value, target, err))
			return -1;
		rest.start += len + !!end;
		rest.length -= len + !!end;
	}
	if (target->kind == TARGET_UNIX && !target->path_length)
		return error_set(err, EXIT_USAGE, "the URI lacks ?socket=PATH");
	return 0;
}

bool uri_is_uri(const char *s)
{
	return strstr(s, "://") || !strncmp(s, "nbd+unix:", 9) || !strncmp(s, "nbds+unix:", 10);
}

int uri_parse(const char *s, struct target *target, struct error *err)
{
	char without_zone[URI_MAX + 1];
	const char *bad = NULL;
	struct piece zone;
	UriUriA uri;
	int rc = -1;

	target_init(target);
	if (strlen(s) > URI_MAX)
		return error_set(err, EXIT_USAGE, "the URI is longer than %d bytes", URI_MAX);
	zone = uri_cut_zone(s, without_zone);
	if (uriParseSingleUriA(&uri, without_zone, &bad) != URI_SUCCESS) {
		error_set(err, EXIT_USAGE, "malformed URI at byte %td",
			  bad ? bad - without_zone : 0);
		error_hint(err, "write spaces and other special bytes as %%XX, and quote the URI");
		return -1;
	}
	if (!uri.scheme.first) {
		error_set(err, EXIT_USAGE, "the URI has no scheme");
		goto free;
	}
	if (uri.fragment.first) {
		error_set(err, EXIT_USAGE, "an NBD URI has no fragment");
		error_hint(err, "write # in an export name as %%23");
		goto free;
	}
	if (uri_get_scheme(&uri, target, err) || uri_get_authority(&uri, zone, target, err) ||
	    uri_get_export(s, target, err) || uri_get_query(&uri, target, err))
		goto free;
	if (uri.userInfo.first && !target->tls) {
		error_set(err, EXIT_USAGE, "a user name in the URI is for TLS only");
		goto free;
	}
	rc = 0;
free:
	uriFreeUriMembersA(&uri);
	return rc;
}
