/* From what a container prints to entries: lines, cut where they are too long, with stream and time. */
#include "log.h"

#include <errno.h>
#include <string.h>
#include <syslog.h>
#include <unistd.h>

#include "cleanup.h"

/* Docker's: a longer line is cut into entries of this size; so much waits for a receiver that is away. */
enum { LINE_MAX_BYTES = 16384, LIMIT_BYTES = 1 << 20 };

static const char *const stream_names[TSC_STREAMS] = {[TSC_STDOUT] = "stdout", [TSC_STDERR] = "stderr"};

/* Keeps nothing. */
static const struct tsc_log_driver none = {.name = "none"};

static const struct tsc_log_driver *const drivers[] = {&tsc_log_file, &tsc_log_local, &tsc_log_journald,
                                                       &tsc_log_syslog, &none};

/* --- from bytes to entries --- */

static void read_options(struct tsc_log *log, const struct tsc_program *program) {
    const struct tsc_step *step = tsc_program_find(program, TSC_STEP_LOG, NULL);
    log->path = tsc_step_text(step, 1);
    log->max_size = tsc_step_integer(step, 2);
    log->max_files = tsc_step_integer(step, 3);
    log->receiver.patient = tsc_step_integer(step, 4) == 0;
    const struct tsc_step *more = tsc_program_find(program, TSC_STEP_LOG_OPTIONS, NULL);
    log->destination = more ? tsc_step_text(more, 0) : "";
    log->format = more ? tsc_step_text(more, 1) : "";
    log->attributes = more ? tsc_step_text(more, 2) : "";
    log->facility = more ? (int)tsc_step_integer(more, 3) : LOG_DAEMON >> 3;
    log->receiver.limit = more ? (size_t)tsc_step_integer(more, 4) : LIMIT_BYTES;
}

static const struct tsc_log_driver *find_driver(const char *name) {
    for (size_t i = 0; i < TSC_COUNT(drivers); i++)
        if (strcmp(drivers[i]->name, name) == 0)
            return drivers[i];
    return NULL;
}

int tsc_log_open(struct tsc_log *log, const struct tsc_program *program, const struct tsc_fault *fault,
                 const char *id, struct tsc_error *reterr) {
    log->fd = -1;
    log->receiver.source.fd = -1;
    log->id = id;
    log->driver = &none;
    const struct tsc_step *step = tsc_program_find(program, TSC_STEP_LOG, NULL);
    if (!step)
        return 0;
    int error = tsc_fault_of(fault, TSC_STEP_LOG, reterr);
    if (error < 0)
        return error;
    const char *name = tsc_step_text(step, 0);
    const struct tsc_log_driver *driver = find_driver(name);
    if (!driver)
        return tsc_fail(reterr, -ENOTSUP, tsc_step_name(TSC_STEP_LOG), name);
    read_options(log, program);
    error = driver->open ? driver->open(log) : 0;
    if (error < 0) {
        const char *place = *log->destination ? log->destination : *log->path ? log->path : name;
        return tsc_fail(reterr, error, tsc_step_name(TSC_STEP_LOG), place);
    }
    log->driver = driver;
    return 0;
}

/* Adds to the pending line; emits it when it is complete or full. Returns how much was used. */
static size_t continue_line(struct tsc_log *log, enum tsc_stream stream, const char *bytes, size_t size) {
    struct tsc_text *pending = &log->pending[stream];
    size_t room = LINE_MAX_BYTES - tsc_text_length(pending);
    size_t limit = size < room ? size : room;
    const char *end = memchr(bytes, '\n', limit);
    size_t used = end ? (size_t)(end - bytes) : limit;
    tsc_text_append(pending, bytes, used);
    if (end || used == room) {
        log->driver->entry(log, stream, pending->bytes + pending->start, tsc_text_length(pending), !end);
        tsc_text_free(pending);
    }
    return end ? used + 1 : used;
}

static size_t take_line(struct tsc_log *log, enum tsc_stream stream, const char *bytes, size_t size) {
    if (tsc_text_length(&log->pending[stream]) > 0)
        return continue_line(log, stream, bytes, size);
    size_t limit = size < LINE_MAX_BYTES ? size : LINE_MAX_BYTES;
    const char *end = memchr(bytes, '\n', limit);
    if (end) {
        log->driver->entry(log, stream, bytes, (size_t)(end - bytes), false);
        return (size_t)(end - bytes) + 1;
    }
    if (limit == LINE_MAX_BYTES)
        log->driver->entry(log, stream, bytes, limit, true);
    else
        tsc_text_append(&log->pending[stream], bytes, limit);
    return limit;
}

/* All entries of one read have one time. */
static void stamp(struct tsc_log *log, enum tsc_stream stream) {
    struct tsc_text *tail = &log->tails[stream];
    log->now = tsc_time_now();
    tsc_time_format(&log->now, log->time);
    tail->start = tail->size = 0;
    bool members = log->driver == &tsc_log_file;
    tsc_text_format(tail, "\",\"stream\":\"%s\",%s\"time\":\"%s\"}\n", stream_names[stream],
                    members ? log->attributes : "", log->time);
}

static void flush(struct tsc_log *log) {
    if (log->driver->flush)
        log->driver->flush(log);
}

void tsc_log_write(struct tsc_log *log, enum tsc_stream stream, const char *bytes, size_t size) {
    if (!log->driver->entry)
        return;
    stamp(log, stream);
    while (size > 0) {
        size_t used = take_line(log, stream, bytes, size);
        bytes += used;
        size -= used;
    }
    flush(log);
}

bool tsc_log_is_full(const struct tsc_log *log) {
    return tsc_receiver_is_full(&log->receiver);
}

void tsc_log_trim(struct tsc_log *log) {
    if (tsc_text_length(&log->out) == 0)
        tsc_text_free(&log->out);
}

void tsc_log_finish(struct tsc_log *log, enum tsc_stream stream) {
    struct tsc_text *pending = &log->pending[stream];
    if (tsc_text_length(pending) == 0 || !log->driver->entry)
        return;
    stamp(log, stream);
    log->driver->entry(log, stream, pending->bytes + pending->start, tsc_text_length(pending), true);
    flush(log);
    tsc_text_free(pending);
}

void tsc_log_close(struct tsc_log *log) {
    for (int stream = 0; stream < TSC_STREAMS; stream++)
        tsc_log_finish(log, (enum tsc_stream)stream);
    for (int stream = 0; stream < TSC_STREAMS; stream++)
        tsc_text_free(&log->tails[stream]);
    tsc_text_free(&log->out);
    tsc_receiver_close(&log->receiver);
    if (log->fd >= 0)
        close(log->fd);
    log->fd = -1;
}
