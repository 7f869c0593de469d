/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Misbehaviours: tables of named ways to violate the protocol, or to go to its limits, and when
 * they fire.
 */
#ifndef EVIL_H
#define EVIL_H

#include "reply.h"

enum phase { PHASE_HANDSHAKE, PHASE_READ, PHASE_WRITE, PHASE_STATUS, PHASE_ANY };

/* What the protocol demands of a good client */
enum outcome {
	OUTCOME_OK,		/* the right data or status */
	OUTCOME_ERROR,		/* that command fails, the connection lives */
	OUTCOME_DROP,		/* the connection must go; the request is retried or fails */
	OUTCOME_REFUSE,		/* attaching fails with a message */
	OUTCOME_DEGRADE,	/* attaching works, without the feature */
};

/* Points of the handshake at which a misbehaviour can step in */
enum step {
	STEP_FACTS = 0x01,	/* before the initial handshake: change the export */
	STEP_GREETING = 0x02,	/* instead of the initial handshake */
	STEP_GREETED = 0x04,	/* after the initial handshake, before the client's flags */
	STEP_OPTION = 0x08,	/* instead of the reply to an option */
	STEP_INFO = 0x10,	/* instead of INFO_EXPORT in the reply to GO */
	STEP_SELECTED = 0x20,	/* contexts are chosen, nothing of it is sent yet */
	STEP_OPENED = 0x40,	/* transmission has just begun */
};

#define CMD(name)	(1U << NBD_CMD_##name)
#define CMDS_WRITING	(CMD(WRITE) | CMD(TRIM) | CMD(WRITE_ZEROES))
#define CMDS_ALL	(CMD(READ) | CMDS_WRITING | CMD(FLUSH) | CMD(CACHE) | CMD(BLOCK_STATUS))

struct evil {
	const char *name;
	enum phase phase;
	enum outcome outcome;
	const char *what;
	uint64_t arg;
	const char *text;

	/* transmission: builds the whole reply */
	unsigned int commands;
	bool simple_too;	/* also fires when structured replies were not negotiated */
	bool simple_only;	/* fires only then */
	bool early;		/* WRITE: fires before its payload is read */
	void (*reply)(struct conn *c, struct reply *r, const struct evil *e);

	/* handshake */
	unsigned int steps;
	unsigned int option;	/* 0: any */
	bool second;		/* only from the second connection on */
	enum verdict (*shake)(struct conn *c, const struct evil *e, enum step step,
			      uint32_t option);
};

extern const struct evil evil_handshake_table[];
extern const struct evil evil_negotiation_table[];
extern const struct evil evil_read_table[];
extern const struct evil evil_stream_table[];
extern const struct evil evil_status_table[];
extern const struct evil evil_write_table[];

/* Default window of offsets in which misbehaviours of the transmission phase fire */
#define EVIL_GUARD	(4 * MiB)

void evil_list(void);
void evil_choose(const char *name);
void evil_set_after(uint64_t n);
void evil_set_at(uint64_t offset);
void evil_set_times(uint64_t n);
void evil_set_command(const char *name);

void evil_arm(struct conn *c);
enum verdict evil_step(struct conn *c, enum step step, uint32_t option);
const struct evil *evil_fires(struct conn *c, const struct request *req, bool early);

#endif
