/* System calls and constants that the C library (2.31 or newer) or its headers may lack. All return -1 and set errno. */
#ifndef TSC_SYSCALLS_H
#define TSC_SYSCALLS_H

#include <fcntl.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

/* From 424 on the numbers are the same on every architecture (but alpha, which we do not support). */
enum {
    TSC_NR_pidfd_send_signal = 424,
    TSC_NR_open_tree = 428,
    TSC_NR_move_mount = 429,
    TSC_NR_fsopen = 430,
    TSC_NR_fsconfig = 431,
    TSC_NR_fsmount = 432,
    TSC_NR_pidfd_open = 434,
    TSC_NR_clone3 = 435,
    TSC_NR_close_range = 436,
    TSC_NR_openat2 = 437,
    TSC_NR_pidfd_getfd = 438,
    TSC_NR_mount_setattr = 442,
    TSC_NR_quotactl_fd = 443,
};

struct tsc_open_how {
    uint64_t flags;
    uint64_t mode;
    uint64_t resolve;
};
#define TSC_RESOLVE_NO_XDEV       0x01u
#define TSC_RESOLVE_NO_MAGICLINKS 0x02u
#define TSC_RESOLVE_NO_SYMLINKS   0x04u
#define TSC_RESOLVE_BENEATH       0x08u
#define TSC_RESOLVE_IN_ROOT       0x10u

struct tsc_mount_attr {
    uint64_t attr_set;
    uint64_t attr_clr;
    uint64_t propagation;
    uint64_t userns_fd;
};
#define TSC_MOUNT_ATTR_RDONLY      0x00000001u
#define TSC_MOUNT_ATTR_NOSUID      0x00000002u
#define TSC_MOUNT_ATTR_NODEV       0x00000004u
#define TSC_MOUNT_ATTR_NOEXEC      0x00000008u
#define TSC_MOUNT_ATTR__ATIME      0x00000070u
#define TSC_MOUNT_ATTR_NOATIME     0x00000010u
#define TSC_MOUNT_ATTR_STRICTATIME 0x00000020u
#define TSC_MOUNT_ATTR_NODIRATIME  0x00000080u
#define TSC_MOUNT_ATTR_IDMAP       0x00100000u
#define TSC_MOUNT_ATTR_NOSYMFOLLOW 0x00200000u

#define TSC_OPEN_TREE_CLONE         1u
#define TSC_OPEN_TREE_CLOEXEC       ((unsigned)O_CLOEXEC)
#define TSC_AT_RECURSIVE            0x8000u
#define TSC_MOVE_MOUNT_F_EMPTY_PATH 0x00000004u
#define TSC_MOVE_MOUNT_T_EMPTY_PATH 0x00000040u
#define TSC_FSOPEN_CLOEXEC          1u
#define TSC_FSMOUNT_CLOEXEC         1u

enum tsc_fsconfig {
    TSC_FSCONFIG_SET_FLAG = 0,
    TSC_FSCONFIG_SET_STRING = 1,
    TSC_FSCONFIG_SET_FD = 5,
    TSC_FSCONFIG_CMD_CREATE = 6,
};

struct tsc_clone_args {
    uint64_t flags;
    uint64_t pidfd;
    uint64_t child_tid;
    uint64_t parent_tid;
    uint64_t exit_signal;
    uint64_t stack;
    uint64_t stack_size;
    uint64_t tls;
    uint64_t set_tid;
    uint64_t set_tid_size;
    uint64_t cgroup;
};
#define TSC_CLONE_INTO_CGROUP 0x200000000ULL
#define TSC_CLONE_PIDFD       0x00001000ULL
#define TSC_CLONE_NEWTIME     0x00000080ULL
#define TSC_CLONE_NEWCGROUP   0x02000000ULL

#define TSC_CLOSE_RANGE_CLOEXEC 4u

static inline int tsc_sys_openat2(int directory, const char *path, const struct tsc_open_how *how) {
    return (int)syscall(TSC_NR_openat2, directory, path, how, sizeof(*how));
}

static inline int tsc_sys_open_tree(int directory, const char *path, unsigned flags) {
    return (int)syscall(TSC_NR_open_tree, directory, path, flags);
}

static inline int tsc_sys_move_mount(int from, const char *from_path, int to, const char *to_path,
                                     unsigned flags) {
    return (int)syscall(TSC_NR_move_mount, from, from_path, to, to_path, flags);
}

static inline int tsc_sys_mount_setattr(int directory, const char *path, unsigned flags,
                                        const struct tsc_mount_attr *attributes) {
    return (int)syscall(TSC_NR_mount_setattr, directory, path, flags, attributes, sizeof(*attributes));
}

static inline int tsc_sys_fsopen(const char *type, unsigned flags) {
    return (int)syscall(TSC_NR_fsopen, type, flags);
}

static inline int tsc_sys_fsconfig(int fd, unsigned command, const char *key, const void *value,
                                   int auxiliary) {
    return (int)syscall(TSC_NR_fsconfig, fd, command, key, value, auxiliary);
}

static inline int tsc_sys_fsmount(int fd, unsigned flags, unsigned attributes) {
    return (int)syscall(TSC_NR_fsmount, fd, flags, attributes);
}

static inline int tsc_sys_pidfd_open(pid_t pid, unsigned flags) {
    return (int)syscall(TSC_NR_pidfd_open, pid, flags);
}

static inline int tsc_sys_pidfd_send_signal(int pidfd, int signal, siginfo_t *info, unsigned flags) {
    return (int)syscall(TSC_NR_pidfd_send_signal, pidfd, signal, info, flags);
}

static inline int tsc_sys_pidfd_getfd(int pidfd, int fd, unsigned flags) {
    return (int)syscall(TSC_NR_pidfd_getfd, pidfd, fd, flags);
}

static inline pid_t tsc_sys_clone3(const struct tsc_clone_args *args) {
    return (pid_t)syscall(TSC_NR_clone3, args, sizeof(*args));
}

static inline int tsc_sys_close_range(unsigned first, unsigned last, unsigned flags) {
    return (int)syscall(TSC_NR_close_range, first, last, flags);
}

static inline int tsc_sys_pivot_root(const char *new_root, const char *put_old) {
    return (int)syscall(SYS_pivot_root, new_root, put_old);
}

static inline int tsc_sys_execveat(int directory, const char *path, char *const argv[], char *const envp[],
                                   int flags) {
    return (int)syscall(SYS_execveat, directory, path, argv, envp, flags);
}

#endif
