/* User namespaces that only carry id maps, for id-mapped mounts. */
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "cleanup.h"
#include "fd.h"
#include "perform.h"

static int write_map(pid_t pid, const char *file, const char *text) {
    char path[64];
    snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, file);
    return tsc_file_write(AT_FDCWD, path, text);
}

static int open_mapped(pid_t pid, const char *uid_map, const char *gid_map) {
    char path[64];
    snprintf(path, sizeof(path), "/proc/%d/ns/user", (int)pid);
    int error = write_map(pid, "uid_map", uid_map);
    if (error == 0)
        error = write_map(pid, "gid_map", gid_map);
    return error < 0 ? error : tsc_fd_open(path, O_RDONLY, 0);
}

int tsc_idmap_open(const char *uid_map, const char *gid_map, int *ret_fd, struct tsc_error *reterr) {
    pid_t pid = (pid_t)syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, 0, 0, 0, 0);
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
        for (;;)
            pause();
    }
    if (pid < 0)
        return tsc_fail(reterr, -errno, "", "idmap");
    int status;
    int fd = open_mapped(pid, uid_map, gid_map);
    kill(pid, SIGKILL);
    tsc_wait(pid, &status);
    if (fd < 0)
        return tsc_fail(reterr, fd, "", "idmap");
    *ret_fd = fd;
    return 0;
}
