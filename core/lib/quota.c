/* A limit on what is in a directory: project quotas, where the file system has them (xfs, ext4). */
#include <errno.h>
#include <fcntl.h>
#include <linux/dqblk_xfs.h>
#include <linux/fs.h>
#include <linux/quota.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "cleanup.h"
#include "error.h"
#include "fd.h"
#include "syscalls.h"

/* So many projects are looked at for one that nobody has. */
#define MAX_ATTEMPTS 1000
#define BLOCK        1024u

static int project_quota(int fd, unsigned command, uint32_t id, void *argument) {
    long r = syscall(TSC_NR_quotactl_fd, (unsigned)fd, QCMD(command, PRJQUOTA), id, argument);
    return r < 0 ? -errno : 0;
}

/* Counting alone is no limit. */
static int check_enforced(int fd) {
    struct fs_quota_statv state = {.qs_version = FS_QSTATV_VERSION1};
    int r = project_quota(fd, Q_XGETQSTATV, 0, &state);
    return r == 0 && (state.qs_flags & FS_QUOTA_PDQ_ENFD) ? 0 : -EOPNOTSUPP;
}

/* 1 when nothing is counted for the project and nothing limits it. */
static int is_free(int fd, uint32_t id) {
    struct if_dqblk usage = {0};
    int r = project_quota(fd, Q_GETQUOTA, id, &usage);
    if (r == -ENOENT || r == -ESRCH)
        return 1;
    return r < 0 ? r : usage.dqb_curspace == 0 && usage.dqb_curinodes == 0 && usage.dqb_bhardlimit == 0;
}

static int set_limit(int fd, uint32_t id, uint64_t bytes) {
    struct if_dqblk limit = {
        .dqb_bhardlimit = (bytes + BLOCK - 1) / BLOCK,
        .dqb_bsoftlimit = (bytes + BLOCK - 1) / BLOCK,
        .dqb_valid = QIF_BLIMITS,
    };
    return project_quota(fd, Q_SETQUOTA, id, &limit);
}

static int join_project(const char *directory, uint32_t id, struct tsc_error *reterr) {
    tsc_auto_fd int fd = tsc_fd_open(directory, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
    struct fsxattr attributes;
    if (fd < 0)
        return tsc_fail(reterr, fd, "open directory", directory);
    if (ioctl(fd, FS_IOC_FSGETXATTR, &attributes) < 0)
        return tsc_fail(reterr, -errno, "read project", directory);
    attributes.fsx_projid = id;
    attributes.fsx_xflags |= FS_XFLAG_PROJINHERIT;
    return ioctl(fd, FS_IOC_FSSETXATTR, &attributes) < 0 ? tsc_fail(reterr, -errno, "set project", directory)
                                                         : 0;
}

int tsc_quota_claim(const char *const directories[], uint32_t first, uint64_t bytes,
                    struct tsc_error *reterr) {
    tsc_auto_fd int fd = tsc_fd_open(directories[0], O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
    if (fd < 0)
        return tsc_fail(reterr, fd, "open directory", directories[0]);
    int r = check_enforced(fd);
    if (r < 0)
        return tsc_fail(reterr, r, "find project quotas", directories[0]);
    for (uint32_t attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
        uint32_t id = first + attempt;
        if (id == 0 || (r = is_free(fd, id)) == 0)
            continue;
        if (r > 0)
            r = set_limit(fd, id, bytes);
        if (r < 0)
            return tsc_fail(reterr, r, "set quota", directories[0]);
        for (size_t i = 0; directories[i]; i++)
            if ((r = join_project(directories[i], id, reterr)) < 0)
                return r;
        return 0;
    }
    return tsc_fail(reterr, -EBUSY, "find a free project", directories[0]);
}

int tsc_quota_release(const char *directory, struct tsc_error *reterr) {
    tsc_auto_fd int fd = tsc_fd_open(directory, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
    struct fsxattr attributes;
    if (fd == -ENOENT)
        return 0;
    if (fd < 0)
        return tsc_fail(reterr, fd, "open directory", directory);
    if (ioctl(fd, FS_IOC_FSGETXATTR, &attributes) < 0)
        return tsc_fail(reterr, -errno, "read project", directory);
    if (attributes.fsx_projid == 0)
        return 0;
    int r = set_limit(fd, attributes.fsx_projid, 0);
    return r < 0 ? tsc_fail(reterr, r, "set quota", directory) : 0;
}
