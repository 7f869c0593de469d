// SPDX-License-Identifier: GPL-2.0-only
/* Netlink for the tests: messages are put together byte by byte, so they can be wrong. */
#include <err.h>
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <linux/genetlink.h>

#include "uapi.h"

static struct nlmsghdr *head(struct msg *m)
{
	return (struct nlmsghdr *)m->data;
}

void put(struct msg *m, int type, const void *data, size_t len)
{
	struct nlattr attr = { .nla_len = NLA_HDRLEN + len, .nla_type = type };

	if (m->len + NLA_HDRLEN + NLA_ALIGN(len) > MSG_MAX)
		errx(1, "message too long");
	memset(m->data + m->len, 0, NLA_HDRLEN + NLA_ALIGN(len));
	memcpy(m->data + m->len, &attr, sizeof(attr));
	if (len)
		memcpy(m->data + m->len + NLA_HDRLEN, data, len);
	m->len += NLA_HDRLEN + NLA_ALIGN(len);
}

void put_u16(struct msg *m, int type, uint16_t value)
{
	put(m, type, &value, sizeof(value));
}

void put_u32(struct msg *m, int type, uint32_t value)
{
	put(m, type, &value, sizeof(value));
}

void put_u64(struct msg *m, int type, uint64_t value)
{
	put(m, type, &value, sizeof(value));
}

void put_str(struct msg *m, int type, const char *s)
{
	put(m, type, s, strlen(s) + 1);
}

void put_flag(struct msg *m, int type)
{
	put(m, type, NULL, 0);
}

size_t nest(struct msg *m, int type)
{
	size_t at = m->len;

	put(m, type | NLA_F_NESTED, NULL, 0);
	return at;
}

void nest_end(struct msg *m, size_t at)
{
	((struct nlattr *)(m->data + at))->nla_len = m->len - at;
}

static void begin(struct nl *nl, struct msg *m, uint16_t family, uint8_t cmd, uint8_t version)
{
	struct genlmsghdr genl = { .cmd = cmd, .version = version };

	memset(m->data, 0, NLMSG_HDRLEN);
	head(m)->nlmsg_type = family;
	head(m)->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
	head(m)->nlmsg_seq = ++nl->seq;
	memcpy(m->data + NLMSG_HDRLEN, &genl, sizeof(genl));
	m->len = NLMSG_HDRLEN + GENL_HDRLEN;
}

void msg_begin(struct nl *nl, struct msg *m, uint8_t cmd)
{
	begin(nl, m, nl->family, cmd, NBDCTL_FAMILY_VERSION);
}

const struct nlattr *get(struct attrs a, int type, unsigned int nth)
{
	const struct nlattr *attr;
	size_t step;

	while (a.len >= NLA_HDRLEN) {
		attr = (const void *)a.at;
		if (attr->nla_len < NLA_HDRLEN || attr->nla_len > a.len)
			break;
		if ((attr->nla_type & NLA_TYPE_MASK) == type && !nth--)
			return attr;
		step = NLA_ALIGN(attr->nla_len);
		if (step >= a.len)
			break;
		a.at += step;
		a.len -= step;
	}
	return NULL;
}

struct attrs nested(const struct nlattr *attr)
{
	if (!attr)
		return (struct attrs){ NULL, 0 };
	return (struct attrs){ (const char *)attr + NLA_HDRLEN, attr->nla_len - NLA_HDRLEN };
}

int count(struct attrs a, int type)
{
	int n = 0;

	while (get(a, type, n))
		n++;
	return n;
}

int64_t get_u32(struct attrs a, int type)
{
	struct attrs value = nested(get(a, type, 0));
	uint32_t v;

	if (value.len != sizeof(v))
		return -1;
	memcpy(&v, value.at, sizeof(v));
	return v;
}

int64_t get_u64(struct attrs a, int type)
{
	struct attrs value = nested(get(a, type, 0));
	int64_t v = -1;

	if (value.len == sizeof(v))
		memcpy(&v, value.at, sizeof(v));
	return v;
}

const char *get_str(struct attrs a, int type)
{
	struct attrs value = nested(get(a, type, 0));

	return value.len && !value.at[value.len - 1] ? value.at : "";
}

struct attrs reply_attrs(const struct nl *nl)
{
	size_t hdr = NLMSG_HDRLEN + GENL_HDRLEN;

	if (nl->reply.len < hdr)
		return (struct attrs){ NULL, 0 };
	return (struct attrs){ nl->reply.data + hdr, nl->reply.len - hdr };
}

/* What the kernel says of a refused request @m */
static void read_extack(struct nl *nl, const struct nlmsghdr *h, const struct msg *m)
{
	const struct nlmsgerr *e = (const void *)((const char *)h + NLMSG_HDRLEN);
	size_t skip = NLMSG_HDRLEN + sizeof(*e);
	struct attrs a;
	int64_t at;

	if (!(h->nlmsg_flags & NLM_F_ACK_TLVS))
		return;
	/* without NLM_F_CAPPED the request is repeated before the attributes */
	if (!(h->nlmsg_flags & NLM_F_CAPPED))
		skip += NLMSG_ALIGN(e->msg.nlmsg_len) - NLMSG_HDRLEN;
	a = (struct attrs){ (const char *)h + skip, h->nlmsg_len - skip };
	strncpy(nl->text, get_str(a, NLMSGERR_ATTR_MSG), sizeof(nl->text) - 1);
	at = get_u32(a, NLMSGERR_ATTR_OFFS);
	if (at > 0 && at < (int64_t)m->len)
		nl->bad = ((const struct nlattr *)(m->data + at))->nla_type & NLA_TYPE_MASK;
}

/* Take messages until the answer ends. Return: 0 or a positive errno */
static int answer(struct nl *nl, const struct msg *m, void (*each)(struct attrs a, void *arg),
		  void *arg)
{
	static char buf[MSG_MAX];
	const struct nlmsghdr *h;
	ssize_t n;

	for (;;) {
		n = recv(nl->fd, buf, sizeof(buf), 0);
		if (n < 0)
			return errno;
		for (h = (void *)buf; NLMSG_OK(h, n); h = NLMSG_NEXT(h, n)) {
			if (h->nlmsg_seq != nl->seq)
				continue;
			if (h->nlmsg_type == NLMSG_ERROR || h->nlmsg_type == NLMSG_DONE) {
				int error = *(const int *)NLMSG_DATA(h);

				if (h->nlmsg_type == NLMSG_ERROR)
					read_extack(nl, h, m);
				return -error;
			}
			nl->replies++;
			nl->reply.len = h->nlmsg_len;
			memcpy(nl->reply.data, h, h->nlmsg_len);
			if (each)
				each(reply_attrs(nl), arg);
		}
	}
}

static int call(struct nl *nl, struct msg *m, void (*each)(struct attrs a, void *arg), void *arg)
{
	nl->text[0] = '\0';
	nl->bad = 0;
	nl->replies = 0;
	nl->reply.len = 0;
	head(m)->nlmsg_len = m->len;
	if (send(nl->fd, m->data, m->len, 0) != (ssize_t)m->len)
		return errno;
	return answer(nl, m, each, arg);
}

int nl_call(struct nl *nl, struct msg *m)
{
	return call(nl, m, NULL, NULL);
}

int nl_dump(struct nl *nl, struct msg *m, void (*each)(struct attrs a, void *arg), void *arg)
{
	head(m)->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	return call(nl, m, each, arg);
}

bool nl_open_family(struct nl *nl, const char *family, const char *events)
{
	struct sockaddr_nl addr = { .nl_family = AF_NETLINK };
	struct attrs groups, group;
	static struct msg m;
	int one = 1;

	memset(nl, 0, offsetof(struct nl, reply));
	nl->fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_GENERIC);
	if (nl->fd < 0 || bind(nl->fd, (void *)&addr, sizeof(addr)))
		err(1, "netlink");
	setsockopt(nl->fd, SOL_NETLINK, NETLINK_EXT_ACK, &one, sizeof(one));
	setsockopt(nl->fd, SOL_NETLINK, NETLINK_CAP_ACK, &one, sizeof(one));
	begin(nl, &m, GENL_ID_CTRL, CTRL_CMD_GETFAMILY, 1);
	put_str(&m, CTRL_ATTR_FAMILY_NAME, family);
	errno = nl_call(nl, &m);
	if (errno)
		return false;
	nl->family = *(const uint16_t *)nested(get(reply_attrs(nl), CTRL_ATTR_FAMILY_ID, 0)).at;
	groups = nested(get(reply_attrs(nl), CTRL_ATTR_MCAST_GROUPS, 0));
	group = nested(get(groups, 1, 0));
	if (strcmp(get_str(group, CTRL_ATTR_MCAST_GRP_NAME), events))
		errx(1, "no group %s", events);
	nl->group = get_u32(group, CTRL_ATTR_MCAST_GRP_ID);
	return true;
}

void nl_open(struct nl *nl)
{
	if (!nl_open_family(nl, NBDCTL_FAMILY_NAME, NBDCTL_MCGRP_EVENTS))
		err(1, "family " NBDCTL_FAMILY_NAME);
}

void nl_subscribe(struct nl *nl)
{
	if (setsockopt(nl->fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &nl->group, sizeof(nl->group)))
		err(1, "NETLINK_ADD_MEMBERSHIP");
}

int nl_event(struct nl *nl, int ms)
{
	struct pollfd p = { .fd = nl->fd, .events = POLLIN };
	const struct genlmsghdr *genl = (void *)(nl->reply.data + NLMSG_HDRLEN);
	ssize_t n;

	if (poll(&p, 1, ms) != 1)
		return 0;
	n = recv(nl->fd, nl->reply.data, MSG_MAX, 0);
	if (n < (ssize_t)(NLMSG_HDRLEN + GENL_HDRLEN))
		err(1, "event");
	nl->reply.len = head(&nl->reply)->nlmsg_len;
	return genl->cmd;
}
