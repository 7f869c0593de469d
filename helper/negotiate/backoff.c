// SPDX-License-Identifier: GPL-2.0-only
#include "negotiate/backoff.h"

/* Varies @delay by at most a quarter. */
static unsigned int backoff_jitter(unsigned int delay, unsigned int chance)
{
	return delay - delay / 4 + chance % (delay / 2 + 1);
}

static void backoff_wait(struct backoff *backoff, uint64_t now, unsigned int chance)
{
	if (!backoff->delay)
		backoff->delay = BACKOFF_FIRST_MS;
	else if (backoff->delay < BACKOFF_TOP_MS / 2)
		backoff->delay *= 2;
	else
		backoff->delay = BACKOFF_TOP_MS;
	backoff->next = now + backoff_jitter(backoff->delay, chance);
	backoff->proven = 0;
}

unsigned int backoff_left(const struct backoff *backoff, uint64_t now)
{
	return backoff->next > now ? backoff->next - now : 0;
}

void backoff_worked(struct backoff *backoff, uint64_t now)
{
	backoff->next = now;
	if (!backoff->proven)
		backoff->proven = now + BACKOFF_PROVEN_MS;
}

void backoff_failed(struct backoff *backoff, uint64_t now, unsigned int chance)
{
	/* A success that lasted resets the delay. */
	if (backoff->proven && now >= backoff->proven)
		backoff->delay = 0;
	backoff_wait(backoff, now, chance);
}

void backoff_lost(struct backoff *backoff, uint64_t made, uint64_t now, unsigned int chance)
{
	if (now - made < BACKOFF_PROVEN_MS)
		backoff_failed(backoff, now, chance);
}

void backoff_hopeless(struct backoff *backoff, uint64_t now, unsigned int chance)
{
	backoff->delay = BACKOFF_TOP_MS;
	backoff_wait(backoff, now, chance);
}
