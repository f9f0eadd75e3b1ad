/* Reading and writing descriptors: the only place that knows EINTR and short transfers. */
#include "fd.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cleanup.h"
#include "syscalls.h"

int tsc_fd_openat(int directory, const char *path, int flags, mode_t mode) {
    int fd;
    do
        fd = openat(directory, path, flags | O_CLOEXEC, mode);
    while (fd < 0 && errno == EINTR);
    return fd < 0 ? -errno : fd;
}

int tsc_fd_open(const char *path, int flags, mode_t mode) {
    return tsc_fd_openat(AT_FDCWD, path, flags, mode);
}

ssize_t tsc_fd_read(int fd, void *buffer, size_t size) {
    ssize_t count;
    do
        count = read(fd, buffer, size);
    while (count < 0 && errno == EINTR);
    return count < 0 ? -errno : count;
}

ssize_t tsc_fd_write(int fd, const void *buffer, size_t size) {
    ssize_t count;
    do
        count = write(fd, buffer, size);
    while (count < 0 && errno == EINTR);
    return count < 0 ? -errno : count;
}

int tsc_fd_poll(int fd, short events, int timeout_ms) {
    struct pollfd entry = {.fd = fd, .events = events};
    int count;
    do
        count = poll(&entry, 1, timeout_ms);
    while (count < 0 && errno == EINTR);
    return count < 0 ? -errno : count;
}

ssize_t tsc_fd_read_full(int fd, void *buffer, size_t size) {
    size_t done = 0;
    while (done < size) {
        ssize_t count = tsc_fd_read(fd, (uint8_t *)buffer + done, size - done);
        if (count == -EAGAIN && tsc_fd_poll(fd, POLLIN, -1) >= 0)
            continue;
        if (count < 0)
            return count;
        if (count == 0)
            break;
        done += (size_t)count;
    }
    return (ssize_t)done;
}

int tsc_fd_write_full(int fd, const void *buffer, size_t size) {
    size_t done = 0;
    while (done < size) {
        ssize_t count = tsc_fd_write(fd, (const uint8_t *)buffer + done, size - done);
        if (count == -EAGAIN && tsc_fd_poll(fd, POLLOUT, -1) >= 0)
            continue;
        if (count < 0)
            return (int)count;
        done += (size_t)count;
    }
    return 0;
}

int tsc_fd_read_all(int fd, size_t limit, uint8_t **ret_bytes, size_t *ret_size) {
    struct stat info;
    if (fstat(fd, &info) < 0)
        return -errno;
    size_t capacity = info.st_size > 0 ? (size_t)info.st_size : 1023;
    size_t size = 0;
    tsc_auto_free uint8_t *bytes = NULL;
    for (;;) {
        if (capacity > limit)
            capacity = limit;
        /* Two more: one to see the end of the file or that there is too much, one for the NUL. */
        uint8_t *grown = realloc(bytes, capacity + 2);
        if (!grown)
            return -ENOMEM;
        bytes = grown;
        ssize_t count = tsc_fd_read_full(fd, bytes + size, capacity + 1 - size);
        if (count < 0)
            return (int)count;
        size += (size_t)count;
        if (size <= capacity)
            break;
        if (capacity == limit)
            return -EFBIG;
        capacity *= 2;
    }
    bytes[size] = 0;
    *ret_bytes = tsc_take_pointer(bytes);
    *ret_size = size;
    return 0;
}

int tsc_file_read(int directory, const char *path, size_t limit, uint8_t **ret_bytes, size_t *ret_size) {
    tsc_auto_fd int fd = tsc_fd_openat(directory, path, O_RDONLY, 0);
    if (fd < 0)
        return fd;
    return tsc_fd_read_all(fd, limit, ret_bytes, ret_size);
}

int tsc_fd_write_text(int fd, const char *text) {
    ssize_t count = tsc_fd_write(fd, text, strlen(text));
    if (count < 0)
        return (int)count;
    return (size_t)count == strlen(text) ? 0 : -EIO;
}

int tsc_file_write(int directory, const char *path, const char *text) {
    tsc_auto_fd int fd = tsc_fd_openat(directory, path, O_WRONLY, 0);
    if (fd < 0)
        return fd;
    return tsc_fd_write_text(fd, text);
}

int tsc_file_replace(int directory, const char *path, mode_t mode, const void *bytes, size_t size) {
    char temporary[PATH_MAX];
    int length = snprintf(temporary, sizeof(temporary), "%s.tmp", path);
    if (length < 0 || (size_t)length >= sizeof(temporary))
        return -ENAMETOOLONG;
    tsc_auto_fd int fd = tsc_fd_openat(directory, temporary, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, mode);
    if (fd < 0)
        return fd;
    int error = tsc_fd_write_full(fd, bytes, size);
    if (error == 0 && renameat(directory, temporary, directory, path) < 0)
        error = -errno;
    if (error < 0)
        unlinkat(directory, temporary, 0);
    return error;
}

int tsc_directory_make(const char *path, mode_t mode) {
    char partial[PATH_MAX];
    size_t length = strlen(path);
    if (length == 0)
        return -ENOENT;
    if (length >= sizeof(partial))
        return -ENAMETOOLONG;
    memcpy(partial, path, length + 1);
    for (char *end = strchr(partial + 1, '/'); end; end = strchr(end + 1, '/')) {
        *end = '\0';
        if (mkdir(partial, mode) < 0 && errno != EEXIST && errno != EROFS)
            return -errno;
        *end = '/';
    }
    if (mkdir(partial, mode) == 0)
        return 0;
    int error = -errno;
    struct stat info;
    if ((error == -EEXIST || error == -EROFS) && stat(partial, &info) == 0)
        return S_ISDIR(info.st_mode) ? 0 : -ENOTDIR;
    return error;
}

int tsc_fd_set_nonblocking(int fd, bool on) {
    int flags = fcntl(fd, F_GETFL);
    if (flags < 0)
        return -errno;
    int wanted = on ? flags | O_NONBLOCK : flags & ~O_NONBLOCK;
    return wanted == flags || fcntl(fd, F_SETFL, wanted) == 0 ? 0 : -errno;
}

int tsc_fd_set_cloexec(int fd, bool on) {
    return fcntl(fd, F_SETFD, on ? FD_CLOEXEC : 0) == 0 ? 0 : -errno;
}

int tsc_fd_lock(int fd) {
    return flock(fd, LOCK_EX | LOCK_NB) < 0 ? -errno : 0;
}

int tsc_wait(pid_t pid, int *ret_status) {
    int status;
    pid_t reaped;
    do
        reaped = waitpid(pid, &status, 0);
    while (reaped < 0 && errno == EINTR);
    if (reaped < 0)
        return -errno;
    *ret_status = status;
    return 0;
}

static int compare_numbers(const void *left, const void *right) {
    int a = *(const int *)left;
    int b = *(const int *)right;
    return (a > b) - (a < b);
}

void tsc_fd_close_others(int *kept, size_t count) {
    unsigned next = 3;
    qsort(kept, count, sizeof(*kept), compare_numbers);
    for (size_t i = 0; i < count; i++) {
        if (kept[i] < (int)next)
            continue;
        if ((unsigned)kept[i] > next)
            tsc_sys_close_range(next, (unsigned)kept[i] - 1, 0);
        next = (unsigned)kept[i] + 1;
    }
    tsc_sys_close_range(next, UINT_MAX, 0);
}

int tsc_process_start(pid_t pid, uint64_t *ret_ticks) {
    char path[32];
    char stat[1024];
    snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
    tsc_auto_fd int fd = tsc_fd_open(path, O_RDONLY, 0);
    if (fd < 0)
        return fd == -ENOENT ? -ESRCH : fd;
    ssize_t count = tsc_fd_read_full(fd, stat, sizeof(stat) - 1);
    if (count < 0)
        return (int)count;
    stat[count] = '\0';
    /* The name in parentheses may hold anything; after its last parenthesis come plain numbers, from field 3 on. */
    const char *field = strrchr(stat, ')');
    for (int number = 2; field && number < 22; number++)
        field = strchr(field + 1, ' ');
    if (!field)
        return -EBADMSG;
    *ret_ticks = strtoull(field + 1, NULL, 10);
    return 0;
}
