/* The last step of unpacking a layer: times of its directories, and how those look that have no entry of their own. */
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include "cleanup.h"
#include "error.h"
#include "fd.h"
#include "layer_parts.h"

enum {
    XATTR_SPACE = 65536, /* the kernel's limit for a value and for a list of names */
};

int tsc_layer_remember(struct tsc_layer *layer, const char *path, const struct timespec *mtime) {
    if (layer->late_count == layer->late_capacity) {
        size_t capacity = layer->late_capacity ? layer->late_capacity * 2 : 256;
        struct late_directory *grown = realloc(layer->late, capacity * sizeof(*grown));
        if (!grown)
            return -ENOMEM;
        layer->late = grown;
        layer->late_capacity = capacity;
    }
    char *copy = strdup(path);
    if (!copy)
        return -ENOMEM;
    layer->late[layer->late_count] = (struct late_directory){
        .path = copy,
        .mtime = mtime ? *mtime : (struct timespec){0},
        .number = layer->late_count,
        .implied = !mtime,
    };
    layer->late_count++;
    return 0;
}

/* The directory `path` of the first layer below that has it; -ENOENT when none does. */
static int open_below(const struct tsc_layer *layer, const char *const lower[], const char *path) {
    for (; lower && *lower; lower++) {
        tsc_auto_fd int base = tsc_fd_open(*lower, O_PATH | O_DIRECTORY, 0);
        if (base < 0)
            return base;
        int fd = tsc_layer_open_at(layer, base, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
        if (fd != -ENOENT)
            return fd == -ENOTDIR || fd == -ELOOP || fd == -EXDEV ? -ENOENT : fd;
    }
    return -ENOENT;
}

static int copy_xattrs(const struct tsc_layer *layer, int from, int to) {
    tsc_auto_free char *names = malloc((size_t)2 * XATTR_SPACE);
    if (!names)
        return -ENOMEM;
    char *value = names + XATTR_SPACE;
    ssize_t size = flistxattr(from, names, XATTR_SPACE);
    for (const char *name = names; size > 0 && name < names + size; name += strlen(name) + 1) {
        ssize_t length = fgetxattr(from, name, value, XATTR_SPACE);
        if (length < 0 || tsc_layer_is_reserved(name))
            continue;
        int r = fsetxattr(to, name, value, (size_t)length, 0) < 0 ? -errno : 0;
        if (r < 0 && !tsc_layer_can_ignore(layer, name, r))
            return r;
    }
    return 0;
}

static int copy_from_below(const struct tsc_layer *layer, const char *const lower[], const char *path,
                           int fd) {
    struct stat status;
    tsc_auto_fd int below = open_below(layer, lower, path);
    static const struct timespec never[2]; /* 1970: the same wherever and whenever the layer is unpacked */
    if (below == -ENOENT)
        return futimens(fd, never) < 0 ? -errno : 0;
    if (below < 0 || fstat(below, &status) < 0)
        return below < 0 ? below : -errno;
    if ((layer->flags & TSC_LAYER_OWNERS) && fchown(fd, status.st_uid, status.st_gid) < 0)
        return -errno;
    if (fchmod(fd, status.st_mode & 07777) < 0)
        return -errno;
    int r = copy_xattrs(layer, below, fd);
    const struct timespec times[2] = {status.st_mtim, status.st_mtim};
    return r < 0 ? r : futimens(fd, times) < 0 ? -errno : 0;
}

static int settle_directory(const struct tsc_layer *layer, const struct late_directory *late,
                            const char *const lower[]) {
    tsc_auto_fd int fd = tsc_layer_open_at(layer, layer->root, late->path, O_RDONLY | O_DIRECTORY);
    if (fd < 0)
        return fd == -ENOENT || fd == -ENOTDIR ? 0 : fd;
    if (late->implied)
        return copy_from_below(layer, lower, late->path, fd);
    const struct timespec times[2] = {late->mtime, late->mtime};
    return futimens(fd, times) < 0 ? -errno : 0;
}

/* By path; what an entry told comes after what was implied, and later entries after earlier ones. */
static int compare_late(const void *left, const void *right) {
    const struct late_directory *a = left;
    const struct late_directory *b = right;
    int order = strcmp(a->path, b->path);
    if (order != 0)
        return order;
    if (a->implied != b->implied)
        return a->implied ? -1 : 1;
    return a->number < b->number ? -1 : 1;
}

/* Only the last word on each path counts. */
int tsc_layer_settle(struct tsc_layer *layer, const char *const lower[], struct tsc_error *reterr) {
    if (layer->late_count > 0)
        qsort(layer->late, layer->late_count, sizeof(layer->late[0]), compare_late);
    for (size_t i = 0; i < layer->late_count; i++) {
        const struct late_directory *late = &layer->late[i];
        if (i + 1 < layer->late_count && strcmp(late->path, late[1].path) == 0)
            continue;
        int r = settle_directory(layer, late, lower);
        if (r < 0)
            return tsc_fail(reterr, r, "unpack", late->path);
    }
    return 0;
}
