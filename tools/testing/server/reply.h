/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A reply under construction: the messages that answer one request, in the order in which they
 * will be sent. Misbehaviours build wrong ones out of the same pieces.
 */
#ifndef REPLY_H
#define REPLY_H

#include "server.h"

#define MSG_HEAD_MAX	64

/* What happens to the connection once the message is out */
enum msg_end {
	END_NOTHING,
	END_CLOSE,		/* close it */
	END_STALL,		/* send nothing any more, but continue to read */
};

struct msg {
	struct msg *next;
	uint8_t head[MSG_HEAD_MAX];	/* headers and fixed fields */
	size_t head_len;
	const void *data;		/* payload behind them */
	size_t data_len;
	void *owned;			/* to be freed with the message */
	enum msg_end end;
	unsigned int trickle_ms;	/* pause after each byte of the head */
};

struct request {
	uint16_t flags;
	uint16_t command;
	uint64_t cookie;
	uint64_t offset;
	uint32_t length;
};

struct reply {
	struct reply *next;
	struct request req;
	struct msg *first;
	struct msg **tail;
	bool ordered;			/* keep the messages together and in order */
	bool final;			/* already as wrong as wanted: no mutation */
};

struct reply *reply_new(const struct request *req);
void reply_free(struct reply *r);
void reply_clear(struct reply *r);

struct msg *reply_raw(struct reply *r, const void *bytes, size_t len);
struct msg *reply_simple(struct reply *r, uint32_t error);
struct msg *reply_chunk(struct reply *r, uint16_t flags, uint16_t type, const void *fixed,
			size_t fixed_len, const void *data, size_t data_len);
struct msg *reply_data(struct reply *r, uint16_t flags, uint64_t offset, uint32_t len);
struct msg *reply_hole(struct reply *r, uint16_t flags, uint64_t offset, uint32_t len);
struct msg *reply_none(struct reply *r);
struct msg *reply_error(struct reply *r, uint16_t flags, uint32_t error, const char *text);
struct msg *reply_error_offset(struct reply *r, uint16_t flags, uint32_t error, const char *text,
			       uint64_t offset);
struct msg *reply_last(struct reply *r);
void msg_own(struct msg *m, void *data, size_t len);

void msg_set_magic(struct msg *m, uint32_t magic);
void msg_set_cookie(struct msg *m, uint64_t cookie);
void msg_set_flags(struct msg *m, uint16_t flags);
void msg_set_length(struct msg *m, uint32_t length);
void msg_truncate(struct msg *m, size_t len, enum msg_end end);

/* read.c, status.c: the correct answers */
void read_answer(struct conn *c, struct reply *r);
void read_whole(struct conn *c, struct reply *r);
void status_answer(struct conn *c, struct reply *r);
struct wire_descriptor *status_descriptors(struct conn *c, const struct request *req,
					   const struct context *ctx, size_t *count);
struct msg *status_chunk(struct reply *r, uint16_t flags, uint32_t id,
			 struct wire_descriptor *desc, size_t count);
void fail_answer(struct conn *c, struct reply *r, uint32_t error, const char *text);

/* queue.c: what waits to be sent */
void queue_reply(struct conn *c, struct reply *r);
void queue_unanswered(struct conn *c, struct reply *r);
bool queue_flush(struct conn *c);
bool queue_has_cookie(const struct conn *c, uint64_t cookie);
void queue_free(struct conn *c);

/* mutate.c */
void mutate_reply(struct conn *c, struct reply *r);

#endif
