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

/* Those without a way out of their own have only the file, or nothing. */
static const struct tsc_log_driver json_file = {.name = "json-file"};
static const struct tsc_log_driver local = {.name = "local"};
static const struct tsc_log_driver none = {.name = "none"};

static const struct tsc_log_driver *const drivers[] = {&json_file, &local, &none, &tsc_log_journald,
                                                       &tsc_log_syslog};

static void read_options(struct tsc_log *log, const struct tsc_program *program) {
    const struct tsc_step *step = tsc_program_find(program, TSC_STEP_LOG, NULL);
    log->path = tsc_step_text(step, 1);
    log->max_size = tsc_step_integer(step, 2);
    log->max_files = tsc_step_integer(step, 3);
    log->receiver.patient = tsc_step_integer(step, 4) == 0;
    const struct tsc_step *more = tsc_program_find(program, TSC_STEP_LOG_OPTIONS, NULL);
    log->tag = more ? tsc_step_text(more, 0) : "";
    log->destination = more ? tsc_step_text(more, 1) : "";
    log->format = more ? tsc_step_text(more, 2) : "";
    log->attributes = more ? tsc_step_text(more, 3) : "";
    log->facility = more ? (int)tsc_step_integer(more, 4) : LOG_DAEMON >> 3;
    log->receiver.limit = more ? (size_t)tsc_step_integer(more, 5) : LIMIT_BYTES;
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
    log->path = "";
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
    log->driver = driver;
    if (*log->path && (error = tsc_log_file_open(log)) < 0)
        return tsc_fail(reterr, error, tsc_step_name(TSC_STEP_LOG), log->path);
    if (driver->open && (error = driver->open(log)) < 0)
        return tsc_fail(reterr, error, tsc_step_name(TSC_STEP_LOG),
                        *log->destination ? log->destination : name);
    return 0;
}

static void emit(struct tsc_log *log, enum tsc_stream stream, const char *line, size_t size, bool partial) {
    if (log->fd >= 0)
        tsc_log_file_entry(log, stream, line, size, partial);
    if (log->driver->entry)
        log->driver->entry(log, stream, line, size, partial);
}

static bool goes_nowhere(const struct tsc_log *log) {
    return log->fd < 0 && (!log->driver || !log->driver->entry);
}

/* --- from bytes to entries --- */

/* Adds to the pending line; emits it when it is complete or full. Returns how much was used. */
static size_t continue_line(struct tsc_log *log, enum tsc_stream stream, const char *bytes, size_t size) {
    struct tsc_text *pending = &log->pending[stream];
    size_t room = LINE_MAX_BYTES - tsc_text_length(pending);
    size_t limit = size < room ? size : room;
    const char *end = memchr(bytes, '\n', limit);
    size_t used = end ? (size_t)(end - bytes) : limit;
    tsc_text_append(pending, bytes, used);
    if (end || used == room) {
        emit(log, stream, pending->bytes + pending->start, tsc_text_length(pending), !end);
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
        emit(log, stream, bytes, (size_t)(end - bytes), false);
        return (size_t)(end - bytes) + 1;
    }
    if (limit == LINE_MAX_BYTES)
        emit(log, stream, bytes, limit, true);
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
    /* Those of journald are in a form of its own. */
    const char *attributes = log->driver->entry ? "" : log->attributes;
    tsc_text_format(tail, "\",\"stream\":\"%s\",%s\"time\":\"%s\"}\n", stream_names[stream], attributes,
                    log->time);
}

void tsc_log_write(struct tsc_log *log, enum tsc_stream stream, const char *bytes, size_t size) {
    if (goes_nowhere(log))
        return;
    stamp(log, stream);
    while (size > 0) {
        size_t used = take_line(log, stream, bytes, size);
        bytes += used;
        size -= used;
    }
    if (log->fd >= 0)
        tsc_log_file_flush(log);
}

bool tsc_log_is_full(const struct tsc_log *log) {
    return tsc_receiver_is_full(&log->receiver);
}

void tsc_log_trim(struct tsc_log *log) {
    if (tsc_text_length(&log->out) == 0)
        tsc_text_free(&log->out);
    tsc_text_free(&log->message);
}

void tsc_log_finish(struct tsc_log *log, enum tsc_stream stream) {
    struct tsc_text *pending = &log->pending[stream];
    if (tsc_text_length(pending) == 0 || goes_nowhere(log))
        return;
    stamp(log, stream);
    emit(log, stream, pending->bytes + pending->start, tsc_text_length(pending), true);
    if (log->fd >= 0)
        tsc_log_file_flush(log);
    tsc_text_free(pending);
}

void tsc_log_close(struct tsc_log *log) {
    for (int stream = 0; stream < TSC_STREAMS; stream++)
        tsc_log_finish(log, (enum tsc_stream)stream);
    for (int stream = 0; stream < TSC_STREAMS; stream++)
        tsc_text_free(&log->tails[stream]);
    tsc_text_free(&log->out);
    tsc_text_free(&log->message);
    tsc_receiver_close(&log->receiver);
    if (log->fd >= 0)
        close(log->fd);
    log->fd = -1;
}
