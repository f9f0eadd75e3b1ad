/* Mounts: the root file system, what is mounted into it, and what is hidden in it. */
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "cleanup.h"
#include "fd.h"
#include "perform.h"
#include "syscalls.h"

#define MOVE_FLAGS (TSC_MOVE_MOUNT_F_EMPTY_PATH | TSC_MOVE_MOUNT_T_EMPTY_PATH)

enum { LAYERS_MAX = 500 };

/*
 * The directory in which each descriptor of ours is a name. From there mount(2) takes descriptors as short
 * relative paths: nothing is resolved twice, no character needs escaping, and 500 layers fit the option page.
 */
static int enter_descriptors(const struct tsc_launch *launch) {
    tsc_auto_fd int fd = tsc_fd_openat(launch->proc, "self/fd", O_PATH | O_DIRECTORY, 0);
    if (fd < 0)
        return fd;
    return fchdir(fd) < 0 ? -errno : 0;
}

static int mount_on(const struct tsc_launch *launch, const char *source, int target, const char *type,
                    unsigned long flags, const char *data) {
    char name[16];
    snprintf(name, sizeof(name), "%d", target);
    int error = enter_descriptors(launch);
    if (error == 0 && mount(source, name, type, flags, data) < 0)
        error = -errno;
    if (chdir("/") < 0 && error == 0)
        error = -errno;
    return error;
}

int tsc_root_propagation(struct tsc_launch *launch, const struct tsc_step *step, struct tsc_error *reterr) {
    (void)launch;
    unsigned long flags = (unsigned long)tsc_step_integer(step, 0);
    return mount(NULL, "/", NULL, flags, NULL) < 0 ? tsc_fail(reterr, -errno, "", "/") : 0;
}

/* pivot_root(2) wants neither the new root nor the mount below it to be shared with others; the nearest ancestor
 * that is a mount is that one. */
static int prepare_mount_point(const char *path) {
    char ancestor[PATH_MAX];
    int length = snprintf(ancestor, sizeof(ancestor), "%s", path);
    if (length < 0 || (size_t)length >= sizeof(ancestor))
        return -ENAMETOOLONG;
    while (mount(NULL, *ancestor ? ancestor : "/", NULL, MS_PRIVATE, NULL) < 0) {
        char *slash = strrchr(ancestor, '/');
        if (errno != EINVAL || !slash)
            return -errno;
        *slash = '\0';
    }
    if (mount(path, path, NULL, MS_BIND, NULL) < 0 || mount(NULL, path, NULL, MS_PRIVATE, NULL) < 0)
        return -errno;
    return 0;
}

static int take_root(struct tsc_launch *launch, const char *path, struct tsc_error *reterr) {
    if (mount(NULL, path, NULL, MS_PRIVATE, NULL) < 0)
        return tsc_fail(reterr, -errno, "", path);
    int root = tsc_fd_open(path, O_PATH | O_DIRECTORY, 0);
    if (root < 0)
        return tsc_fail(reterr, root, "", path);
    close(launch->root);
    launch->root = root;
    return 0;
}

struct overlay {
    int fds[LAYERS_MAX + 2];
    size_t count;
    FILE *options;
};

static void overlay_close(struct overlay *overlay) {
    for (size_t i = 0; i < overlay->count; i++)
        close(overlay->fds[i]);
}

/* Adds `key` and the descriptor's number to the options. */
static int overlay_add(struct overlay *overlay, const char *key, const char *path, struct tsc_error *reterr) {
    if (overlay->count == TSC_COUNT(overlay->fds))
        return tsc_fail(reterr, -E2BIG, "", path);
    int fd = tsc_fd_open(path, O_PATH | O_DIRECTORY, 0);
    if (fd < 0)
        return tsc_fail(reterr, fd, "", path);
    overlay->fds[overlay->count++] = fd;
    fprintf(overlay->options, "%s%d", key, fd);
    return 0;
}

static int overlay_options(struct overlay *overlay, const struct tsc_step *step, struct tsc_error *reterr) {
    int error = 0;
    for (uint32_t i = 4; i < step->count && error == 0; i++)
        error = overlay_add(overlay, i == 4 ? "lowerdir=" : ":", tsc_step_text(step, i), reterr);
    if (error == 0 && *tsc_step_text(step, 1)) {
        error = overlay_add(overlay, ",upperdir=", tsc_step_text(step, 1), reterr);
        if (error == 0)
            error = overlay_add(overlay, ",workdir=", tsc_step_text(step, 2), reterr);
    }
    if (*tsc_step_text(step, 3))
        fprintf(overlay->options, ",%s", tsc_step_text(step, 3));
    fflush(overlay->options);
    return error;
}

static int overlay_mount(struct tsc_launch *launch, const struct tsc_step *step, struct tsc_error *reterr) {
    char *options = NULL;
    size_t length = 0;
    struct overlay overlay = {.options = open_memstream(&options, &length)};
    if (!overlay.options)
        return tsc_fail(reterr, -ENOMEM, "", "");
    const char *path = tsc_step_text(step, 0);
    int error = overlay_options(&overlay, step, reterr);
    tsc_auto_fd int target = error == 0 ? tsc_fd_open(path, O_PATH | O_DIRECTORY, 0) : -1;
    if (error == 0) {
        error = target < 0 ? target : mount_on(launch, "overlay", target, "overlay", 0, options);
        if (error < 0)
            tsc_fail(reterr, error, "", path);
    }
    overlay_close(&overlay);
    fclose(overlay.options);
    free(options);
    return error;
}

/* Puts a tree that is mounted nowhere where the root file system belongs. */
static int place_root(struct tsc_launch *launch, const struct tsc_step *step, const char *path,
                      struct tsc_error *reterr) {
    tsc_auto_fd int tree = tsc_take_fd(&launch->sources[step - launch->program->steps]);
    tsc_auto_fd int target = tsc_fd_open(path, O_PATH | O_DIRECTORY, 0);
    if (target < 0 || tsc_sys_move_mount(tree, "", target, "", MOVE_FLAGS) < 0)
        return tsc_fail(reterr, target < 0 ? target : -errno, "", path);
    close(launch->root);
    launch->root = tsc_take_fd(&tree);
    return 0;
}

int tsc_root_overlay(struct tsc_launch *launch, const struct tsc_step *step, struct tsc_error *reterr) {
    bool mapped = launch->sources[step - launch->program->steps] >= 0;
    /* Whose ids are others may be unable to reach our directories; what is in /proc is reached by a descriptor. */
    const char *path = mapped ? "/proc" : tsc_step_text(step, 0);
    if (step->count < 5)
        return tsc_fail(reterr, -EINVAL, "", "no layer");
    int error = prepare_mount_point(path);
    if (error < 0)
        return tsc_fail(reterr, error, "", path);
    if (mapped)
        return place_root(launch, step, path, reterr);
    /* A single layer without upper directory is no overlay for the kernel. */
    if (step->count == 5 && !*tsc_step_text(step, 1)) {
        if (mount(tsc_step_text(step, 4), path, NULL, MS_BIND, NULL) < 0 ||
            mount(NULL, path, NULL, MS_BIND | MS_REMOUNT | MS_RDONLY, NULL) < 0)
            return tsc_fail(reterr, -errno, "", tsc_step_text(step, 4));
    } else {
        error = overlay_mount(launch, step, reterr);
        if (error < 0)
            return error;
    }
    return take_root(launch, path, reterr);
}

int tsc_root_bind(struct tsc_launch *launch, const struct tsc_step *step, struct tsc_error *reterr) {
    const char *path = tsc_step_text(step, 0);
    int error = prepare_mount_point(path);
    return error < 0 ? tsc_fail(reterr, error, "", path) : place_root(launch, step, path, reterr);
}

/* A slave: what the host mounts there later still arrives, as far as the container wants that. */
int tsc_root_source(const struct tsc_step *step, int *ret_tree, struct tsc_error *reterr) {
    const char *path = tsc_step_text(step, 1);
    unsigned flags = TSC_OPEN_TREE_CLONE | TSC_OPEN_TREE_CLOEXEC | TSC_AT_RECURSIVE;
    tsc_auto_fd int tree = tsc_sys_open_tree(AT_FDCWD, path, flags);
    struct tsc_mount_attr slave = {.propagation = MS_SLAVE};
    if (tree < 0 || tsc_sys_mount_setattr(tree, "", AT_EMPTY_PATH | TSC_AT_RECURSIVE, &slave) < 0)
        return tsc_fail(reterr, -errno, "", path);
    *ret_tree = tsc_take_fd(&tree);
    return 0;
}

static uint64_t attributes_of(unsigned long flags) {
    uint64_t attributes = 0;
    if (flags & MS_RDONLY)
        attributes |= TSC_MOUNT_ATTR_RDONLY;
    if (flags & MS_NOSUID)
        attributes |= TSC_MOUNT_ATTR_NOSUID;
    if (flags & MS_NODEV)
        attributes |= TSC_MOUNT_ATTR_NODEV;
    if (flags & MS_NOEXEC)
        attributes |= TSC_MOUNT_ATTR_NOEXEC;
    if (flags & MS_NODIRATIME)
        attributes |= TSC_MOUNT_ATTR_NODIRATIME;
    if (flags & MS_NOATIME)
        attributes |= TSC_MOUNT_ATTR_NOATIME;
    if (flags & MS_STRICTATIME)
        attributes |= TSC_MOUNT_ATTR_STRICTATIME;
    if (flags & 256) /* MS_NOSYMFOLLOW */
        attributes |= TSC_MOUNT_ATTR_NOSYMFOLLOW;
    return attributes;
}

static int set_attributes(int tree, unsigned flags, struct tsc_mount_attr attributes) {
    if (attributes.attr_set == 0 && attributes.attr_clr == 0 && attributes.propagation == 0)
        return 0;
    return tsc_sys_mount_setattr(tree, "", AT_EMPTY_PATH | flags, &attributes) < 0 ? -errno : 0;
}

static int decorate(int tree, const struct tsc_step *step) {
    unsigned long flags = (unsigned long)tsc_step_integer(step, 3);
    unsigned long propagation = (unsigned long)tsc_step_integer(step, 4);
    unsigned long kinds = MS_SHARED | MS_PRIVATE | MS_SLAVE | MS_UNBINDABLE;
    struct tsc_mount_attr top = {.attr_set = attributes_of(flags)};
    if (top.attr_set & TSC_MOUNT_ATTR__ATIME || flags & MS_RELATIME)
        top.attr_clr = TSC_MOUNT_ATTR__ATIME;
    int error = set_attributes(tree, 0, top);
    if (error == 0 && flags & MS_RDONLY && tsc_step_integer(step, 5) & TSC_BIND_READ_ONLY_DEEP)
        error = set_attributes(tree, TSC_AT_RECURSIVE,
                               (struct tsc_mount_attr){.attr_set = TSC_MOUNT_ATTR_RDONLY});
    struct tsc_mount_attr spread = {.propagation = propagation & kinds ? propagation & kinds : MS_PRIVATE};
    if (error == 0)
        error = set_attributes(tree, propagation == 0 || propagation & MS_REC ? TSC_AT_RECURSIVE : 0, spread);
    return error;
}

static int open_source(const struct tsc_step *step) {
    const char *source = tsc_step_text(step, 0);
    const char *subpath = tsc_step_text(step, 1);
    int64_t options = tsc_step_integer(step, 5);
    int fd = tsc_fd_open(source, O_PATH, 0);
    if (fd == -ENOENT && options & TSC_BIND_CREATE_SOURCE) {
        int error = tsc_directory_make(source, 0755);
        if (error < 0)
            return error;
        fd = tsc_fd_open(source, O_PATH, 0);
    }
    if (fd < 0 || !*subpath)
        return fd;
    struct tsc_launch inside = {.root = fd};
    int below = tsc_root_open(&inside, subpath, O_PATH, 0);
    close(fd);
    return below;
}

static int map_ids(int tree, const struct tsc_step *idmap, struct tsc_error *reterr) {
    tsc_auto_fd int namespace = -1;
    int error = tsc_idmap_open(tsc_step_text(idmap, 0), tsc_step_text(idmap, 1), &namespace, reterr);
    if (error < 0)
        return error;
    struct tsc_mount_attr attributes = {.attr_set = TSC_MOUNT_ATTR_IDMAP, .userns_fd = (uint64_t)namespace};
    error = set_attributes(tree, tsc_step_integer(idmap, 2) ? TSC_AT_RECURSIVE : 0, attributes);
    return error < 0 ? tsc_fail(reterr, error, "", "idmap") : 0;
}

int tsc_bind_source(const struct tsc_step *step, const struct tsc_step *idmap, int *ret_tree,
                    struct tsc_error *reterr) {
    const char *source = tsc_step_text(step, 0);
    int64_t options = tsc_step_integer(step, 5);
    tsc_auto_fd int fd = open_source(step);
    if (fd == -ENOENT && options & TSC_BIND_OPTIONAL) {
        *ret_tree = -1;
        return 0;
    }
    if (fd < 0)
        return tsc_fail(reterr, fd, "", source);
    unsigned flags = TSC_OPEN_TREE_CLONE | TSC_OPEN_TREE_CLOEXEC | AT_EMPTY_PATH;
    if (options & TSC_BIND_RECURSIVE)
        flags |= TSC_AT_RECURSIVE;
    tsc_auto_fd int tree = tsc_sys_open_tree(fd, "", flags);
    if (tree < 0)
        return tsc_fail(reterr, -errno, "", source);
    int error = decorate(tree, step);
    if (error < 0)
        return tsc_fail(reterr, error, "", source);
    error = idmap ? map_ids(tree, idmap, reterr) : 0;
    if (error < 0)
        return error;
    *ret_tree = tsc_take_fd(&tree);
    return 0;
}

int tsc_bind(struct tsc_launch *launch, const struct tsc_step *step, struct tsc_error *reterr) {
    const char *path = tsc_step_text(step, 2);
    tsc_auto_fd int tree = tsc_take_fd(&launch->sources[step - launch->program->steps]);
    if (tree < 0)
        return 0;
    struct stat info;
    if (fstat(tree, &info) < 0)
        return tsc_fail(reterr, -errno, "", tsc_step_text(step, 0));
    tsc_auto_fd int target = tsc_root_target(launch, path, S_ISDIR(info.st_mode));
    struct stat place;
    if (target < 0 || fstat(target, &place) < 0)
        return tsc_fail(reterr, target < 0 ? target : -errno, "", path);
    /* The kernel would say that the call is wrong. */
    if (S_ISDIR(info.st_mode) != S_ISDIR(place.st_mode))
        return tsc_fail(reterr, S_ISDIR(place.st_mode) ? -EISDIR : -ENOTDIR, "", path);
    return tsc_sys_move_mount(tree, "", target, "", MOVE_FLAGS) < 0 ? tsc_fail(reterr, -errno, "", path) : 0;
}

int tsc_mount(struct tsc_launch *launch, const struct tsc_step *step, struct tsc_error *reterr) {
    const char *path = tsc_step_text(step, 2);
    tsc_auto_fd int target = tsc_root_target(launch, path, true);
    if (target < 0)
        return tsc_fail(reterr, target, "", path);
    int error = mount_on(launch, tsc_step_text(step, 1), target, tsc_step_text(step, 0),
                         (unsigned long)tsc_step_integer(step, 3), tsc_step_text(step, 4));
    return error < 0 ? tsc_fail(reterr, error, "", path) : 0;
}

int tsc_pivot_root(struct tsc_launch *launch, const struct tsc_step *step, struct tsc_error *reterr) {
    (void)step;
    tsc_auto_fd int old = tsc_fd_open("/", O_PATH | O_DIRECTORY, 0);
    if (old < 0 || fchdir(launch->root) < 0)
        return tsc_fail(reterr, old < 0 ? old : -errno, "", "/");
    /* The old root ends up on top of the new one at "/", where it is taken away: no directory is needed for it. */
    if (tsc_sys_pivot_root(".", ".") < 0 || fchdir(old) < 0)
        return tsc_fail(reterr, -errno, "", "/");
    /* Only the old one: mounts of the container may be shared. */
    if (mount(NULL, ".", NULL, MS_SLAVE | MS_REC, NULL) < 0 || umount2(".", MNT_DETACH) < 0 || chdir("/") < 0)
        return tsc_fail(reterr, -errno, "", "/");
    return 0;
}

int tsc_move_root(struct tsc_launch *launch, const struct tsc_step *step, struct tsc_error *reterr) {
    (void)step;
    if (fchdir(launch->root) < 0 || mount(".", "/", NULL, MS_MOVE, NULL) < 0 || chroot(".") < 0 ||
        chdir("/") < 0)
        return tsc_fail(reterr, -errno, "", "/");
    return 0;
}

int tsc_mount_attributes(struct tsc_launch *launch, const struct tsc_step *step, struct tsc_error *reterr) {
    const char *path = tsc_step_text(step, 0);
    struct tsc_mount_attr attributes = {
        .attr_set = (uint64_t)tsc_step_integer(step, 1),
        .attr_clr = (uint64_t)tsc_step_integer(step, 2),
        .propagation = (uint64_t)tsc_step_integer(step, 3),
    };
    tsc_auto_fd int target = tsc_root_open(launch, path, O_PATH, 0);
    int error = target < 0
                    ? target
                    : set_attributes(target, tsc_step_integer(step, 4) ? TSC_AT_RECURSIVE : 0, attributes);
    return error < 0 ? tsc_fail(reterr, error, "", path) : 0;
}

static int mask_file(const struct tsc_launch *launch, int target) {
    tsc_auto_fd int null = tsc_root_open(launch, "/dev/null", O_PATH, 0);
    struct stat info;
    if (null < 0 || fstat(null, &info) < 0 || !S_ISCHR(info.st_mode) || info.st_rdev != makedev(1, 3))
        return -ENXIO;
    tsc_auto_fd int tree =
        tsc_sys_open_tree(null, "", TSC_OPEN_TREE_CLONE | TSC_OPEN_TREE_CLOEXEC | AT_EMPTY_PATH);
    if (tree < 0)
        return -errno;
    return tsc_sys_move_mount(tree, "", target, "", MOVE_FLAGS) < 0 ? -errno : 0;
}

int tsc_mask(struct tsc_launch *launch, const struct tsc_step *step, struct tsc_error *reterr) {
    const char *path = tsc_step_text(step, 0);
    tsc_auto_fd int target = tsc_root_open(launch, path, O_PATH, 0);
    if (target == -ENOENT || target == -ENOTDIR)
        return 0;
    struct stat info;
    if (target < 0 || fstat(target, &info) < 0)
        return tsc_fail(reterr, target < 0 ? target : -errno, "", path);
    int error = S_ISDIR(info.st_mode)
                    ? mount_on(launch, "tmpfs", target, "tmpfs", MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC,
                               "size=0,mode=0755,nr_inodes=2")
                    : mask_file(launch, target);
    return error < 0 ? tsc_fail(reterr, error, "", path) : 0;
}

int tsc_read_only_path(struct tsc_launch *launch, const struct tsc_step *step, struct tsc_error *reterr) {
    const char *path = tsc_step_text(step, 0);
    tsc_auto_fd int target = tsc_root_open(launch, path, O_PATH, 0);
    if (target == -ENOENT || target == -ENOTDIR)
        return 0;
    if (target < 0)
        return tsc_fail(reterr, target, "", path);
    unsigned flags = TSC_OPEN_TREE_CLONE | TSC_OPEN_TREE_CLOEXEC | AT_EMPTY_PATH | TSC_AT_RECURSIVE;
    tsc_auto_fd int tree = tsc_sys_open_tree(target, "", flags);
    if (tree < 0)
        return tsc_fail(reterr, -errno, "", path);
    int error =
        set_attributes(tree, TSC_AT_RECURSIVE, (struct tsc_mount_attr){.attr_set = TSC_MOUNT_ATTR_RDONLY});
    if (error == 0 && tsc_sys_move_mount(tree, "", target, "", MOVE_FLAGS) < 0)
        error = -errno;
    return error < 0 ? tsc_fail(reterr, error, "", path) : 0;
}

int tsc_root_read_only(struct tsc_launch *launch, const struct tsc_step *step, struct tsc_error *reterr) {
    (void)step;
    int error = set_attributes(launch->root, 0, (struct tsc_mount_attr){.attr_set = TSC_MOUNT_ATTR_RDONLY});
    return error < 0 ? tsc_fail(reterr, error, "", "/") : 0;
}
