/* The file of entries: that of json-file and local, and what is kept for readers of what goes to journald and syslog. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cleanup.h"
#include "fd.h"
#include "log.h"

enum { FLUSH_BYTES = 64 << 10 };

int tsc_log_file_open(struct tsc_log *log) {
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

/* A full disk loses lines, as in Docker: better than to stop the container. */
void tsc_log_file_flush(struct tsc_log *log) {
    size_t length = tsc_text_length(&log->out);
    if (log->fd >= 0 && length > 0) {
        if (log->torn && tsc_fd_write(log->fd, "\n", 1) == 1)
            log->torn = false;
        if (tsc_fd_write_full(log->fd, log->out.bytes + log->out.start, length) < 0) {
            log->torn = true;
            /* Or files would be rotated away for lines that are in none. */
            log->size -= (int64_t)length;
        }
    }
    /* The memory is kept while there is much to write, see tsc_log_trim(). */
    log->out.start = log->out.size = 0;
    log->out.failed = 0;
}

/* log → log.1 → log.2 …; who reads the last one has it open, and finds the rest of it there. */
static void rename_files(const struct tsc_log *log) {
    char from[PATH_MAX];
    char to[PATH_MAX];
    if (log->max_files < 2)
        unlink(log->path);
    for (int64_t n = log->max_files - 1; n >= 1; n--) {
        snprintf(to, sizeof(to), "%s.%lld", log->path, (long long)n);
        snprintf(from, sizeof(from), n > 1 ? "%s.%lld" : "%s", log->path, (long long)n - 1);
        rename(from, to);
    }
}

static void rotate(struct tsc_log *log) {
    tsc_log_file_flush(log);
    rename_files(log);
    int old = log->fd;
    log->fd = -1;
    if (tsc_log_file_open(log) == 0)
        close(old);
    else
        log->fd = old;
}

void tsc_log_file_entry(struct tsc_log *log, enum tsc_stream stream, const char *line, size_t size,
                        bool partial) {
    if (log->max_size > 0 && log->size >= log->max_size)
        rotate(log);
    size_t before = tsc_text_length(&log->out);
    const struct tsc_text *tail = &log->tails[stream];
    tsc_text_append(&log->out, "{\"log\":\"", 8);
    tsc_text_escape(&log->out, line, size);
    if (!partial)
        tsc_text_append(&log->out, "\\n", 2);
    tsc_text_append(&log->out, tail->bytes, tail->size);
    log->size += (int64_t)(tsc_text_length(&log->out) - before);
    if (tsc_text_length(&log->out) >= FLUSH_BYTES)
        tsc_log_file_flush(log);
}
