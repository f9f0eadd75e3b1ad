/* Log drivers: json-file (and local, the same format), journald, syslog, none. */
#include "log.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <syslog.h>
#include <unistd.h>

#include "cleanup.h"
#include "fd.h"

/* Docker's: a longer line is cut into entries of this size. */
enum { LINE_MAX_BYTES = 16384, FLUSH_BYTES = 64 << 10 };

static const char *const stream_names[TSC_STREAMS] = {[TSC_STDOUT] = "stdout", [TSC_STDERR] = "stderr"};

/* --- json-file --- */

static int file_open(struct tsc_log *log) {
    tsc_auto_fd int fd = tsc_fd_open(log->path, O_WRONLY | O_APPEND | O_CREAT, 0640);
    struct stat info;
    if (fd < 0)
        return fd;
    if (fstat(fd, &info) < 0)
        return -errno;
    log->size = info.st_size;
    log->fd = tsc_take_fd(&fd);
    return 0;
}

static void file_flush(struct tsc_log *log) {
    /* A full disk loses lines, as in Docker: better than to stop the container. */
    if (log->fd >= 0)
        tsc_fd_write_full(log->fd, log->out.bytes + log->out.start, tsc_text_length(&log->out));
    log->out.start = log->out.size =
        0; /* the memory is kept while there is much to write, see tsc_log_trim() */
}

/* log → log.1 → log.2 … */
static void file_rotate(struct tsc_log *log) {
    file_flush(log);
    char from[PATH_MAX];
    char to[PATH_MAX];
    if (log->max_files < 2) {
        (void)!ftruncate(log->fd, 0);
        log->size = 0;
        return;
    }
    for (int64_t n = log->max_files - 1; n >= 1; n--) {
        snprintf(to, sizeof(to), "%s.%lld", log->path, (long long)n);
        snprintf(from, sizeof(from), n > 1 ? "%s.%lld" : "%s", log->path, (long long)n - 1);
        rename(from, to);
    }
    int old = log->fd;
    log->fd = -1;
    if (file_open(log) == 0)
        close(old);
    else
        log->fd = old;
}

static void file_entry(struct tsc_log *log, enum tsc_stream stream, const char *line, size_t size,
                       bool partial) {
    if (log->max_size > 0 && log->size >= log->max_size)
        file_rotate(log);
    size_t before = tsc_text_length(&log->out);
    const struct tsc_text *tail = &log->tails[stream];
    tsc_text_append(&log->out, "{\"log\":\"", 8);
    tsc_text_escape(&log->out, line, size);
    if (!partial)
        tsc_text_append(&log->out, "\\n", 2);
    tsc_text_append(&log->out, tail->bytes, tail->size);
    log->size += (int64_t)(tsc_text_length(&log->out) - before);
    if (tsc_text_length(&log->out) >= FLUSH_BYTES)
        file_flush(log);
}

/* --- journald and syslog: one datagram an entry --- */

static int socket_open(struct tsc_log *log, const char *path) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
    tsc_auto_fd int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
        return -errno;
    log->fd = tsc_take_fd(&fd);
    return 0;
}

static void socket_flush(struct tsc_log *log) {
    (void)log;
}

static void socket_send(struct tsc_log *log, const char *path) {
    int flags = MSG_NOSIGNAL | (log->nonblocking ? MSG_DONTWAIT : 0);
    ssize_t sent = send(log->fd, log->out.bytes, tsc_text_length(&log->out), flags);
    /* The daemon was restarted: its new socket is at the same place. */
    if (sent < 0 && (errno == ECONNREFUSED || errno == ENOTCONN || errno == ECONNRESET)) {
        close(log->fd);
        log->fd = -1;
        if (socket_open(log, path) == 0)
            (void)!send(log->fd, log->out.bytes, tsc_text_length(&log->out), flags);
    }
    tsc_text_free(&log->out);
}

#define JOURNAL_SOCKET "/run/systemd/journal/socket"
#define SYSLOG_SOCKET  "/dev/log"

static int journald_open(struct tsc_log *log) {
    return socket_open(log, JOURNAL_SOCKET);
}

static void journald_entry(struct tsc_log *log, enum tsc_stream stream, const char *line, size_t size,
                           bool partial) {
    /* The message may hold anything, so it goes in the binary form: name, newline, 64-bit little-endian length, bytes. */
    uint8_t length[9] = {0};
    for (int i = 0; i < 8; i++)
        length[i] = (uint8_t)(size >> (8 * i));
    tsc_text_string(&log->out, "MESSAGE\n");
    tsc_text_append(&log->out, length, 8);
    tsc_text_append(&log->out, line, size);
    tsc_text_format(
        &log->out,
        "\nPRIORITY=%d\nSYSLOG_IDENTIFIER=%s\nCONTAINER_TAG=%s\nCONTAINER_NAME=%s\nCONTAINER_ID=%.12s\n"
        "CONTAINER_ID_FULL=%s\nSYSLOG_TIMESTAMP=%s\n%s",
        stream == TSC_STDERR ? LOG_ERR : LOG_INFO, log->path, log->path, log->path, log->id, log->id,
        log->time, partial ? "CONTAINER_PARTIAL_MESSAGE=true\n" : "");
    socket_send(log, JOURNAL_SOCKET);
}

static int syslog_open(struct tsc_log *log) {
    return socket_open(log, SYSLOG_SOCKET);
}

static void syslog_entry(struct tsc_log *log, enum tsc_stream stream, const char *line, size_t size,
                         bool partial) {
    (void)partial;
    char time[32];
    struct tm parts;
    localtime_r(&log->now.tv_sec, &parts);
    strftime(time, sizeof(time), "%b %e %H:%M:%S", &parts); /* RFC 3164, which local daemons take */
    tsc_text_format(&log->out, "<%d>%s %s: ", LOG_DAEMON | (stream == TSC_STDERR ? LOG_ERR : LOG_INFO), time,
                    log->path);
    tsc_text_append(&log->out, line, size);
    socket_send(log, SYSLOG_SOCKET);
}

static int none_open(struct tsc_log *log) {
    (void)log;
    return 0;
}

static const struct tsc_log_driver drivers[] = {
    {"json-file", file_open, file_entry, file_flush},
    {"local", file_open, file_entry, file_flush},
    {"journald", journald_open, journald_entry, socket_flush},
    {"syslog", syslog_open, syslog_entry, socket_flush},
    {"none", none_open, NULL, NULL},
};

/* --- from bytes to entries --- */

int tsc_log_open(struct tsc_log *log, const struct tsc_program *program, const struct tsc_fault *fault,
                 const char *id, struct tsc_error *reterr) {
    *log = (struct tsc_log){.fd = -1, .id = id, .path = "", .driver = &drivers[TSC_COUNT(drivers) - 1]};
    const struct tsc_step *step = tsc_program_find(program, TSC_STEP_LOG, NULL);
    if (!step)
        return 0;
    int error = tsc_fault_of(fault, TSC_STEP_LOG, reterr);
    if (error < 0)
        return error;
    const char *name = tsc_step_text(step, 0);
    log->path = tsc_step_text(step, 1);
    log->max_size = tsc_step_integer(step, 2);
    log->max_files = tsc_step_integer(step, 3);
    log->nonblocking = tsc_step_integer(step, 4) != 0;
    for (size_t i = 0; i < TSC_COUNT(drivers); i++) {
        if (strcmp(drivers[i].name, name) != 0)
            continue;
        log->driver = &drivers[i];
        error = log->driver->open(log);
        return error < 0 ? tsc_fail(reterr, error, tsc_step_name(TSC_STEP_LOG), *log->path ? log->path : name)
                         : 0;
    }
    return tsc_fail(reterr, -ENOTSUP, tsc_step_name(TSC_STEP_LOG), name);
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
    tsc_text_format(tail, "\",\"stream\":\"%s\",\"time\":\"%s\"}\n", stream_names[stream], log->time);
}

void tsc_log_write(struct tsc_log *log, enum tsc_stream stream, const char *bytes, size_t size) {
    if (!log->driver || !log->driver->entry)
        return;
    stamp(log, stream);
    while (size > 0) {
        size_t used = take_line(log, stream, bytes, size);
        bytes += used;
        size -= used;
    }
    log->driver->flush(log);
}

void tsc_log_trim(struct tsc_log *log) {
    if (tsc_text_length(&log->out) == 0)
        tsc_text_free(&log->out);
}

void tsc_log_finish(struct tsc_log *log, enum tsc_stream stream) {
    struct tsc_text *pending = &log->pending[stream];
    if (tsc_text_length(pending) == 0 || !log->driver || !log->driver->entry)
        return;
    stamp(log, stream);
    log->driver->entry(log, stream, pending->bytes + pending->start, tsc_text_length(pending), true);
    log->driver->flush(log);
    tsc_text_free(pending);
}

void tsc_log_close(struct tsc_log *log) {
    for (int stream = 0; stream < TSC_STREAMS; stream++)
        tsc_log_finish(log, (enum tsc_stream)stream);
    for (int stream = 0; stream < TSC_STREAMS; stream++)
        tsc_text_free(&log->tails[stream]);
    tsc_text_free(&log->out);
    if (log->fd >= 0)
        close(log->fd);
    log->fd = -1;
}
