/* Locks: flock() on a file that is made when missing. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cleanup.h"
#include "error.h"
#include "fd.h"

static int take(int fd, int operation) {
    while (flock(fd, operation) < 0) {
        if (errno != EINTR)
            return -errno;
    }
    return 0;
}

static int open_lock(const char *path, int *ret_fd, struct tsc_error *reterr) {
    int fd = tsc_fd_open(path, O_RDWR | O_CREAT, 0600);
    if (fd < 0)
        return tsc_fail(reterr, fd, "open lock", path);
    *ret_fd = fd;
    return 0;
}

int tsc_lock(const char *path, int32_t exclusive, int32_t *ret_fd, struct tsc_error *reterr) {
    tsc_auto_fd int fd = -1;
    int r = open_lock(path, &fd, reterr);
    if (r < 0)
        return r;
    r = take(fd, (exclusive ? LOCK_EX : LOCK_SH) | LOCK_NB);
    if (r < 0)
        return tsc_fail(reterr, r, "lock", path);
    *ret_fd = tsc_take_fd(&fd);
    return 0;
}

struct waiting {
    int lock;
    int notice;
    int operation;
};

/* Nobody listening any more means that the caller has given up: the lock is let go. */
static void *wait_for_lock(void *argument) {
    struct waiting *waiting = argument;
    tsc_auto_fd int lock = waiting->lock;
    tsc_auto_fd int notice = waiting->notice;
    uint8_t result = (uint8_t)-take(lock, waiting->operation);

    free(waiting);
    if (send(notice, &result, sizeof(result), MSG_NOSIGNAL) == sizeof(result))
        (void)tsc_take_fd(&lock);
    return NULL;
}

static int start_waiting(struct waiting *waiting) {
    pthread_attr_t attributes;
    pthread_t thread;
    sigset_t all, before;
    int r;

    if (pthread_attr_init(&attributes) != 0)
        return -ENOMEM;
    (void)pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    (void)pthread_attr_setstacksize(&attributes, (size_t)128 * 1024);
    /* The thread inherits the mask: no signal of the process is ever delivered to it. */
    sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    r = pthread_create(&thread, &attributes, wait_for_lock, waiting);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    (void)pthread_attr_destroy(&attributes);
    return -r;
}

int tsc_lock_wait(const char *path, int32_t exclusive, int32_t *ret_fd, int32_t *ret_notice,
                  struct tsc_error *reterr) {
    tsc_auto_fd int lock = -1;
    tsc_auto_fd int notice = -1;
    tsc_auto_fd int other = -1;
    struct waiting *waiting;
    int pair[2], fd, r;

    r = open_lock(path, &lock, reterr);
    if (r < 0)
        return r;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
        return tsc_fail(reterr, -errno, "wait for lock", path);
    notice = pair[0];
    other = pair[1];
    waiting = malloc(sizeof(*waiting));
    if (!waiting)
        return tsc_fail(reterr, -ENOMEM, "wait for lock", path);
    *waiting = (struct waiting){.lock = lock, .notice = other, .operation = exclusive ? LOCK_EX : LOCK_SH};
    fd = lock;
    r = start_waiting(waiting);
    if (r < 0) {
        free(waiting);
        return tsc_fail(reterr, r, "wait for lock", path);
    }
    (void)tsc_take_fd(&lock);
    (void)tsc_take_fd(&other);
    *ret_fd = fd;
    *ret_notice = tsc_take_fd(&notice);
    return 0;
}

int tsc_lock_is_held(const char *path, struct tsc_error *reterr) {
    tsc_auto_fd int fd = tsc_fd_open(path, O_RDONLY, 0);
    int r;

    if (fd < 0)
        return fd == -ENOENT ? 0 : tsc_fail(reterr, fd, "open lock", path);
    r = take(fd, LOCK_SH | LOCK_NB);
    if (r == -EWOULDBLOCK)
        return 1;
    return r < 0 ? tsc_fail(reterr, r, "probe lock", path) : 0;
}
