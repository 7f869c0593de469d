/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What count.c uses of QEMU's interface for plugins of its emulation, version
 * 4; Debian has no header of it.
 */
#ifndef BENCH_QEMU_H
#define BENCH_QEMU_H

#include <stddef.h>
#include <stdint.h>

struct qemu_plugin_tb;
struct qemu_plugin_insn;

enum { QEMU_NO_REGS };
enum { QEMU_WRITES = 2 };

typedef void (*qemu_executed)(unsigned int cpu, void *data);
typedef void (*qemu_accessed)(unsigned int cpu, uint32_t info, uint64_t vaddr, void *data);
typedef void (*qemu_translated)(uint64_t id, struct qemu_plugin_tb *tb);

extern int qemu_plugin_version;
int qemu_plugin_install(uint64_t id, const void *info, int argc, char **argv);

void qemu_plugin_register_vcpu_tb_trans_cb(uint64_t id, qemu_translated fn);
void qemu_plugin_register_vcpu_tb_exec_cb(struct qemu_plugin_tb *tb, qemu_executed fn, int flags,
					  void *data);
void qemu_plugin_register_vcpu_insn_exec_cb(struct qemu_plugin_insn *insn, qemu_executed fn,
					    int flags, void *data);
void qemu_plugin_register_vcpu_mem_cb(struct qemu_plugin_insn *insn, qemu_accessed fn, int flags,
				      int access, void *data);

size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *tb);
uint64_t qemu_plugin_tb_vaddr(const struct qemu_plugin_tb *tb);
struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *tb, size_t i);
uint64_t qemu_plugin_insn_vaddr(const struct qemu_plugin_insn *insn);
size_t qemu_plugin_insn_data(const struct qemu_plugin_insn *insn, void *dest, size_t len);
size_t qemu_plugin_insn_size(const struct qemu_plugin_insn *insn);

#endif
