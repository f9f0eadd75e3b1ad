/* What the shim and the processes that it makes tell each other on the way to exec: datagrams on a socket pair. */
#ifndef TSC_CHANNEL_H
#define TSC_CHANNEL_H

#include <stdint.h>

#include "error.h"

/* The meeting points, in their order. The end of the connection, seen by the shim, is the successful exec. */
enum tsc_sync {
    TSC_SYNC_FAILED,   /* up: a step failed; the error follows */
    TSC_SYNC_CLONED,   /* up: the process exists; value is its pid in the host's namespace */
    TSC_SYNC_TERMINAL, /* up: carries the master of the terminal */
    TSC_SYNC_HOOKS,    /* up: now the hooks of the runtime may run, waiting for GO */
    TSC_SYNC_READY,    /* up: all steps before EXEC are done, waiting at the gate */
    TSC_SYNC_GO,       /* down: go on */
};

struct tsc_message {
    int32_t kind;
    int32_t value;
    struct tsc_error error;
};

/* A connected pair, close-on-exec. */
int tsc_channel_open(int ret_fds[2]);
/* `fd` -1: no descriptor goes along. */
int tsc_channel_send(int channel, const struct tsc_message *message, int fd);
/* 1: a message, 0: the other side is gone, or -errno. `ret_fd` may be NULL; it is -1 when none came along. */
int tsc_channel_receive(int channel, struct tsc_message *ret, int *ret_fd);

#endif
