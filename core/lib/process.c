/* What one process hands to or tells another: signals, connected sockets, sealed memory, descriptors. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cleanup.h"
#include "error.h"
#include "fd.h"
#include "syscalls.h"

int tsc_signal(int32_t pid, uint64_t start_ticks, int32_t signal, struct tsc_error *reterr) {
    uint64_t ticks = 0;
    int r;
    /* The pidfd comes first: when the start time read afterwards is right, it is that process's. */
    tsc_auto_fd int pidfd = tsc_sys_pidfd_open(pid, 0);
    if (pidfd < 0)
        return tsc_failf(reterr, -errno, "find process", "%" PRId32, pid);
    r = tsc_process_start(pid, &ticks);
    if (r < 0)
        return tsc_failf(reterr, r, "read start time of process", "%" PRId32, pid);
    if (ticks != start_ticks)
        return tsc_failf(reterr, -ESRCH, "find process", "%" PRId32, pid);
    if (tsc_sys_pidfd_send_signal(pidfd, signal, NULL, 0) < 0)
        return tsc_failf(reterr, -errno, "signal process", "%" PRId32, pid);
    return 0;
}

int tsc_socket_pair(int32_t ret_fds[2], struct tsc_error *reterr) {
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
        return tsc_fail(reterr, -errno, "make socket pair", "");
    ret_fds[0] = pair[0];
    ret_fds[1] = pair[1];
    return 0;
}

int tsc_memfd(const char *name, const uint8_t *content, size_t length, int32_t *ret_fd,
              struct tsc_error *reterr) {
    int r;
    /* Not close-on-exec: tsc_exec hands it to the shim. tsc_spawn passes only what it is told to. */
    tsc_auto_fd int fd = memfd_create(name, MFD_ALLOW_SEALING);
    if (fd < 0)
        return tsc_fail(reterr, -errno, "make memory file", name);
    r = tsc_fd_write_full(fd, content, length);
    if (r < 0)
        return tsc_fail(reterr, r, "write memory file", name);
    if (fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL) < 0)
        return tsc_fail(reterr, -errno, "seal memory file", name);
    if (lseek(fd, 0, SEEK_SET) < 0)
        return tsc_fail(reterr, -errno, "rewind memory file", name);
    *ret_fd = tsc_take_fd(&fd);
    return 0;
}

int tsc_open_fd(const char *path, int32_t flags, int32_t *ret_fd, struct tsc_error *reterr) {
    int fd = tsc_fd_open(path, flags, 0600);
    if (fd < 0)
        return tsc_fail(reterr, fd, "open", path);
    *ret_fd = fd;
    return 0;
}

int tsc_close(int32_t fd) {
    return close(fd) < 0 ? -errno : 0;
}

int tsc_abi_version(void) {
    return TSC_ABI_VERSION;
}
