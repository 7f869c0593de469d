/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef NBD_HELPER_KERNEL_GENL_H
#define NBD_HELPER_KERNEL_GENL_H

/*
 * Generic netlink for the rooms kernel*.c: one request, its replies, and the
 * driver's own words when it refuses.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <netlink/genl/genl.h>
#include <netlink/netlink.h>

struct error;
struct export;
struct kernel;

/**
 * struct exchange - a request under way
 * @reply: takes each reply; attributes are parsed with the ids of a device,
 *	the largest set
 * @context: for @reply
 * @sequence: number that its messages have
 * @done: the last message came
 */
struct exchange {
	void (*reply)(void *context, struct nlattr **attrs, const struct genlmsghdr *header);
	void *context;
	struct kernel *kernel;
	uint32_t sequence;
	bool done;
};

/* NULL with @err filled in when there is no memory. */
struct nl_msg *kernel_message(struct kernel *kernel, int flags, uint8_t command,
			      struct error *err);

/* Sends @msg, frees it, and takes the answer. Returns 0 or a negative errno. */
int kernel_exchange(struct kernel *kernel, struct nl_msg *msg, struct exchange *exchange);

/* Says why the last exchange failed. Returns -1. */
int kernel_refused(const struct kernel *kernel, const char *doing, struct error *err);

/* What a connection has negotiated, but its contexts. Returns nonzero if there is no room. */
int genl_put_facts(struct nl_msg *msg, const struct export *export, uint32_t max_payload);

/* 0 and "" for an attribute that is not there. */
uint64_t genl_number(const struct nlattr *attr);
void genl_text(const struct nlattr *attr, char *to, size_t room);

#endif
