/* Reading and writing descriptors: the only place that knows EINTR and short transfers. */
#ifndef TSC_FD_H
#define TSC_FD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* All return -errno on failure; none fills a tsc_error, because only the caller knows the step and the object. */

/* open(2) and openat(2) with O_CLOEXEC; the descriptor or -errno. */
int tsc_fd_open(const char *path, int flags, mode_t mode);
int tsc_fd_openat(int directory, const char *path, int flags, mode_t mode);

/* One read(2) or write(2), repeated on EINTR; the number of bytes or -errno (-EAGAIN as well). */
ssize_t tsc_fd_read(int fd, void *buffer, size_t size);
ssize_t tsc_fd_write(int fd, const void *buffer, size_t size);

/* Until `size` bytes or end of file; the number of bytes. */
ssize_t tsc_fd_read_full(int fd, void *buffer, size_t size);
/* All of it, or -errno. Waits with poll(2) when the descriptor does not block. */
int tsc_fd_write_full(int fd, const void *buffer, size_t size);

/* A whole file as malloc()ed bytes with a NUL behind them; -EFBIG when it has more than `limit` bytes. */
int tsc_fd_read_all(int fd, size_t limit, uint8_t **ret_bytes, size_t *ret_size);
int tsc_file_read(int directory, const char *path, size_t limit, uint8_t **ret_bytes, size_t *ret_size);
/* Writes a text in one write(2), as proc, sysfs and cgroup files want it: all of it, or -errno. */
int tsc_fd_write_text(int fd, const char *text);
/* The same into an existing file. */
int tsc_file_write(int directory, const char *path, const char *text);
/* Replaces a file by a temporary one and rename(2). */
int tsc_file_replace(int directory, const char *path, mode_t mode, const void *bytes, size_t size);

/* mkdir -p: parents too; an existing directory is fine. */
int tsc_directory_make(const char *path, mode_t mode);

/* poll(2) on one descriptor: 1 when `events` came, 0 after `timeout_ms` (-1: none), or -errno. */
int tsc_fd_poll(int fd, short events, int timeout_ms);
int tsc_fd_set_nonblocking(int fd, bool on);
int tsc_fd_set_cloexec(int fd, bool on);
/* Closes all descriptors from 3 on but those in `kept`, which is sorted on the way. */
void tsc_fd_close_others(int *kept, size_t count);
/* Takes flock(2)'s exclusive lock, or -EWOULDBLOCK. */
int tsc_fd_lock(int fd);

/* waitpid(2), repeated on EINTR; 0 or -errno. */
int tsc_wait(pid_t pid, int *ret_status);

/* Field 22 of /proc/PID/stat: with it a pid names one process for good. */
int tsc_process_start(pid_t pid, uint64_t *ret_ticks);

#endif
