/* What the container prints, on its way to the log. */
#ifndef TSC_LOG_H
#define TSC_LOG_H

#include <stdbool.h>

#include "log_receiver.h"
#include "perform.h"
#include "text.h"

enum tsc_stream { TSC_STDOUT, TSC_STDERR, TSC_STREAMS };

struct tsc_log;

/* How entries leave the container, beside the file that is kept for readers. */
struct tsc_log_driver {
    const char *name;
    int (*open)(struct tsc_log *log);
    /* `partial`: the line goes on in the next entry. */
    void (*entry)(struct tsc_log *log, enum tsc_stream stream, const char *line, size_t size, bool partial);
};

extern const struct tsc_log_driver tsc_log_journald, tsc_log_syslog;

struct tsc_log {
    const struct tsc_log_driver *driver;
    const char *path; /* of the file; "": none is kept */
    const char *tag;
    const char *id;
    int64_t max_size;
    int64_t max_files;
    const char *attributes; /* of each entry; see LOG_OPTIONS */
    const char *destination;
    const char *format;
    int facility;
    struct tsc_receiver receiver;
    int fd;
    int64_t size;                         /* of the file, with what waits in `out` */
    bool torn;                            /* the file ends within a line: the disk was full */
    struct tsc_text out;                  /* on its way to the file */
    struct tsc_text message;              /* of journald or syslog */
    struct tsc_text tails[TSC_STREAMS];   /* what ends each entry of this read */
    struct tsc_text pending[TSC_STREAMS]; /* the start of a line whose end has not come yet */
    struct timespec now;
    char time[TSC_TIME_SIZE];
};

/* Of `log` the caller has set what the receiver needs: `loop`, `relieved` and `data`. */
int tsc_log_open(struct tsc_log *log, const struct tsc_program *program, const struct tsc_fault *fault,
                 const char *id, struct tsc_error *reterr);
void tsc_log_write(struct tsc_log *log, enum tsc_stream stream, const char *bytes, size_t size);
/* So much waits for the receiver that the container has to wait too. */
bool tsc_log_is_full(const struct tsc_log *log);
/* The stream ended: a line without end is written too. */
void tsc_log_finish(struct tsc_log *log, enum tsc_stream stream);
/* Gives back memory that a burst needed. */
void tsc_log_trim(struct tsc_log *log);
/* A receiver gets some seconds to take what waits. */
void tsc_log_close(struct tsc_log *log);

/* log_file.c: the entries that are kept, in Docker's json-file format. */
int tsc_log_file_open(struct tsc_log *log);
void tsc_log_file_entry(struct tsc_log *log, enum tsc_stream stream, const char *line, size_t size,
                        bool partial);
void tsc_log_file_flush(struct tsc_log *log);

#endif
