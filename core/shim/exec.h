/* One more process in a running container, and its terminal or pipes. */
#ifndef TSC_EXEC_H
#define TSC_EXEC_H

#include "supervise.h"

struct tsc_exec_options {
    const char *program;
    int pid;
    uint64_t start;
    bool detach;
    struct tsc_fault fault;
    struct tsc_slot slots[TSC_JOINS_MAX];
    size_t slot_count;
};

/* The exit code of the process, or -errno. */
int tsc_exec_run(const struct tsc_exec_options *options, struct tsc_error *reterr);

#endif
