/* The halves of a launch without supervisor: `create` and `start`. */
#ifndef TSC_CREATE_H
#define TSC_CREATE_H

#include "supervise.h"

struct tsc_create_options {
    struct tsc_run_options run; /* program, slots and fault */
    const char *gate;           /* path of the socket */
    const char *console;        /* path of the socket that the terminal's master goes to, or NULL */
    const char *keyring;        /* name of a new session keyring, or NULL */
    int kept;                   /* number of descriptors from 3 on that the container gets */
    int report;
    bool start;
};

/* With `start` the exit code of the container; 0 otherwise; or -errno. */
int tsc_create(const struct tsc_create_options *options, struct tsc_error *reterr);
/* Opens the gate; returns when EXEC happened or failed. */
int tsc_start(const char *gate, struct tsc_error *reterr);

/* One line about a process that was made. */
int tsc_report_process(int fd, pid_t pid);
/* One line about what went wrong. */
int tsc_report_error(int fd, const struct tsc_error *error);
/* Hands a terminal's master to who waits at the socket `path`. */
int tsc_console_send(const char *path, int master, struct tsc_error *reterr);

#endif
