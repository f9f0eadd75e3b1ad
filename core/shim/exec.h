/* One more process in a running container, and its terminal or pipes. */
#ifndef TSC_EXEC_H
#define TSC_EXEC_H

#include "supervise.h"

struct tsc_exec_options {
    const char *program;
    int pid;
    uint64_t start;
    bool detach;
    bool inherit;        /* standard streams are the caller's own */
    int report;          /* descriptor that is told the pid; 0: none */
    int kept;            /* number of descriptors from 3 on that the process gets */
    const char *console; /* socket that the terminal's master goes to, or NULL */
    struct tsc_fault fault;
    struct tsc_slot slots[TSC_JOINS_MAX];
    size_t slot_count;
};

/* The exit code of the process, or -errno. */
int tsc_exec_run(const struct tsc_exec_options *options, struct tsc_error *reterr);
/* Relays signals, and the terminal unless `master` is -1, of a process that is about to be executed; its exit code or -errno.
 * `report` as in the options. */
int tsc_exec_relay(const struct tsc_process *process, int master, int report, struct tsc_error *reterr);

#endif
