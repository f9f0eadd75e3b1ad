/* Paths, files and devices inside the container's root file system. */
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "cleanup.h"
#include "fd.h"
#include "perform.h"
#include "syscalls.h"

static int open_in_root(int root, const char *path, int flags, mode_t mode) {
    struct tsc_open_how how = {
        .flags = (uint64_t)(unsigned)(flags | O_CLOEXEC),
        .mode = flags & (O_CREAT | O_TMPFILE) ? mode : 0,
        .resolve = TSC_RESOLVE_IN_ROOT | TSC_RESOLVE_NO_MAGICLINKS,
    };
    int fd;
    /* EAGAIN: somebody renames while the kernel walks; it asks to try again. */
    do
        fd = tsc_sys_openat2(root, path, &how);
    while (fd < 0 && (errno == EINTR || errno == EAGAIN));
    return fd < 0 ? -errno : fd;
}

int tsc_root_open(const struct tsc_launch *launch, const char *path, int flags, mode_t mode) {
    return open_in_root(launch->root, path, flags, mode);
}

enum { LINKS_MAX = 40 };

/* Where the link `name` in the directory `at`, whose path is `path`, points to: a path from the root. */
static int read_link(int at, const char *name, const char *path, char target[PATH_MAX]) {
    char content[PATH_MAX];
    ssize_t length = readlinkat(at, name, content, sizeof(content) - 1);
    if (length < 0)
        return -errno;
    content[length] = '\0';
    const char *slash = *content == '/' ? NULL : strrchr(path, '/');
    int written = snprintf(target, PATH_MAX, "%.*s/%s", slash ? (int)(slash - path) : 0, path, content);
    return written < 0 || written >= PATH_MAX ? -ENAMETOOLONG : 0;
}

/* Makes the directory `path` and its parents, also those that links of the image point to; an O_PATH descriptor. */
static int make_directories_through(int root, const char *path, mode_t mode, int links) {
    char partial[PATH_MAX];
    size_t length = strlen(path);
    if (length >= sizeof(partial))
        return -ENAMETOOLONG;
    memcpy(partial, path, length + 1);
    tsc_auto_fd int at = open_in_root(root, "/", O_PATH | O_DIRECTORY, 0);
    for (char *name = partial; at >= 0;) {
        name += strspn(name, "/");
        char *end = name + strcspn(name, "/");
        char kept = *end;
        *end = '\0';
        int next = open_in_root(root, *partial ? partial : "/", O_PATH | O_DIRECTORY, 0);
        if (next == -ENOENT) {
            if (mkdirat(at, name, mode) < 0 && errno != EEXIST)
                return -errno;
            next = open_in_root(root, partial, O_PATH | O_DIRECTORY, 0);
            if (next == -ENOENT) {
                char target[PATH_MAX];
                int error = links > 0 ? read_link(at, name, partial, target) : -ELOOP;
                next = error < 0 ? error : make_directories_through(root, target, mode, links - 1);
            }
        }
        close(at);
        at = next;
        if (kept == '\0')
            break;
        *end = kept;
        name = end;
    }
    return tsc_take_fd(&at);
}

static int make_directories(int root, const char *path, mode_t mode) {
    return make_directories_through(root, path, mode, LINKS_MAX);
}

int tsc_root_parent(const struct tsc_launch *launch, const char *path, char *buffer, size_t size,
                    const char **ret_name) {
    size_t length = strlen(path);
    if (length >= size)
        return -ENAMETOOLONG;
    memcpy(buffer, path, length + 1);
    while (length > 1 && buffer[length - 1] == '/')
        buffer[--length] = '\0';
    char *slash = strrchr(buffer, '/');
    const char *name = slash ? slash + 1 : buffer;
    if (*name == '\0' || strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
        return -EINVAL;
    if (slash)
        *slash = '\0';
    int fd = make_directories(launch->root, slash ? buffer : "", 0755);
    if (fd >= 0)
        *ret_name = name;
    return fd;
}

/* /etc/resolv.conf of an image often is a link to a file that only a running system has. */
static int make_file_through(const struct tsc_launch *launch, const char *path, int links) {
    char buffer[PATH_MAX];
    const char *name;
    tsc_auto_fd int parent = tsc_root_parent(launch, path, buffer, sizeof(buffer), &name);
    if (parent < 0)
        return parent;
    tsc_auto_fd int made = tsc_fd_openat(parent, name, O_WRONLY | O_CREAT | O_NOFOLLOW, 0644);
    if (made == -ELOOP && links > 0) {
        char target[PATH_MAX];
        int error = read_link(parent, name, path, target);
        return error < 0 ? error : make_file_through(launch, target, links - 1);
    }
    if (made < 0)
        return made;
    return open_in_root(launch->root, path, O_PATH, 0);
}

int tsc_root_target(const struct tsc_launch *launch, const char *path, bool directory) {
    int fd = open_in_root(launch->root, path, O_PATH, 0);
    if (fd != -ENOENT)
        return fd;
    return directory ? make_directories(launch->root, path, 0755)
                     : make_file_through(launch, path, LINKS_MAX);
}

static int own(int parent, const char *name, mode_t mode, int64_t uid, int64_t gid) {
    if (fchownat(parent, name, (uid_t)uid, (gid_t)gid, AT_SYMLINK_NOFOLLOW) < 0)
        return -errno;
    /* Who else writes to this directory may have put a link into its place. */
    return fchmodat(parent, name, mode & 07777, AT_SYMLINK_NOFOLLOW) < 0 ? -errno : 0;
}

/* In a user namespace nodes cannot be made: the host's node of the same name and number is bound instead. */
static int bind_device(const struct tsc_launch *launch, const char *path, dev_t device) {
    struct stat info;
    if (stat(path, &info) < 0)
        return -errno;
    if (info.st_rdev != device)
        return -ENODEV;
    tsc_auto_fd int tree = tsc_sys_open_tree(AT_FDCWD, path, TSC_OPEN_TREE_CLONE | TSC_OPEN_TREE_CLOEXEC);
    if (tree < 0)
        return -errno;
    tsc_auto_fd int target = tsc_root_target(launch, path, false);
    if (target < 0)
        return target;
    return tsc_sys_move_mount(tree, "", target, "",
                              TSC_MOVE_MOUNT_F_EMPTY_PATH | TSC_MOVE_MOUNT_T_EMPTY_PATH) < 0
               ? -errno
               : 0;
}

int tsc_device(struct tsc_launch *launch, const struct tsc_step *step, struct tsc_error *reterr) {
    const char *path = tsc_step_text(step, 0);
    mode_t mode = (mode_t)tsc_step_integer(step, 1);
    dev_t device = makedev((unsigned)tsc_step_integer(step, 2), (unsigned)tsc_step_integer(step, 3));
    char buffer[PATH_MAX];
    const char *name;
    tsc_auto_fd int parent = tsc_root_parent(launch, path, buffer, sizeof(buffer), &name);
    if (parent < 0)
        return tsc_fail(reterr, parent, "", path);
    int made = mknodat(parent, name, mode, device);
    if (made < 0 && errno == EEXIST) {
        unlinkat(parent, name, 0);
        made = mknodat(parent, name, mode, device);
    }
    int error =
        made < 0 ? -errno : own(parent, name, mode, tsc_step_integer(step, 4), tsc_step_integer(step, 5));
    if (error == -EPERM && !S_ISFIFO(mode))
        error = bind_device(launch, path, device);
    return error < 0 ? tsc_fail(reterr, error, "", path) : 0;
}

int tsc_symlink(struct tsc_launch *launch, const struct tsc_step *step, struct tsc_error *reterr) {
    const char *path = tsc_step_text(step, 1);
    char buffer[PATH_MAX];
    const char *name;
    tsc_auto_fd int parent = tsc_root_parent(launch, path, buffer, sizeof(buffer), &name);
    if (parent < 0)
        return tsc_fail(reterr, parent, "", path);
    int made = symlinkat(tsc_step_text(step, 0), parent, name);
    if (made < 0 && errno == EEXIST && unlinkat(parent, name, 0) == 0)
        made = symlinkat(tsc_step_text(step, 0), parent, name);
    return made < 0 ? tsc_fail(reterr, -errno, "", path) : 0;
}

int tsc_file(struct tsc_launch *launch, const struct tsc_step *step, struct tsc_error *reterr) {
    const char *path = tsc_step_text(step, 0);
    const struct tsc_argument *content = &step->arguments[4];
    tsc_auto_fd int target = tsc_root_target(launch, path, false);
    if (target < 0)
        return tsc_fail(reterr, target, "", path);
    tsc_auto_fd int fd = tsc_root_open(launch, path, O_WRONLY | O_TRUNC, 0);
    if (fd < 0)
        return tsc_fail(reterr, fd, "", path);
    int error = tsc_fd_write_full(fd, content->bytes, content->length);
    if (error < 0)
        return tsc_fail(reterr, error, "", path);
    if (fchown(fd, (uid_t)tsc_step_integer(step, 2), (gid_t)tsc_step_integer(step, 3)) < 0 ||
        fchmod(fd, (mode_t)tsc_step_integer(step, 1) & 07777) < 0)
        return tsc_fail(reterr, -errno, "", path);
    return 0;
}

int tsc_directory(struct tsc_launch *launch, const struct tsc_step *step, struct tsc_error *reterr) {
    const char *path = tsc_step_text(step, 0);
    tsc_auto_fd int there = tsc_root_open(launch, path, O_PATH | O_DIRECTORY, 0);
    if (there >= 0)
        return 0;
    char buffer[PATH_MAX];
    const char *name;
    tsc_auto_fd int parent = tsc_root_parent(launch, path, buffer, sizeof(buffer), &name);
    if (parent < 0)
        return tsc_fail(reterr, parent, "", path);
    mode_t mode = (mode_t)tsc_step_integer(step, 1);
    int error = mkdirat(parent, name, mode & 07777) < 0 ? -errno : 0;
    if (error == 0)
        error = own(parent, name, mode, tsc_step_integer(step, 2), tsc_step_integer(step, 3));
    return error < 0 ? tsc_fail(reterr, error, "", path) : 0;
}

int tsc_working_directory(struct tsc_launch *launch, const struct tsc_step *step, struct tsc_error *reterr) {
    launch->directory = step;
    const char *path = tsc_step_text(step, 0);
    if (tsc_step_integer(step, 1) == 0)
        return 0;
    tsc_auto_fd int fd = tsc_root_open(launch, path, O_PATH | O_DIRECTORY, 0);
    if (fd != -ENOENT)
        return 0; /* who may enter it is found out as the user */
    tsc_auto_fd int made = make_directories(launch->root, path, 0755);
    return made < 0 ? tsc_fail(reterr, made, "", path) : 0;
}
