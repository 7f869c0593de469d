/* SPDX-License-Identifier: GPL-2.0-only */
/* Copies inside the kernel, of much at a time. */
#ifndef NBD_COPY_H
#define NBD_COPY_H

#include <linux/string.h>

/* The sanitizers only see what C does */
#if defined(CONFIG_X86_64) && !defined(CONFIG_KASAN) && !defined(CONFIG_KMSAN) && \
	!defined(CONFIG_KCSAN)
#include <asm/cpufeature.h>

/* Shorter copies do not make up for the start of "rep movsq" */
#define NBD_COPY_LEAST	256u

/*
 * Without FSRM memcpy() is a loop that moves 8 bytes at a time. User copies and copy_page() have
 * "rep movsq" there, in which the processor moves a cache line or a half.
 */
static inline bool nbd_copy_by_words(void)
{
	return !cpu_feature_enabled(X86_FEATURE_FSRM);
}

static inline void nbd_copy(void *to, const void *from, size_t bytes)
{
	size_t words = bytes / sizeof(u64);

	if (bytes < NBD_COPY_LEAST || !nbd_copy_by_words()) {
		memcpy(to, from, bytes);
		return;
	}
	asm volatile("rep movsq" : "+D" (to), "+S" (from), "+c" (words) : : "memory");
	memcpy(to, from, bytes % sizeof(u64));
}

#else

static inline bool nbd_copy_by_words(void)
{
	return false;
}

static inline void nbd_copy(void *to, const void *from, size_t bytes)
{
	memcpy(to, from, bytes);
}

#endif

#endif /* NBD_COPY_H */
