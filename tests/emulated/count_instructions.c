/* A QEMU plugin: at each getppid() of the emulated program, the instructions since the last one.

   getppid is a call that no library makes by itself and that changes nothing, so a script marks
   the stretch to be counted with os.getppid(). Debian ships no qemu-plugin.h: the prototypes below
   are those of QEMU 7.2, plugin interface version 1. */
#include <inttypes.h>
#include <stdio.h>

#define EXPORT __attribute__((visibility("default")))
#define INLINE_ADD_U64 0
#define SYSCALL_GETPPID 173 /* on aarch64 */

typedef uint64_t plugin_id;
struct block;

extern void qemu_plugin_register_vcpu_tb_trans_cb(plugin_id, void (*)(plugin_id, struct block *));
extern void qemu_plugin_register_vcpu_tb_exec_inline(struct block *, int, void *, uint64_t);
extern size_t qemu_plugin_tb_n_insns(const struct block *);
extern void qemu_plugin_register_vcpu_syscall_cb(
    plugin_id, void (*)(plugin_id, unsigned, int64_t, uint64_t, uint64_t, uint64_t, uint64_t,
                        uint64_t, uint64_t, uint64_t, uint64_t));

EXPORT int qemu_plugin_version = 1;

static uint64_t count;

static void on_translate(plugin_id id, struct block *block)
{
    qemu_plugin_register_vcpu_tb_exec_inline(block, INLINE_ADD_U64, &count,
                                             qemu_plugin_tb_n_insns(block));
}

static void on_syscall(plugin_id id, unsigned cpu, int64_t number, uint64_t a, uint64_t b,
                       uint64_t c, uint64_t d, uint64_t e, uint64_t f, uint64_t g, uint64_t h)
{
    if (number == SYSCALL_GETPPID) {
        fprintf(stderr, "ICOUNT %" PRIu64 "\n", count);
        count = 0;
    }
}

EXPORT int qemu_plugin_install(plugin_id id, const void *info, int argc, char **argv)
{
    qemu_plugin_register_vcpu_tb_trans_cb(id, on_translate);
    qemu_plugin_register_vcpu_syscall_cb(id, on_syscall);
    return 0;
}
