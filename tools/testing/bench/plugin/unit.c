// SPDX-License-Identifier: GPL-2.0-only
/*
 * The plugin without QEMU: a guest of some blocks, played to it, and the chains
 * of calls that it makes of them. Prints TAP.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "qemu.h"

#define TASK_A	0xffffc90000004000ULL
#define TASK_B	0xffffc90000008000ULL
#define IRQ	0xffffc90000010000ULL
#define TEXT	0xffffffff81000000ULL

struct qemu_plugin_insn {
	uint64_t vaddr;
	unsigned char data[8];
	size_t size;
	qemu_executed on_exec;
	qemu_accessed on_access;
	void *data_exec, *data_access;
};

/* A block here is one instruction. */
struct qemu_plugin_tb {
	struct qemu_plugin_insn insn;
	qemu_executed on_exec;
	void *data;
};

static qemu_translated translate;

void qemu_plugin_register_vcpu_tb_trans_cb(uint64_t id, qemu_translated fn)
{
	translate = fn;
}

void qemu_plugin_register_vcpu_tb_exec_cb(struct qemu_plugin_tb *tb, qemu_executed fn, int flags,
					  void *data)
{
	tb->on_exec = fn;
	tb->data = data;
}

void qemu_plugin_register_vcpu_insn_exec_cb(struct qemu_plugin_insn *insn, qemu_executed fn,
					    int flags, void *data)
{
	insn->on_exec = fn;
	insn->data_exec = data;
}

void qemu_plugin_register_vcpu_mem_cb(struct qemu_plugin_insn *insn, qemu_accessed fn, int flags,
				      int access, void *data)
{
	insn->on_access = fn;
	insn->data_access = data;
}

size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *tb)
{
	return 1;
}

uint64_t qemu_plugin_tb_vaddr(const struct qemu_plugin_tb *tb)
{
	return tb->insn.vaddr;
}

struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *tb, size_t i)
{
	return (struct qemu_plugin_insn *)&tb->insn;
}

uint64_t qemu_plugin_insn_vaddr(const struct qemu_plugin_insn *insn)
{
	return insn->vaddr;
}

size_t qemu_plugin_insn_data(const struct qemu_plugin_insn *insn, void *dest, size_t len)
{
	if (len > insn->size)
		len = insn->size;
	memcpy(dest, insn->data, len);
	return len;
}

size_t qemu_plugin_insn_size(const struct qemu_plugin_insn *insn)
{
	return insn->size;
}

/* Runs the instruction @bytes at @vaddr; @slot is what it writes to, if it calls */
static void run(uint64_t vaddr, const char *bytes, size_t size, uint64_t slot)
{
	struct qemu_plugin_tb tb = { .insn = { .vaddr = vaddr, .size = size } };

	memcpy(tb.insn.data, bytes, size);
	translate(0, &tb);
	tb.on_exec(0, tb.data);
	if (tb.insn.on_exec)
		tb.insn.on_exec(0, tb.insn.data_exec);
	if (tb.insn.on_access)
		tb.insn.on_access(0, 0, slot, tb.insn.data_access);
}

static void nop(uint64_t vaddr)
{
	run(vaddr, "\x90", 1, 0);
}

static void call(uint64_t vaddr, uint64_t slot)
{
	run(vaddr, "\xe8\0\0\0\0", 5, slot);
}

static void ret(uint64_t vaddr)
{
	run(vaddr, "\xc3", 1, 0);
}

static void switch_stack(uint64_t vaddr)
{
	run(vaddr, "\x48\x8b\xa6\0\0\0\0", 7, 0);
}

/* Functions are at TEXT + 0x100, 0x200 ... */
#define FN(n)	(TEXT + (n) * 0x100ULL)

/* 1 calls 2, which returns, and then 3, which an interrupt comes upon, that calls 4. */
static void play_calls(void)
{
	nop(0x1000);
	call(TEXT, TASK_A + 0x3ff0);
	call(FN(1), TASK_A + 0x3f00);
	ret(FN(2));
	nop(FN(1) + 5);
	/* less deep than the call of 2 was, as after a jump to another function */
	call(FN(1) + 6, TASK_A + 0x3e00);
	call(FN(3), IRQ + 0x3ff0);
	ret(FN(4));
	nop(FN(3) + 5);
	ret(FN(3) + 6);
	nop(FN(1) + 11);
}

/* Another task runs 5, which goes to 6; back in the first one 1 continues. */
static void play_switch(void)
{
	call(FN(1) + 12, TASK_A + 0x3f00);
	switch_stack(FN(7));
	call(FN(7) + 7, TASK_B + 0x3000);
	nop(FN(5));
	call(FN(5) + 1, TASK_B + 0x2000);
	ret(FN(6));
	switch_stack(FN(5) + 6);
	call(FN(5) + 13, TASK_A + 0x3e00);
	ret(FN(8));
	ret(FN(5) + 18);
	nop(FN(1) + 17);
}

static int n_tests, failures;

static void report(const char *name, int ok)
{
	failures += !ok;
	printf("%sok %d - %s\n", ok ? "" : "not ", ++n_tests, name);
}

/* Number of the call of @function by @parent ("s0", "3") in what was told, or -1 */
static int find(const char *told, const char *parent, uint64_t function)
{
	char line[80];
	const char *at = told;
	int number;

	snprintf(line, sizeof(line), " %s %llx\n", parent, (unsigned long long)function);
	at = strstr(told, line);
	if (!at)
		return -1;
	while (at > told && at[-1] != '\n')
		at--;
	return sscanf(at, "call %d ", &number) == 1 ? number : -1;
}

static int child(const char *told, int parent, uint64_t function)
{
	char name[16];

	snprintf(name, sizeof(name), "%d", parent);
	return find(told, name, function);
}

/* The call of @function that no other led to on its stack */
static int first(const char *told, uint64_t function)
{
	char name[16];
	int number = -1;

	for (int stack = 0; stack < 8 && number < 0; stack++) {
		snprintf(name, sizeof(name), "s%d", stack);
		number = child(told, find(told, name, 0), function);
	}
	return number;
}

/* Did the instruction at @vaddr run @n times in @call? */
static int ran(const char *told, int call, uint64_t vaddr, int n)
{
	char line[80];

	snprintf(line, sizeof(line), "ran %d %llx %d\n", call, (unsigned long long)vaddr, n);
	return !!strstr(told, line);
}

static void check(const char *told)
{
	int one = first(told, FN(1)), two = child(told, one, FN(2));
	int three = child(told, one, FN(3)), four = child(told, three, FN(4));
	int five = first(told, FN(5));

	report("who called whom", one >= 0 && two >= 0 && three >= 0);
	report("after a return the caller continues", ran(told, one, FN(1) + 5, 1));
	report("an interrupt belongs to what it interrupts", four >= 0);
	report("and is over", ran(told, three, FN(3) + 5, 1));
	report("so is what was interrupted", ran(told, one, FN(1) + 11, 1));
	report("another task has calls of its own", five >= 0 && child(told, five, FN(6)) >= 0);
	report("and the first continues where it was", ran(told, one, FN(1) + 17, 1));
	report("what runs before the mark is not counted", !strstr(told, " 2000 "));
	report("a program is known by an address", !!strstr(told, " 1000\n"));
}

int main(void)
{
	static char told[1 << 16];
	char name[64], to[80];
	char *arg = to;
	FILE *file;

	snprintf(name, sizeof(name), "/tmp/count-unit.%d", getpid());
	snprintf(to, sizeof(to), "to=%s", name);
	if (qemu_plugin_install(0, NULL, 1, &arg))
		return 1;
	nop(0x2000);
	run(0x3000, "\x0f\x1f\x84\0nbdb", 8, 0);
	play_calls();
	play_switch();
	run(0x3008, "\x0f\x1f\x84\0nbde", 8, 0);
	file = fopen(name, "r");
	unlink(name);
	if (!file || !fread(told, 1, sizeof(told) - 1, file))
		return 1;
	check(told);
	printf("1..%d\n", n_tests);
	if (failures)
		fputs(told, stdout);
	return failures > 0;
}
