/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef NBD_HELPER_KERNEL_GENL_H
#define NBD_HELPER_KERNEL_GENL_H

/*
 * Generic netlink for the source files kernel*.c: one request, its replies, and the extended ACK if
 * the driver refuses it.
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
 * struct exchange - a request in progress
 * @reply: called for each reply; attributes are parsed with the ids of a device, the largest set
 * @context: for @reply
 * @sequence: number of its messages
 * @done: the last message has come
 */
struct exchange {
	void (*reply)(void *context, struct nlattr **attrs, const struct genlmsghdr *header);
	void *context;
	struct kernel *kernel;
	uint32_t sequence;
	bool done;
};

/* Allocates a message for kernel_exchange(); NULL with @err filled in if there is no memory. */
struct nl_msg *kernel_message(struct kernel *kernel, int flags, uint8_t command,
			      struct error *err);

/* Sends @msg, frees it, and waits for the replies. Returns 0 or a negative errno. */
int kernel_exchange(struct kernel *kernel, struct nl_msg *msg, struct exchange *exchange);

/* Fills in @err: why the last exchange failed. Returns -1. */
int kernel_refused(const struct kernel *kernel, const char *doing, struct error *err);

/*
 * Adds the negotiated parameters of a connection, except its contexts. Returns nonzero if there is
 * no space.
 */
int genl_put_facts(struct nl_msg *msg, const struct export *export, uint32_t max_payload);

/* 0 or "" for an attribute that is missing. */
uint64_t genl_number(const struct nlattr *attr);
void genl_text(const struct nlattr *attr, char *to, size_t room);

#endif
