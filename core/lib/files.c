/* What Node's file functions cannot do: durability of a whole file system, removal that is not led astray. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cleanup.h"
#include "error.h"
#include "fd.h"
#include "files.h"
#include "syscalls.h"

/* Deeper directories are moved up to the top first: descriptors and stack stay bounded. */
#define MAX_DEPTH 64
/* Somebody may still be writing into the tree; at some point that is an error. */
#define MAX_PASSES 1000

int tsc_sync_filesystem(const char *path, struct tsc_error *reterr) {
    tsc_auto_fd int fd = tsc_fd_open(path, O_RDONLY, 0);
    if (fd < 0)
        return tsc_fail(reterr, fd, "open", path);
    if (syncfs(fd) < 0)
        return tsc_fail(reterr, -errno, "sync file system", path);
    return 0;
}

int tsc_spread_directory(const char *path, struct tsc_error *reterr) {
    tsc_auto_fd int fd = tsc_fd_open(path, O_RDONLY | O_DIRECTORY, 0);
    int flags;
    if (fd < 0)
        return tsc_fail(reterr, fd, "open", path);
    if (ioctl(fd, FS_IOC_GETFLAGS, &flags) == 0 && !(flags & FS_TOPDIR_FL)) {
        flags |= FS_TOPDIR_FL;
        (void)ioctl(fd, FS_IOC_SETFLAGS, &flags); /* a hint, which most file systems do not know */
    }
    return 0;
}

struct removal {
    const char *path;
    int top;
    unsigned moved; /* names given at the top so far */
    struct tsc_error *reterr;
};

static int remove_directory(struct removal *removal, int parent, const char *name, int depth);

static int fail_removal(const struct removal *removal, int code, const char *step, const char *name) {
    return tsc_failf(removal->reterr, code, step, "%s/…/%s", removal->path, name);
}

/* Neither symbolic links nor mount points are crossed. */
static int open_inside(int parent, const char *name) {
    const struct tsc_open_how how = {
        .flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC,
        .resolve = TSC_RESOLVE_BENEATH | TSC_RESOLVE_NO_SYMLINKS | TSC_RESOLVE_NO_XDEV,
    };
    int fd = tsc_sys_openat2(parent, name, &how);
    if (fd < 0 && errno == EACCES && fchmodat(parent, name, S_IRWXU, 0) == 0)
        fd = tsc_sys_openat2(parent, name, &how);
    return fd < 0 ? -errno : fd;
}

static int move_to_top(struct removal *removal, int parent, const char *name) {
    char moved[32];
    /* A name may be taken, then by a directory with something in it or by a file. */
    do {
        (void)snprintf(moved, sizeof(moved), ".tscompose-%u", removal->moved++);
        if (renameat(parent, name, removal->top, moved) == 0)
            return 0;
    } while (errno == EEXIST || errno == ENOTEMPTY || errno == ENOTDIR);
    return fail_removal(removal, -errno, "move directory", name);
}

static int remove_entry(struct removal *removal, int parent, const struct dirent *entry, int depth) {
    if (entry->d_type != DT_DIR) {
        if (unlinkat(parent, entry->d_name, 0) == 0 || errno == ENOENT)
            return 0;
        if (errno != EISDIR)
            return fail_removal(removal, -errno, "remove file", entry->d_name);
    }
    if (depth >= MAX_DEPTH)
        return move_to_top(removal, parent, entry->d_name);
    return remove_directory(removal, parent, entry->d_name, depth + 1);
}

static bool is_dots(const char *name) {
    return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

static int remove_entries(struct removal *removal, int fd, int depth) {
    int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    tsc_auto_directory DIR *directory = copy < 0 ? NULL : fdopendir(copy);
    const struct dirent *entry;
    if (!directory) {
        int r = -errno;
        if (copy >= 0)
            (void)close(copy);
        return fail_removal(removal, r, "read directory", "");
    }
    rewinddir(directory);
    while ((errno = 0, entry = readdir(directory))) {
        if (is_dots(entry->d_name))
            continue;
        int r = remove_entry(removal, fd, entry, depth);
        if (r < 0)
            return r;
    }
    return errno != 0 ? fail_removal(removal, -errno, "read directory", "") : 0;
}

static int remove_directory(struct removal *removal, int parent, const char *name, int depth) {
    tsc_auto_fd int fd = open_inside(parent, name);
    if (fd == -ENOENT)
        return 0;
    if (fd < 0)
        return fail_removal(removal, fd, "open directory", name);
    for (int pass = 0; pass < MAX_PASSES; pass++) {
        int r = remove_entries(removal, fd, depth);
        if (r < 0)
            return r;
        if (unlinkat(parent, name, AT_REMOVEDIR) == 0 || errno == ENOENT)
            return 0;
        if (errno != ENOTEMPTY && errno != EEXIST)
            return fail_removal(removal, -errno, "remove directory", name);
    }
    return fail_removal(removal, -ENOTEMPTY, "remove directory", name);
}

static int remove_top(struct removal *removal, int parent) {
    for (int pass = 0; pass < MAX_PASSES; pass++) {
        int r = remove_entries(removal, removal->top, 0);
        if (r < 0)
            return r;
        if (unlinkat(parent, removal->path, AT_REMOVEDIR) == 0 || errno == ENOENT)
            return 0;
        if (errno != ENOTEMPTY && errno != EEXIST)
            return tsc_fail(removal->reterr, -errno, "remove directory", removal->path);
    }
    return tsc_fail(removal->reterr, -ENOTEMPTY, "remove directory", removal->path);
}

int tsc_remove_beneath(int parent, const char *name) {
    if (unlinkat(parent, name, 0) == 0 || errno == ENOENT)
        return 0;
    if (errno != EISDIR)
        return -errno;
    tsc_auto_fd int top = open_inside(parent, name);
    struct tsc_error error = {0};
    struct removal removal = {.path = name, .top = top, .reterr = &error};
    return top < 0 ? top : remove_top(&removal, parent);
}

int tsc_remove_tree(const char *path, struct tsc_error *reterr) {
    tsc_auto_fd int top = tsc_fd_open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
    struct removal removal = {.path = path, .top = top, .reterr = reterr};
    if (top == -ENOENT)
        return 0;
    if (top == -ENOTDIR || top == -ELOOP)
        return unlink(path) == 0 || errno == ENOENT ? 0 : tsc_fail(reterr, -errno, "remove file", path);
    if (top < 0)
        return tsc_fail(reterr, top, "open directory", path);
    return remove_top(&removal, AT_FDCWD);
}
