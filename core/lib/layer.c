/* An unpacked layer: the entries of a tar archive made as files beneath one directory, and nowhere else. */
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

#include "cleanup.h"
#include "error.h"
#include "fd.h"
#include "files.h"
#include "layer_parts.h"
#include "syscalls.h"

enum {
    ENTRY_COST = 512, /* of an entry without data, towards the limit */
};

static const char WHITEOUT[] = ".wh.";
static const char WHITEOUT_META[] = ".wh..wh.";
static const char WHITEOUT_OPAQUE[] = ".wh..wh..opq";

int tsc_layer_open_at(const struct tsc_layer *layer, int base, const char *path, uint64_t flags) {
    bool follow = (layer->flags & TSC_LAYER_FOLLOW) != 0;
    struct tsc_open_how how = {
        .flags = flags | O_CLOEXEC,
        .resolve = TSC_RESOLVE_NO_MAGICLINKS |
                   (follow ? TSC_RESOLVE_IN_ROOT : TSC_RESOLVE_BENEATH | TSC_RESOLVE_NO_XDEV),
    };
    int fd = -1;
    do
        fd = tsc_sys_openat2(base, path[0] ? path : ".", &how);
    while (fd < 0 && (errno == EINTR || errno == EAGAIN));
    return fd < 0 ? -errno : fd;
}

/* `name` without empty and "." components in `ret_path`, with ".." resolved by its text alone. */
static int clean_path(const char *prefix, const char *name, char ret_path[PATH_MAX]) {
    size_t length = strlen(prefix);
    size_t floor = length;
    if (name[0] == '/' && strspn(name, "/.") != strlen(name))
        return -EXDEV;
    memcpy(ret_path, prefix, length);
    while (*name) {
        size_t width = strcspn(name, "/");
        bool up = width == 2 && memcmp(name, "..", 2) == 0;
        if (up) {
            if (length == floor)
                return -EXDEV;
            while (length > floor && ret_path[--length] != '/') {
            }
        } else if (width > 0 && !(width == 1 && name[0] == '.')) {
            if (length + width + 2 > PATH_MAX)
                return -ENAMETOOLONG;
            if (length > 0)
                ret_path[length++] = '/';
            memcpy(ret_path + length, name, width);
            length += width;
        }
        name += width + (name[width] == '/');
    }
    ret_path[length] = 0;
    return 0;
}

static const char *base_of(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

static bool is_whiteout(const struct stat *status) {
    return S_ISCHR(status->st_mode) && status->st_rdev == 0;
}

static void forget_parent(struct tsc_layer *layer) {
    if (layer->parent >= 0)
        close(layer->parent);
    layer->parent = -1;
}

/* xattrs work by path alone on symbolic links and devices: /proc/self/fd names the parent exactly. */
static int set_xattr_at(int parent, const char *name, const char *key, const void *value, size_t size) {
    char path[PATH_MAX];
    snprintf(path, sizeof(path), "/proc/self/fd/%d/%s", parent, name);
    return lsetxattr(path, key, value, size, 0) < 0 ? -errno : 0;
}

static int mark_opaque(const struct tsc_layer *layer, int parent, const char *name) {
    const char *key = layer->flags & TSC_LAYER_USER_XATTR ? "user.overlay.opaque" : "trusted.overlay.opaque";
    return set_xattr_at(parent, name, key, "y", 1);
}

bool tsc_layer_is_reserved(const char *key) {
    return strncmp(key, "trusted.overlay.", 16) == 0 || strncmp(key, "user.overlay.", 13) == 0;
}

bool tsc_layer_can_ignore(const struct tsc_layer *layer, const char *key, int error) {
    if (error == -EOPNOTSUPP)
        return true;
    return error == -EPERM && (!(layer->flags & TSC_LAYER_OWNERS) || strncmp(key, "user.", 5) == 0);
}

static int set_xattrs_at(const struct tsc_layer *layer, int parent, const char *name) {
    for (size_t i = 0; i < layer->xattr_count; i++) {
        const struct tsc_tar_xattr *xattr = &layer->xattrs[i];
        if (tsc_layer_is_reserved(xattr->name))
            continue;
        int r = set_xattr_at(parent, name, xattr->name, xattr->value, xattr->size);
        if (r < 0 && !tsc_layer_can_ignore(layer, xattr->name, r))
            return r;
    }
    return 0;
}

static bool exceeds_limit(const struct tsc_layer *layer) {
    return layer->limit && layer->written + (layer->entries + layer->implied) * ENTRY_COST > layer->limit;
}

/* One missing directory on the way to an entry; what is known of it comes from the layers below, at the end. */
static int make_implied(struct tsc_layer *layer, int base, const char *name, const char *path) {
    struct stat status;
    layer->implied++;
    if (exceeds_limit(layer))
        return -EFBIG;
    if (mkdirat(base, name, 0755) == 0)
        return layer->flags & TSC_LAYER_WHITEOUTS ? tsc_layer_remember(layer, path, NULL) : 0;
    if (errno != EEXIST || fstatat(base, name, &status, AT_SYMLINK_NOFOLLOW) < 0)
        return -errno;
    if (!is_whiteout(&status) || !(layer->flags & TSC_LAYER_WHITEOUTS))
        return -ENOTDIR;
    if (unlinkat(base, name, 0) < 0 || mkdirat(base, name, 0755) < 0)
        return -errno;
    int r = mark_opaque(layer, base, name);
    return r < 0 ? r : tsc_layer_remember(layer, path, NULL);
}

/* Opens `path`, making what is missing of it. */
static int open_directories(struct tsc_layer *layer, char *path, int *ret_fd) {
    tsc_auto_fd int fd = tsc_layer_open_at(layer, layer->root, path, O_PATH | O_DIRECTORY);
    if (fd < 0 && fd != -ENOENT && fd != -ENOTDIR)
        return fd;
    if (fd >= 0) {
        *ret_fd = tsc_take_fd(&fd);
        return 0;
    }
    fd = tsc_layer_open_at(layer, layer->root, "", O_PATH | O_DIRECTORY);
    if (fd < 0)
        return fd;
    for (size_t at = 0; path[at];) {
        size_t stop = at + strcspn(path + at, "/");
        char saved = path[stop];
        path[stop] = 0;
        int next = tsc_layer_open_at(layer, layer->root, path, O_PATH | O_DIRECTORY);
        int r = next;
        if (next == -ENOENT || next == -ENOTDIR) {
            r = make_implied(layer, fd, path + at, path);
            if (r == 0)
                r = next = tsc_layer_open_at(layer, layer->root, path, O_PATH | O_DIRECTORY);
        }
        path[stop] = saved;
        if (r < 0)
            return r;
        close(fd);
        fd = next;
        at = stop + (saved == '/');
    }
    *ret_fd = tsc_take_fd(&fd);
    return 0;
}

/* `layer->parent` becomes the directory of `path`; archives are sorted by directory, so that it mostly is already. */
static int enter_parent(struct tsc_layer *layer, const char *path) {
    char directory[PATH_MAX];
    size_t length = (size_t)(base_of(path) - path);
    memcpy(directory, path, length);
    directory[length ? length - 1 : 0] = 0;
    if (layer->parent >= 0 && strcmp(directory, layer->parent_path) == 0)
        return 0;
    forget_parent(layer);
    memcpy(layer->parent_path, directory, sizeof(directory));
    return open_directories(layer, directory, &layer->parent);
}

static int set_owner_and_mode(const struct tsc_layer *layer, const char *name) {
    if ((layer->flags & TSC_LAYER_OWNERS) &&
        fchownat(layer->parent, name, layer->uid, layer->gid, AT_SYMLINK_NOFOLLOW) < 0)
        return -errno;
    return fchmodat(layer->parent, name, layer->mode, 0) < 0 ? -errno : 0;
}

static int set_times(int parent, const char *name, const struct timespec *mtime) {
    const struct timespec times[2] = {*mtime, *mtime};
    return utimensat(parent, name, times, AT_SYMLINK_NOFOLLOW) < 0 ? -errno : 0;
}

static int make_directory(struct tsc_layer *layer, const char *name) {
    struct stat status;
    int r = mkdirat(layer->parent, name, 0700) < 0 ? -errno : 0;
    if (r == -EEXIST) {
        if (fstatat(layer->parent, name, &status, AT_SYMLINK_NOFOLLOW) < 0)
            return -errno;
        r = 0;
        if (!S_ISDIR(status.st_mode)) {
            bool opaque = is_whiteout(&status) && (layer->flags & TSC_LAYER_WHITEOUTS);
            r = unlinkat(layer->parent, name, 0) < 0 || mkdirat(layer->parent, name, 0700) < 0 ? -errno : 0;
            if (r == 0 && opaque)
                r = mark_opaque(layer, layer->parent, name);
        }
    }
    if (r == 0)
        r = set_owner_and_mode(layer, name);
    if (r == 0)
        r = set_xattrs_at(layer, layer->parent, name);
    return r == 0 ? tsc_layer_remember(layer, layer->path, &layer->mtime) : r;
}

/* The root of the layer is there already. */
static int set_root(struct tsc_layer *layer) {
    forget_parent(layer);
    layer->parent_path[0] = 0;
    layer->parent = tsc_layer_open_at(layer, layer->root, "", O_PATH | O_DIRECTORY);
    if (layer->parent < 0)
        return layer->parent;
    int r = set_owner_and_mode(layer, ".");
    if (r == 0)
        r = set_xattrs_at(layer, layer->parent, ".");
    return r == 0 ? tsc_layer_remember(layer, "", &layer->mtime) : r;
}

static int make_link(struct tsc_layer *layer, const char *name, const char *target) {
    char path[PATH_MAX];
    char directory[PATH_MAX];
    int r = clean_path(layer->prefix, target, path);
    if (r < 0)
        return r;
    size_t length = (size_t)(base_of(path) - path);
    memcpy(directory, path, length);
    directory[length ? length - 1 : 0] = 0;
    tsc_auto_fd int base = tsc_layer_open_at(layer, layer->root, directory, O_PATH | O_DIRECTORY);
    if (base < 0)
        return base;
    return linkat(base, base_of(path), layer->parent, name, 0) < 0 ? -errno : 0;
}

/* Everything that is neither file nor directory, at a place that is free. */
static int make_node(struct tsc_layer *layer, const struct tsc_tar_entry *entry, const char *name) {
    int r = 0;
    switch (entry->type) {
    case TSC_TAR_LINK:
        return make_link(layer, name, entry->link);
    case TSC_TAR_SYMLINK:
        r = symlinkat(entry->link, layer->parent, name);
        break;
    case TSC_TAR_FIFO:
        r = mknodat(layer->parent, name, S_IFIFO | 0600, 0);
        break;
    default:
        if (layer->flags & TSC_LAYER_NO_DEVICES)
            return 0;
        r = mknodat(layer->parent, name, (entry->type == TSC_TAR_BLOCK ? S_IFBLK : S_IFCHR) | 0600,
                    makedev(entry->major, entry->minor));
    }
    if (r < 0)
        return -errno;
    if (entry->type != TSC_TAR_SYMLINK)
        r = set_owner_and_mode(layer, name);
    else if (layer->flags & TSC_LAYER_OWNERS)
        r = fchownat(layer->parent, name, layer->uid, layer->gid, AT_SYMLINK_NOFOLLOW) < 0 ? -errno : 0;
    if (r == 0)
        r = set_xattrs_at(layer, layer->parent, name);
    return r == 0 ? set_times(layer->parent, name, &layer->mtime) : r;
}

static int open_file(struct tsc_layer *layer, const char *name) {
    int fd = tsc_fd_openat(layer->parent, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600);
    if (fd < 0)
        return fd;
    layer->file = fd;
    return 0;
}

/* `.wh.NAME` hides what the layers below have; what this layer itself has, before or after, stays. */
static int make_whiteout(struct tsc_layer *layer, const char *hidden) {
    struct stat status;
    if (hidden[0] == 0 || strcmp(hidden, ".") == 0 || strcmp(hidden, "..") == 0)
        return -EXDEV;
    if (mknodat(layer->parent, hidden, S_IFCHR, 0) == 0)
        return set_times(layer->parent, hidden, &layer->mtime);
    if (errno != EEXIST || fstatat(layer->parent, hidden, &status, AT_SYMLINK_NOFOLLOW) < 0)
        return -errno;
    return S_ISDIR(status.st_mode) ? mark_opaque(layer, layer->parent, hidden) : 0;
}

static bool is_whiteout_name(const struct tsc_layer *layer, const char *name) {
    return (layer->flags & TSC_LAYER_WHITEOUTS) && strncmp(name, WHITEOUT, sizeof(WHITEOUT) - 1) == 0;
}

static int take_whiteout(struct tsc_layer *layer, const char *name) {
    if (strcmp(name, WHITEOUT_OPAQUE) == 0)
        return mark_opaque(layer, layer->parent, ".");
    if (strncmp(name, WHITEOUT_META, sizeof(WHITEOUT_META) - 1) == 0)
        return 0;
    return make_whiteout(layer, name + sizeof(WHITEOUT) - 1);
}

static int make_entry(struct tsc_layer *layer, const struct tsc_tar_entry *entry, const char *name) {
    if (entry->type == TSC_TAR_DIRECTORY)
        return make_directory(layer, name);
    int r = entry->type == TSC_TAR_FILE ? open_file(layer, name) : make_node(layer, entry, name);
    if (r != -EEXIST)
        return r;
    r = tsc_remove_beneath(layer->parent, name);
    if (r < 0)
        return r;
    return entry->type == TSC_TAR_FILE ? open_file(layer, name) : make_node(layer, entry, name);
}

static int on_entry(void *owner, const struct tsc_tar_entry *entry, struct tsc_error *reterr) {
    struct tsc_layer *layer = owner;
    layer->entries++;
    if (exceeds_limit(layer))
        return tsc_fail(reterr, -EFBIG, "unpack", entry->path);
    layer->uid = entry->uid;
    layer->gid = entry->gid;
    layer->mode = entry->mode;
    layer->mtime = entry->mtime;
    layer->size = entry->size;
    layer->end = 0;
    layer->xattrs = entry->xattrs;
    layer->xattr_count = entry->xattr_count;
    int r = clean_path(layer->prefix, entry->path, layer->path);
    if (r == 0 && layer->path[0] == 0)
        r = entry->type == TSC_TAR_DIRECTORY ? set_root(layer) : -EXDEV;
    else if (r == 0) {
        r = enter_parent(layer, layer->path);
        const char *name = base_of(layer->path);
        bool whiteout = is_whiteout_name(layer, name);
        if (r == 0)
            r = whiteout ? take_whiteout(layer, name) : make_entry(layer, entry, name);
        else if (r == -ENOTDIR && whiteout)
            r = 0; /* what it hides is below something that this layer replaced by a file */
    }
    return r < 0 ? tsc_fail(reterr, r, "unpack", entry->path) : 0;
}

static int on_data(void *owner, uint64_t offset, const uint8_t *bytes, size_t length,
                   struct tsc_error *reterr) {
    struct tsc_layer *layer = owner;
    layer->written += length;
    if (exceeds_limit(layer))
        return tsc_fail(reterr, -EFBIG, "unpack", layer->path);
    if (layer->file < 0)
        return 0;
    if (offset != layer->end && lseek(layer->file, (off_t)offset, SEEK_SET) < 0)
        return tsc_fail(reterr, -errno, "write", layer->path);
    layer->end = offset + length;
    int r = tsc_fd_write_full(layer->file, bytes, length);
    return r < 0 ? tsc_fail(reterr, r, "write", layer->path) : 0;
}

/* Owner before mode and capabilities, because a change of owner takes setuid bits and capabilities away. */
static int finish_file(const struct tsc_layer *layer, int fd) {
    if (layer->end < layer->size && ftruncate(fd, (off_t)layer->size) < 0)
        return -errno;
    if ((layer->flags & TSC_LAYER_OWNERS) && fchown(fd, layer->uid, layer->gid) < 0)
        return -errno;
    if (fchmod(fd, layer->mode) < 0)
        return -errno;
    for (size_t i = 0; i < layer->xattr_count; i++) {
        const struct tsc_tar_xattr *xattr = &layer->xattrs[i];
        if (tsc_layer_is_reserved(xattr->name))
            continue;
        int r = fsetxattr(fd, xattr->name, xattr->value, xattr->size, 0) < 0 ? -errno : 0;
        if (r < 0 && !tsc_layer_can_ignore(layer, xattr->name, r))
            return r;
    }
    const struct timespec times[2] = {layer->mtime, layer->mtime};
    return futimens(fd, times) < 0 ? -errno : 0;
}

static int on_end(void *owner, struct tsc_error *reterr) {
    struct tsc_layer *layer = owner;
    if (layer->file < 0)
        return 0;
    tsc_auto_fd int fd = tsc_take_fd(&layer->file);
    int r = finish_file(layer, fd);
    return r < 0 ? tsc_fail(reterr, r, "unpack", layer->path) : 0;
}

static const struct tsc_tar_sink SINK = {.entry = on_entry, .data = on_data, .end = on_end};

static int start(struct tsc_layer *layer, const char *directory, const char *prefix,
                 struct tsc_error *reterr) {
    layer->root = tsc_fd_open(directory, O_PATH | O_DIRECTORY, 0);
    if (layer->root < 0)
        return tsc_fail(reterr, layer->root, "open", directory);
    layer->prefix = malloc(PATH_MAX);
    int r = layer->prefix ? clean_path("", prefix, layer->prefix) : -ENOMEM;
    if (r == 0 && (layer->flags & TSC_LAYER_WHITEOUTS))
        r = tsc_layer_remember(layer, "", NULL);
    if (r < 0)
        return tsc_fail(reterr, r, "unpack", prefix);
    return tsc_tar_new(&SINK, layer, &layer->tar, reterr);
}

int tsc_layer_open(const char *directory, const char *prefix, uint32_t flags, uint64_t limit,
                   struct tsc_layer **ret_layer, struct tsc_error *reterr) {
    struct tsc_layer *layer = calloc(1, sizeof(*layer));
    if (!layer)
        return tsc_fail(reterr, -ENOMEM, "unpack", directory);
    layer->root = layer->parent = layer->file = -1;
    layer->flags = flags;
    layer->limit = limit;
    int r = start(layer, directory, prefix, reterr);
    if (r < 0) {
        tsc_layer_free(layer);
        return r;
    }
    *ret_layer = layer;
    return 0;
}

int tsc_layer_write(struct tsc_layer *layer, const uint8_t *tar, size_t length, struct tsc_error *reterr) {
    if (layer->failed)
        return tsc_fail(reterr, -EINVAL, "unpack", "after a failure");
    int r = tsc_tar_write(layer->tar, tar, length, reterr);
    layer->failed = r < 0;
    return r;
}

int tsc_layer_finish(struct tsc_layer *layer, const char *const lower[], uint64_t *ret_bytes,
                     uint64_t *ret_entries, struct tsc_error *reterr) {
    if (layer->failed)
        return tsc_fail(reterr, -EINVAL, "unpack", "after a failure");
    int r = tsc_tar_finish(layer->tar, reterr);
    if (r == 0)
        r = tsc_layer_settle(layer, lower, reterr);
    if (r < 0)
        return r;
    *ret_bytes = layer->written;
    *ret_entries = layer->entries;
    return 0;
}

void tsc_layer_free(struct tsc_layer *layer) {
    if (!layer)
        return;
    forget_parent(layer);
    if (layer->file >= 0)
        close(layer->file);
    if (layer->root >= 0)
        close(layer->root);
    for (size_t i = 0; i < layer->late_count; i++)
        free(layer->late[i].path);
    free(layer->late);
    free(layer->prefix);
    tsc_tar_free(layer->tar);
    free(layer);
}
