/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the rooms of the test server share: its options, one connection, and the interface of each
 * room.
 */
#ifndef SERVER_H
#define SERVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "wire.h"

#define MAX_CONTEXTS	64
#define MAX_EVILS	32
#define KiB		1024ULL
#define MiB		(1024 * KiB)

struct evil;
struct reply;
struct conn;

enum fill { FILL_PATTERN, FILL_SPARSE, FILL_ZERO };

enum read_shape {
	SHAPE_WHOLE, SHAPE_CHUNKS, SHAPE_HOLES, SHAPE_RANDOM, SHAPE_REVERSE, SHAPE_INTERLEAVE,
};

enum write_reply { WRITE_SIMPLE, WRITE_CHUNK, WRITE_RANDOM };
enum layout_kind { LAYOUT_DATA, LAYOUT_RANDOM, LAYOUT_ALTERNATE, LAYOUT_CONST, LAYOUT_FILE };

/* How block status answers may deviate from the plain one and stay legal */
#define STATUS_SHORT		0x01	/* stop early, at a random place */
#define STATUS_OVERSHOOT	0x02	/* the last descriptor runs past the request */
#define STATUS_BEYOND		0x04	/* ... and past the end of the export */
#define STATUS_DIFFER		0x08	/* contexts stop at different places */
#define STATUS_SHUFFLE		0x10	/* chunks of contexts in random order */
#define STATUS_SPLIT		0x20	/* equal neighbours */
#define STATUS_MANY		0x40	/* no limit of 2^20 descriptors in a chunk */

struct extent {
	uint64_t offset;
	uint64_t length;
	uint32_t status;
};

struct context {
	const char *name;
	enum layout_kind layout;
	uint64_t arg;			/* size of LAYOUT_ALTERNATE, status of LAYOUT_CONST */
	struct extent *extents;		/* LAYOUT_FILE */
	size_t nr_extents;
};

struct options {
	const char *unix_path;
	const char *export;		/* NULL: any name will do */
	const char *image;
	const char *log;
	const char *pidfile;
	unsigned int port;
	unsigned int once;
	bool daemon;
	uint64_t size;
	uint64_t seed;
	enum fill fill;
	uint16_t tflags;
	uint16_t hflags;
	bool structured;		/* STRUCTURED_REPLY is known */
	bool block_size_given;
	uint32_t min, pref, max;
	enum read_shape shape;
	enum write_reply write_reply;
	unsigned int status;		/* STATUS_* */
	unsigned int delay_ms;
	uint32_t df_error;		/* of a READ with DF, 0: it is answered ... */
	uint32_t df_max;		/* ... if it is longer than this */
	uint64_t zero_rate;		/* bytes of TRIM and WRITE_ZEROES in a second, 0: all */
	uint64_t mutate_seed;
	unsigned int mutate_rate;	/* per thousand replies, 0: never */
	struct context contexts[MAX_CONTEXTS];
	unsigned int nr_contexts;
};

extern struct options opt;

struct selected {
	const struct context *context;
	uint32_t id;
};

struct conn {
	int fd;
	unsigned int no;		/* 1, 2, ... in order of accept */
	uint64_t rng;
	uint64_t mutate_rng;
	uint32_t active;		/* bit n: chosen handshake misbehaviour n is on */
	uint32_t told;			/* ... and its line is in the log */
	bool provoked;			/* we violated the protocol first */
	unsigned int trickle_ms;	/* pause after each byte of handshake and headers */

	/* what this connection is told about the export */
	uint64_t size;
	uint16_t hflags;
	uint16_t tflags;
	bool tell_block_size;
	uint32_t min, pref, max;

	/* what was negotiated */
	bool fixed;
	bool no_zeroes;
	bool structured;
	bool block_size_asked;
	bool early_reply;		/* a reply goes out in one write with the ACK to GO */
	bool in_transmission;
	bool set_done;			/* SET_META_CONTEXT ended in ACK */
	char *set_export;
	struct selected selected[MAX_CONTEXTS];
	unsigned int nr_selected;

	/* transmission */
	struct reply *pending;
	unsigned int nr_pending;
	uint64_t pending_bytes;
	struct reply *unanswered;	/* requests that will never get a reply */
	unsigned int linger_ms;		/* wait for company before the next flush */
	bool mix_next;			/* interleave the next flush */
	bool disc;
	bool have_stale;
	uint64_t stale_cookie;		/* of a finished request */
};

/* options.c */
void parse_options(int argc, char **argv);

/* log.c */
void log_open(void);
void logf_line(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void violation(struct conn *c, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* random.c */
uint64_t hash64(uint64_t x);
uint64_t random64(uint64_t *state);
uint64_t random_below(uint64_t *state, uint64_t limit);

/* net.c */
int net_listen(void);
bool net_hung_up(int fd);
void pause_ms(unsigned int ms);
bool conn_readable(struct conn *c, int timeout_ms);
bool conn_read(struct conn *c, void *buf, size_t len);
bool conn_write(struct conn *c, const void *buf, size_t len);
void conn_stall(struct conn *c);
void conn_deaf(struct conn *c);

/* store.c */
void store_open(void);
const uint8_t *store_at(uint64_t offset, uint64_t len);
void store_write(uint64_t offset, const void *data, uint32_t len);
void store_zero(uint64_t offset, uint64_t len, bool punch);
void store_flush(void);
bool store_is_zero(uint64_t offset, uint64_t len);
uint32_t store_status(uint64_t offset, uint64_t end, uint64_t *length);

/* layout.c */
bool layout_parse(struct context *ctx, const char *text);
uint32_t layout_at(const struct context *ctx, uint64_t offset, uint64_t end, uint64_t *length);

/* main.c */
bool other_in_transmission(const struct conn *self);
bool foreign_context_id(const struct conn *self, uint32_t *id);

/* handshake.c */
enum verdict { HS_NORMAL, HS_CONTINUE, HS_TRANSMIT, HS_CLOSE };
bool handshake(struct conn *c);
bool option_reply(struct conn *c, uint32_t option, uint32_t type, const void *data, uint32_t len);
bool option_reply_again(struct conn *c, unsigned int times, uint32_t option, uint32_t type,
			const void *data, uint32_t len);
bool option_error(struct conn *c, uint32_t option, uint32_t type, const char *text);
bool info_reply(struct conn *c, uint32_t option, uint16_t type, const void *data, uint32_t len);
bool info_export(struct conn *c, uint32_t option);

/* meta.c */
enum verdict meta_option(struct conn *c, uint32_t option, const uint8_t *data, uint32_t len);
bool meta_reply(struct conn *c, uint32_t option, uint32_t id, const void *name, uint32_t len);
bool check_string(struct conn *c, const char *what, const uint8_t *s, uint32_t len);

/* transmission.c */
void transmission(struct conn *c);
int command_by_name(const char *name);

#endif
