// SPDX-License-Identifier: GPL-2.0-only
/*
 * The filter of system calls as it is for other machines: libseccomp makes it for any, and a few
 * lines here carry it out.
 */
#include <stdlib.h>
#include <string.h>

#include "unit.h"

#include "negotiate/sandbox.c"

#define PRIVATE		(MAP_PRIVATE | MAP_ANONYMOUS)

/* struct seccomp_data in words: number, architecture, address of the instruction, six arguments */
struct call {
	uint32_t words[16];
};

struct machine {
	const char *name;
	uint32_t token;
	bool big_endian;
	bool map_in_memory;
	struct sock_fprog program;
};

static struct machine machines[] = {
	{ .name = "x86_64", .token = SCMP_ARCH_X86_64 },
	{ .name = "i386", .token = SCMP_ARCH_X86 },
	{ .name = "arm", .token = SCMP_ARCH_ARM },
	{ .name = "aarch64", .token = SCMP_ARCH_AARCH64 },
	{ .name = "riscv64", .token = SCMP_ARCH_RISCV64 },
	{ .name = "ppc64le", .token = SCMP_ARCH_PPC64LE },
	{ .name = "s390x", .token = SCMP_ARCH_S390X, .big_endian = true, .map_in_memory = true },
};

static void swap(struct sock_fprog *program)
{
	struct sock_filter *at;

	for (at = program->filter; at < program->filter + program->len; at++) {
		at->code = __builtin_bswap16(at->code);
		at->k = __builtin_bswap32(at->k);
	}
}

static int setup(void **state)
{
	struct machine *machine;
	scmp_filter_ctx filter;

	(void)state;
	for (machine = machines; machine < machines + N_ELEMENTS(machines); machine++) {
		filter = seccomp_init(SCMP_ACT_KILL_PROCESS);
		if (machine->token != seccomp_arch_native() &&
		    (seccomp_arch_remove(filter, SCMP_ARCH_NATIVE) ||
		     seccomp_arch_add(filter, machine->token)))
			return -1;
		if (sandbox_fill(filter, machine->map_in_memory) ||
		    sandbox_export(filter, &machine->program))
			return -1;
		seccomp_release(filter);
		if (machine->big_endian)
			swap(&machine->program);
	}
	return 0;
}

static int teardown(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < N_ELEMENTS(machines); i++)
		free(machines[i].program.filter);
	return 0;
}

static bool holds(const struct sock_filter *at, uint32_t a)
{
	switch (BPF_OP(at->code)) {
	case BPF_JEQ:
		return a == at->k;
	case BPF_JGT:
		return a > at->k;
	case BPF_JGE:
		return a >= at->k;
	case BPF_JSET:
		return a & at->k;
	default:
		return true;
	}
}

/* What the filter says to a call. */
static uint32_t run(const struct sock_fprog *program, const struct call *call)
{
	const struct sock_filter *at;
	uint32_t a = 0;

	for (at = program->filter; at < program->filter + program->len; at++) {
		switch (BPF_CLASS(at->code)) {
		case BPF_LD:
			assert_in_range(at->k, 0, sizeof(call->words) - 4);
			a = call->words[at->k / 4];
			break;
		case BPF_ALU:
			assert_int_equal(BPF_OP(at->code), BPF_AND);
			a &= at->k;
			break;
		case BPF_JMP:
			at += BPF_OP(at->code) == BPF_JA ? at->k : holds(at, a) ? at->jt : at->jf;
			break;
		case BPF_RET:
			return at->k;
		default:
			fail_msg("instruction %#x", at->code);
		}
	}
	return 0;
}

/* True if the machine's filter lets the call pass, with arguments 0, 2 and 3. */
static bool allowed(const struct machine *machine, int number, uint32_t first, uint32_t third,
		    uint32_t fourth)
{
	const uint32_t arguments[6] = { first, 0, third, fourth };
	struct call call = { .words = { number, machine->token } };
	unsigned int i;

	for (i = 0; i < 6; i++)
		call.words[4 + 2 * i + machine->big_endian] = arguments[i];
	return run(&machine->program, &call) == SECCOMP_RET_ALLOW;
}

static int number_of(const struct machine *machine, const char *name)
{
	return seccomp_syscall_resolve_name_arch(machine->token, name);
}

/* Those that the machine has; negative numbers are libseccomp's own. */
static void check(const char *const *names, size_t n, bool want)
{
	const struct machine *machine;
	size_t i;
	int nr;

	for (machine = machines; machine < machines + N_ELEMENTS(machines); machine++)
		for (i = 0; i < n; i++) {
			nr = number_of(machine, names[i]);
			if (nr >= 0 && allowed(machine, nr, 0, 0, 0) != want)
				fail_msg("%s: %s is %s", machine->name, names[i],
					 want ? "deadly" : "allowed");
		}
}

/* What C libraries make of send(), recv(), poll() and the like. */
static void test_needed(void **state)
{
	static const char *const names[] = {
		"read", "write", "readv", "writev", "send", "recv", "sendto", "recvfrom",
		"sendmsg", "recvmsg", "close", "shutdown", "poll", "ppoll", "ppoll_time64",
		"clock_gettime", "clock_gettime64", "brk", "munmap", "mremap", "futex",
		"futex_time64", "rt_sigreturn", "sigreturn", "exit_group",
	};

	(void)state;
	check(names, N_ELEMENTS(names), true);
}

static void test_deadly(void **state)
{
	static const char *const names[] = {
		"fork", "clone", "clone3", "execve", "socket", "connect", "bind", "accept4",
		"setsockopt", "kill", "ptrace", "setuid", "setuid32", "prlimit64", "unlinkat",
		"mprotect", "bpf", "io_uring_setup",
	};

	(void)state;
	check(names, N_ELEMENTS(names), false);
}

/* Stdio does without an answer. */
static void test_refused(void **state)
{
	static const char *const names[] = {
		"open", "openat", "fstat", "fstat64", "fstatat64", "newfstatat", "statx", "lseek",
		"_llseek",
	};
	const struct machine *machine;
	size_t i;

	(void)state;
	for (machine = machines; machine < machines + N_ELEMENTS(machines); machine++)
		for (i = 0; i < N_ELEMENTS(names); i++) {
			struct call call = { .words = { [1] = machine->token } };
			int nr = number_of(machine, names[i]);

			if (nr < 0)
				continue;
			call.words[0] = nr;
			if (run(&machine->program, &call) != (SECCOMP_RET_ERRNO | EACCES))
				fail_msg("%s: %s is deadly", machine->name, names[i]);
		}
}

/* socketcall(SYS_SEND), ... of machines where one call is for all of sockets */
static void test_socketcall(void **state)
{
	static const unsigned char talking[] = { 9, 10, 11, 12, 13, 16, 17 };
	const struct machine *machine;
	unsigned int call;

	(void)state;
	for (machine = machines; machine < machines + N_ELEMENTS(machines); machine++) {
		int nr = number_of(machine, "socketcall");

		for (call = 1; nr >= 0 && call <= 20; call++)
			if (allowed(machine, nr, call, 0, 0) !=
			    !!memchr(talking, call, sizeof(talking)))
				fail_msg("%s: socketcall %u", machine->name, call);
	}
}

static void test_map(void **state)
{
	const struct machine *machine;

	(void)state;
	for (machine = machines; machine < machines + N_ELEMENTS(machines); machine++) {
		int nr = number_of(machine, "mmap2");

		if (nr < 0)
			nr = number_of(machine, "mmap");
		if (machine->map_in_memory) {
			assert_true(allowed(machine, nr, 0x7ffff000, 5, 6));
			continue;
		}
		assert_true(allowed(machine, nr, 0, PROT_READ | PROT_WRITE, PRIVATE));
		assert_false(allowed(machine, nr, 0, PROT_READ | PROT_EXEC, PRIVATE));
		assert_false(allowed(machine, nr, 0, PROT_READ, MAP_SHARED | MAP_ANONYMOUS));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_needed),
		cmocka_unit_test(test_deadly),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_socketcall),
		cmocka_unit_test(test_map),
	};

	return cmocka_run_group_tests_name("helper_sandbox_arch", tests, setup, teardown);
}
