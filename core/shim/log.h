/* What the container prints, on its way to the log. */
#ifndef TSC_LOG_H
#define TSC_LOG_H

#include <stdbool.h>

#include "perform.h"
#include "text.h"

enum tsc_stream { TSC_STDOUT, TSC_STDERR, TSC_STREAMS };

struct tsc_log;

/* How entries leave: one of these per driver. */
struct tsc_log_driver {
    const char *name;
    int (*open)(struct tsc_log *log);
    /* `partial`: the line goes on in the next entry. */
    void (*entry)(struct tsc_log *log, enum tsc_stream stream, const char *line, size_t size, bool partial);
    void (*flush)(struct tsc_log *log);
};

struct tsc_log {
    const struct tsc_log_driver *driver;
    const char *path; /* file; for journald and syslog the tag */
    const char *id;
    int64_t max_size;
    int64_t max_files;
    bool nonblocking;
    int fd;
    int64_t size; /* of the file, with what waits in `out` */
    struct tsc_text out;
    struct tsc_text tails[TSC_STREAMS];   /* what ends each entry of this read */
    struct tsc_text pending[TSC_STREAMS]; /* the start of a line whose end has not come yet */
    struct timespec now;
    char time[TSC_TIME_SIZE];
};

int tsc_log_open(struct tsc_log *log, const struct tsc_program *program, const struct tsc_fault *fault,
                 const char *id, struct tsc_error *reterr);
void tsc_log_write(struct tsc_log *log, enum tsc_stream stream, const char *bytes, size_t size);
/* The stream ended: a line without end is written too. */
void tsc_log_finish(struct tsc_log *log, enum tsc_stream stream);
/* Gives back memory that a burst needed. */
void tsc_log_trim(struct tsc_log *log);
void tsc_log_close(struct tsc_log *log);

#endif
