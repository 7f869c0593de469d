// SPDX-License-Identifier: GPL-2.0-only
/*
 * A plugin for QEMU's emulation that counts the guest's instructions, by who
 * called whom. The guest says when, by two instructions that do nothing:
 *
 *	nopl 0x6264626e(%rax,%rax,1)	forget what was counted, begin
 *	nopl 0x6564626e(%rax,%rax,1)	write it down
 *
 * Exact where samples are not: what runs with interrupts off is in its place,
 * and the guest runs nothing that it would not run anyway.
 *
 * Nobody tells a plugin what the stack pointer is. But a call writes its return
 * address: where, is the stack. Interrupts have a stack of their own, and so do
 * softirqs; they belong to what they came in the middle of. Only
 * __switch_to_asm leads to the stack of another task.
 *
 *	-plugin libcount.so,to=FILE
 *
 * FILE has, for each count, "stack NUMBER USER" (an address in the program that
 * runs on it, or 0), "call NUMBER PARENT ADDRESS" for each function called by
 * each chain of calls, where PARENT may be "sNUMBER", "ran CALL ADDRESS
 * INSTRUCTIONS", and "end".
 */
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "qemu.h"

/* A kernel stack of x86-64 is 16 KiB, and aligned to that. */
#define STACK_SHIFT	14
#define STACKS		128U
#define DEPTH		128U
#define BUCKETS		(1U << 16)
#define KERNEL		(1ULL << 63)

int qemu_plugin_version = 4;

/**
 * struct block - instructions that run one after the other
 * @next: of the same bucket
 * @vaddr: where they begin
 * @len: how many they are
 * @returns: the last one returns from a call
 */
struct block {
	struct block *next;
	uint64_t vaddr;
	uint64_t len;
	bool returns;
};

/**
 * struct call - a function, called by a certain chain of calls
 * @next: of the same bucket
 * @parent: who called it; NULL for what no call has led to
 * @vaddr: its address, or the number of the stack
 * @number: in the file
 */
struct call {
	struct call *next;
	const struct call *parent;
	uint64_t vaddr;
	unsigned int number;
};

/**
 * struct tally - how many instructions of a block ran in a call
 * @next: of the same bucket
 */
struct tally {
	struct tally *next;
	const struct call *call;
	const struct block *block;
	uint64_t n;
};

/**
 * struct stack - where a task, or an interrupt, has its return addresses
 * @id: its address without the lower bits
 * @user: a place in the program that entered the kernel here, or 0
 * @outer: the stack that this one interrupts, or NULL
 * @root: stands for the stack itself
 * @base: what no call of this stack has led to: @root, or what was interrupted
 * @depth: number of @frames
 * @frames: where the return address is, and what it is; what was called, NULL before it has begun
 */
struct stack {
	uint64_t id;
	uint64_t user;
	struct stack *outer;
	const struct call *root;
	const struct call *base;
	unsigned int depth;
	struct {
		uint64_t slot;
		uint64_t back;
		const struct call *call;
	} frames[DEPTH];
};

static struct block *blocks[BUCKETS];
static struct call *calls[BUCKETS];
static struct tally *tallies[BUCKETS];
static struct stack stacks[STACKS];
static struct stack *current;
static unsigned int n_stacks, n_calls;
static uint64_t last_user;
static bool counting, switched, returning;
static FILE *output;

static unsigned int bucket(uint64_t a, uint64_t b)
{
	return ((a ^ b * 31) * 0x9e3779b97f4a7c15ULL) >> 48;
}

static void *allocate(size_t size)
{
	void *memory = calloc(1, size);

	if (!memory)
		abort();
	return memory;
}

static struct block *find_block(uint64_t vaddr, uint64_t len)
{
	struct block **head = &blocks[bucket(vaddr, len)], *block;

	for (block = *head; block; block = block->next)
		if (block->vaddr == vaddr && block->len == len)
			return block;
	block = allocate(sizeof(*block));
	*block = (struct block){ .next = *head, .vaddr = vaddr, .len = len };
	*head = block;
	return block;
}

static const struct call *find_call(const struct call *parent, uint64_t vaddr)
{
	struct call **head = &calls[bucket((uintptr_t)parent, vaddr)], *call;

	for (call = *head; call; call = call->next)
		if (call->parent == parent && call->vaddr == vaddr)
			return call;
	call = allocate(sizeof(*call));
	*call = (struct call){
		.next = *head, .parent = parent, .vaddr = vaddr, .number = n_calls++,
	};
	*head = call;
	return call;
}

static void count(const struct call *call, const struct block *block)
{
	struct tally **head = &tallies[bucket((uintptr_t)call, (uintptr_t)block)], *tally;

	for (tally = *head; tally; tally = tally->next)
		if (tally->call == call && tally->block == block)
			break;
	if (!tally) {
		tally = allocate(sizeof(*tally));
		*tally = (struct tally){ .next = *head, .call = call, .block = block };
		*head = tally;
	}
	tally->n += block->len;
}

/* The stack with @id, or a new one. The last one is all that there is no room for. */
static struct stack *find_stack(uint64_t id)
{
	unsigned int i;

	for (i = 0; i < n_stacks; i++)
		if (stacks[i].id == id)
			return &stacks[i];
	if (n_stacks == STACKS)
		return &stacks[STACKS - 1];
	stacks[n_stacks] = (struct stack){ .id = id, .root = find_call(NULL, n_stacks) };
	stacks[n_stacks].base = stacks[n_stacks].root;
	return &stacks[n_stacks++];
}

/* What runs; a call that has not begun does not yet */
static const struct call *top(const struct stack *stack)
{
	unsigned int i = stack->depth;

	while (i && !stack->frames[i - 1].call)
		i--;
	return i ? stack->frames[i - 1].call : stack->base;
}

/* The call that was made last, if there was one, begins with @block. */
static void enter(struct stack *stack, const struct block *block)
{
	if (stack->depth && !stack->frames[stack->depth - 1].call)
		stack->frames[stack->depth - 1].call = find_call(top(stack), block->vaddr);
}

/* To the stack of @slot: of another task, one that interrupts, or back from that */
static void change_stack(uint64_t slot)
{
	struct stack *to = find_stack(slot >> STACK_SHIFT), *outer = current;

	while (outer && outer != to)
		outer = outer->outer;
	if (switched) {
		to->outer = NULL;
		to->base = to->root;
	} else if (!outer) {
		to->outer = current;
		to->base = top(current);
		to->depth = 0;
	}
	current = to;
	switched = false;
}

/* @data is the return address. What had its own there or below it has returned. */
static void called(unsigned int cpu, uint32_t info, uint64_t slot, void *data)
{
	if (!counting)
		return;
	if (current->id != slot >> STACK_SHIFT)
		change_stack(slot);
	while (current->depth && current->frames[current->depth - 1].slot <= slot)
		current->depth--;
	if (last_user)
		current->user = last_user;
	last_user = 0;
	if (current->depth == DEPTH)
		return;
	current->frames[current->depth].slot = slot;
	current->frames[current->depth].back = (uintptr_t)data;
	current->frames[current->depth++].call = NULL;
}

/* The call whose return address is @vaddr is over, on this stack or on one it interrupts. */
static void pop(uint64_t vaddr)
{
	for (struct stack *stack = current; stack; stack = stack->outer) {
		for (unsigned int i = stack->depth; i; i--) {
			if (stack->frames[i - 1].back == vaddr) {
				stack->depth = i - 1;
				current = stack;
				return;
			}
		}
	}
}

static void switching(unsigned int cpu, void *data)
{
	switched = true;
}

static void executed(unsigned int cpu, void *data)
{
	struct block *block = data;

	if (!counting)
		return;
	if (!(block->vaddr & KERNEL)) {
		while (current->outer)
			current = current->outer;
		current->depth = 0;
		last_user = block->vaddr;
	}
	if (returning)
		pop(block->vaddr);
	returning = block->returns;
	enter(current, block);
	count(top(current), block);
}

static void begin(unsigned int cpu, void *data)
{
	struct tally *tally;

	for (unsigned int i = 0; i < BUCKETS; i++) {
		while ((tally = tallies[i])) {
			tallies[i] = tally->next;
			free(tally);
		}
	}
	n_stacks = 0;
	current = find_stack(0);
	switched = true;
	returning = false;
	counting = true;
}

static void tell_call(const struct call *call)
{
	if (!call->parent)
		fprintf(output, "call %u s%" PRIu64 " 0\n", call->number, call->vaddr);
	else
		fprintf(output, "call %u %u %" PRIx64 "\n", call->number, call->parent->number,
			call->vaddr);
}

static void tell(unsigned int cpu, void *data)
{
	counting = false;
	for (unsigned int i = 0; i < n_stacks; i++)
		fprintf(output, "stack %u %" PRIx64 "\n", i, stacks[i].user);
	for (unsigned int i = 0; i < BUCKETS; i++)
		for (const struct call *call = calls[i]; call; call = call->next)
			tell_call(call);
	for (unsigned int i = 0; i < BUCKETS; i++)
		for (const struct tally *tally = tallies[i]; tally; tally = tally->next)
			fprintf(output, "ran %u %" PRIx64 " %" PRIu64 "\n", tally->call->number,
				tally->block->vaddr, tally->n);
	fputs("end\n", output);
	fflush(output);
}

#define IS(insn, ...) is(insn, (const unsigned char[]){ __VA_ARGS__ }, \
			 sizeof((unsigned char[]){ __VA_ARGS__ }))

/* The longest instruction of x86 */
#define INSN_BYTES	15

/* True if @insn begins with @bytes */
static bool is(const struct qemu_plugin_insn *insn, const unsigned char *bytes, size_t len)
{
	unsigned char data[INSN_BYTES];

	return qemu_plugin_insn_data(insn, data, sizeof(data)) >= len && !memcmp(data, bytes, len);
}

/* call *%reg and call *memory: the middle three bits of the second byte are 2 */
static bool is_indirect_call(const struct qemu_plugin_insn *insn)
{
	unsigned char data[INSN_BYTES] = {}, *bytes = data;

	qemu_plugin_insn_data(insn, data, sizeof(data));
	if ((bytes[0] & 0xf0) == 0x40)
		bytes++;
	return bytes[0] == 0xff && (bytes[1] & 0x38) == 0x10;
}

static void watch_kernel(struct qemu_plugin_insn *insn)
{
	uintptr_t back = qemu_plugin_insn_vaddr(insn) + qemu_plugin_insn_size(insn);

	if (IS(insn, 0xe8) || is_indirect_call(insn))
		qemu_plugin_register_vcpu_mem_cb(insn, called, QEMU_NO_REGS, QEMU_WRITES,
						 (void *)back);
	/* mov ...(%rsi),%rsp */
	else if (IS(insn, 0x48, 0x8b, 0xa6))
		qemu_plugin_register_vcpu_insn_exec_cb(insn, switching, QEMU_NO_REGS, NULL);
}

static void watch_program(struct qemu_plugin_insn *insn)
{
	if (IS(insn, 0x0f, 0x1f, 0x84, 0x00, 'n', 'b', 'd', 'b'))
		qemu_plugin_register_vcpu_insn_exec_cb(insn, begin, QEMU_NO_REGS, NULL);
	else if (IS(insn, 0x0f, 0x1f, 0x84, 0x00, 'n', 'b', 'd', 'e'))
		qemu_plugin_register_vcpu_insn_exec_cb(insn, tell, QEMU_NO_REGS, NULL);
}

static void translated(uint64_t id, struct qemu_plugin_tb *tb)
{
	size_t len = qemu_plugin_tb_n_insns(tb);
	uint64_t vaddr = qemu_plugin_tb_vaddr(tb);
	struct block *block = find_block(vaddr, len);
	struct qemu_plugin_insn *insn = NULL;

	qemu_plugin_register_vcpu_tb_exec_cb(tb, executed, QEMU_NO_REGS, block);
	for (size_t i = 0; i < len; i++) {
		insn = qemu_plugin_tb_get_insn(tb, i);
		if (vaddr & KERNEL)
			watch_kernel(insn);
		else
			watch_program(insn);
	}
	block->returns = vaddr & KERNEL && insn && IS(insn, 0xc3);
}

int qemu_plugin_install(uint64_t id, const void *info, int argc, char **argv)
{
	if (argc != 1 || strncmp(argv[0], "to=", 3)) {
		fputs("count: needs to=FILE\n", stderr);
		return -1;
	}
	output = fopen(argv[0] + 3, "w");
	if (!output) {
		perror(argv[0] + 3);
		return -1;
	}
	qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
	return 0;
}
