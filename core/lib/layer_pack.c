/* A tree as a tar archive (PAX): a layer from the upper directory of an overlay, or files on their way out. */
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include "cleanup.h"
#include "error.h"
#include "fd.h"
#include "layer_pack.h"
#include "syscalls.h"

enum {
    MAX_DEPTH = PATH_MAX / 2, /* no path has more parts */
    MAX_OPEN = 64,            /* of the directories above the present one */
    XATTR_SPACE = 65536,
    FIRST_LINKS = 1024,
};

/* A file with several names that was written once. */
struct link {
    dev_t device;
    ino_t inode;
    char *path;
};

/* A directory whose entries are being written. */
struct level {
    int fd; /* -1 while it is far above the present one; the first is always open */
    dev_t device;
    ino_t inode;
    char **names; /* sorted */
    size_t count, next;
    size_t path_length; /* of the archive's path up to here */
};

static bool is_reserved(const char *name) {
    return strncmp(name, "trusted.overlay.", 16) == 0 || strncmp(name, "user.overlay.", 13) == 0;
}

/* Collects the xattrs of an entry; tells whether it is an opaque directory. */
static int collect_xattrs(struct pack *pack, const char *path, bool *ret_opaque) {
    tsc_auto_free char *names = malloc((size_t)2 * XATTR_SPACE);
    if (!names)
        return -ENOMEM;
    char *value = names + XATTR_SPACE;
    ssize_t size = llistxattr(path, names, XATTR_SPACE);
    for (const char *name = names; size > 0 && name < names + size; name += strlen(name) + 1) {
        char key[XATTR_NAME_MAX + 16];
        ssize_t length = lgetxattr(path, name, value, XATTR_SPACE);
        if (length < 0)
            continue;
        if (is_reserved(name)) {
            *ret_opaque = *ret_opaque || (strstr(name, ".overlay.opaque") && length == 1 && value[0] == 'y');
            continue;
        }
        snprintf(key, sizeof(key), "SCHILY.xattr.%s", name);
        int r = tsc_pack_add_pax(pack, key, value, (size_t)length);
        if (r < 0)
            return r;
    }
    return 0;
}

static size_t slot_of(const struct pack *pack, dev_t device, ino_t inode) {
    size_t mask = pack->link_capacity - 1;
    size_t slot = (size_t)((inode * 0x9e3779b97f4a7c15u) ^ device) & mask;
    while (pack->links[slot].path && (pack->links[slot].inode != inode || pack->links[slot].device != device))
        slot = (slot + 1) & mask;
    return slot;
}

static int grow_links(struct pack *pack) {
    struct link *old = pack->links;
    size_t old_capacity = pack->link_capacity;
    size_t capacity = old_capacity ? old_capacity * 2 : FIRST_LINKS;
    struct link *grown = calloc(capacity, sizeof(*grown));
    if (!grown)
        return -ENOMEM;
    pack->links = grown;
    pack->link_capacity = capacity;
    for (size_t i = 0; i < old_capacity; i++)
        if (old[i].path)
            grown[slot_of(pack, old[i].device, old[i].inode)] = old[i];
    free(old);
    return 0;
}

/* The name under which the file was written already, or NULL when this is the first. */
static int find_link(struct pack *pack, const struct stat *status, const char **ret_path) {
    *ret_path = NULL;
    if (status->st_nlink < 2 || S_ISDIR(status->st_mode))
        return 0;
    if (pack->link_count * 2 >= pack->link_capacity) {
        int r = grow_links(pack);
        if (r < 0)
            return r;
    }
    struct link *link = &pack->links[slot_of(pack, status->st_dev, status->st_ino)];
    if (link->path) {
        *ret_path = link->path;
        return 0;
    }
    char *copy = strdup(pack->path);
    if (!copy)
        return -ENOMEM;
    *link = (struct link){.device = status->st_dev, .inode = status->st_ino, .path = copy};
    pack->link_count++;
    return 0;
}

/* Exactly `size` bytes: what a file that is written to meanwhile lacks is filled with zeros. */
static int put_content(struct pack *pack, int fd, uint64_t size) {
    uint8_t *space = pack->buffer + BUFFER;
    for (uint64_t left = size; left > 0;) {
        size_t part = left < BUFFER ? (size_t)left : BUFFER;
        ssize_t count = tsc_fd_read(fd, space, part);
        if (count < 0)
            return (int)count;
        if (count == 0) {
            memset(space, 0, part);
            count = (ssize_t)part;
        }
        int r = tsc_pack_put(pack, space, (size_t)count);
        if (r < 0)
            return r;
        left -= (uint64_t)count;
    }
    return tsc_pack_put_padding(pack, size);
}

static char type_of(mode_t mode) {
    switch (mode & S_IFMT) {
    case S_IFREG:
        return '0';
    case S_IFLNK:
        return '2';
    case S_IFCHR:
        return '3';
    case S_IFBLK:
        return '4';
    case S_IFDIR:
        return '5';
    case S_IFIFO:
        return '6';
    default:
        return 0; /* sockets are not for archives */
    }
}

/* An empty file beside what it speaks of. */
static int put_mark(struct pack *pack, size_t directory, const char *prefix, const char *name) {
    char path[PATH_MAX];
    int length = snprintf(path, sizeof(path), "%.*s%s%s", (int)directory, pack->path, prefix, name);
    if (length >= (int)sizeof(path))
        return -ENAMETOOLONG;
    struct header header = {.path = path, .link = "", .type = '0'};
    return tsc_pack_put_header(pack, &header);
}

static int compare_names(const void *a, const void *b) {
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void free_level(struct level *level) {
    for (size_t i = 0; i < level->count; i++)
        free(level->names[i]);
    free(level->names);
    if (level->fd >= 0)
        close(level->fd);
}

static int read_names(struct level *level) {
    tsc_auto_directory DIR *list = fdopendir(dup(level->fd));
    size_t capacity = 0;
    if (!list)
        return -errno;
    for (struct dirent *item = readdir(list); item; item = readdir(list)) {
        if (strcmp(item->d_name, ".") == 0 || strcmp(item->d_name, "..") == 0)
            continue;
        if (level->count == capacity) {
            capacity = capacity ? capacity * 2 : 32;
            char **grown = realloc(level->names, capacity * sizeof(*grown));
            if (!grown)
                return -ENOMEM;
            level->names = grown;
        }
        level->names[level->count] = strdup(item->d_name);
        if (!level->names[level->count])
            return -ENOMEM;
        level->count++;
    }
    if (level->count > 0)
        qsort(level->names, level->count, sizeof(level->names[0]), compare_names);
    return 0;
}

/* Goes down into the directory `fd`, which belongs to the pack from now on. */
static int enter(struct pack *pack, int fd) {
    if (pack->depth == MAX_DEPTH) {
        close(fd);
        return -ENAMETOOLONG;
    }
    struct level *level = &pack->levels[pack->depth++];
    *level = (struct level){.fd = fd, .path_length = strlen(pack->path)};
    struct stat status;
    if (fstat(fd, &status) < 0)
        return -errno;
    level->device = status.st_dev;
    level->inode = status.st_ino;
    if (pack->depth > MAX_OPEN + 1) {
        struct level *above = level - MAX_OPEN;
        close(above->fd);
        above->fd = -1;
    }
    return read_names(level);
}

/* Opens a directory again that was left far above; false when another is in its place by now. */
static bool reopen(const struct pack *pack, struct level *level) {
    if (level->fd >= 0)
        return true;
    const struct level *first = &pack->levels[0];
    char path[PATH_MAX];
    size_t length = level->path_length - first->path_length;
    memcpy(path, pack->path + first->path_length, length);
    path[length] = 0;
    const struct tsc_open_how how = {
        .flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC,
        .resolve = TSC_RESOLVE_BENEATH | TSC_RESOLVE_NO_SYMLINKS,
    };
    struct stat status;
    level->fd = tsc_sys_openat2(first->fd, path, &how);
    return level->fd >= 0 && fstat(level->fd, &status) == 0 && status.st_dev == level->device &&
           status.st_ino == level->inode;
}

static int mount_of(int directory, const char *name, uint64_t *ret_mount) {
    struct statx status;
    if (statx(directory, name, AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH | AT_NO_AUTOMOUNT, STATX_MNT_ID, &status) <
        0)
        return -errno;
    *ret_mount = status.stx_mnt_id;
    return 0;
}

static struct header header_of(const struct pack *pack, const struct stat *status) {
    return (struct header){
        .path = pack->path,
        .link = "",
        .type = type_of(status->st_mode),
        .mode = status->st_mode & 07777,
        .uid = status->st_uid,
        .gid = status->st_gid,
        .size = S_ISREG(status->st_mode) ? (uint64_t)status->st_size : 0,
        .device = S_ISCHR(status->st_mode) || S_ISBLK(status->st_mode) ? status->st_rdev : 0,
        .mtime = status->st_mtim,
    };
}

static int put_file(struct pack *pack, struct header *header, int directory, const char *name) {
    tsc_auto_fd int fd = tsc_fd_openat(directory, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK, 0);
    if (fd < 0)
        return fd;
    int r = tsc_pack_put_header(pack, header);
    return r < 0 ? r : put_content(pack, fd, header->size);
}

static int put_directory(struct pack *pack, struct header *header, int directory, const char *name,
                         bool opaque) {
    size_t length = strlen(pack->path);
    if (length + 2 > sizeof(pack->path))
        return -ENAMETOOLONG;
    if (length > 0 && pack->path[length - 1] != '/')
        memcpy(pack->path + length, "/", 2);
    int r = length > 0 || !(pack->flags & TSC_PACK_NO_ROOT) ? 0 : 1;
    if (length == 0)
        header->path = "./";
    if (r == 0)
        r = tsc_pack_put_header(pack, header);
    pack->pax_size = 0;
    if (r >= 0 && opaque)
        r = put_mark(pack, strlen(pack->path), "", ".wh..wh..opq");
    uint64_t mount = 0;
    if (r >= 0 && (pack->flags & TSC_PACK_ONE_MOUNT))
        r = mount_of(directory, name, &mount);
    if (r < 0 || ((pack->flags & TSC_PACK_ONE_MOUNT) && mount != pack->mount))
        return r < 0 ? r : 0;
    int fd = tsc_fd_openat(directory, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
    return fd < 0 ? fd : enter(pack, fd);
}

static int put_entry(struct pack *pack, int directory, const char *name) {
    struct stat status;
    char link[PATH_MAX] = "";
    char full[PATH_MAX];
    bool opaque = false;
    const char *earlier = NULL;
    if (fstatat(directory, name, &status, AT_SYMLINK_NOFOLLOW) < 0)
        return errno == ENOENT ? 0 : -errno; /* gone meanwhile */
    bool layer = (pack->flags & TSC_PACK_WHITEOUTS) != 0;
    if (layer && S_ISCHR(status.st_mode) && status.st_rdev == 0) {
        size_t parent = strlen(pack->path) - strlen(name);
        return put_mark(pack, parent, ".wh.", name);
    }
    struct header header = header_of(pack, &status);
    if (!header.type)
        return 0;
    int r = find_link(pack, &status, &earlier);
    if (r < 0)
        return r;
    if (earlier) {
        header.type = '1';
        header.link = earlier;
        header.size = 0;
        return tsc_pack_put_header(pack, &header);
    }
    snprintf(full, sizeof(full), "/proc/self/fd/%d/%s", directory, name);
    r = collect_xattrs(pack, full, &opaque);
    if (r < 0)
        return r;
    if (S_ISREG(status.st_mode))
        return put_file(pack, &header, directory, name);
    if (S_ISDIR(status.st_mode))
        return put_directory(pack, &header, directory, name, opaque && layer);
    if (S_ISLNK(status.st_mode)) {
        ssize_t length = readlinkat(directory, name, link, sizeof(link) - 1);
        if (length < 0)
            return -errno;
        link[length] = 0;
        header.link = link;
    }
    return tsc_pack_put_header(pack, &header);
}

static int put_tree(struct pack *pack, int directory, const char *name, struct tsc_error *reterr) {
    int r = put_entry(pack, directory, name);
    while (r >= 0 && pack->depth > 0) {
        struct level *level = &pack->levels[pack->depth - 1];
        pack->path[level->path_length] = 0;
        if (level->next == level->count || !reopen(pack, level)) {
            free_level(level);
            pack->depth--;
            continue;
        }
        const char *child = level->names[level->next++];
        if (level->path_length + strlen(child) + 1 > sizeof(pack->path))
            return tsc_fail(reterr, -ENAMETOOLONG, "pack", pack->path);
        strcpy(pack->path + level->path_length, child);
        r = put_entry(pack, level->fd, child);
    }
    return r < 0 ? tsc_fail(reterr, r, "pack", pack->path) : 0;
}

static void free_pack(struct pack *pack) {
    for (size_t i = 0; i < pack->depth; i++)
        free_level(&pack->levels[i]);
    for (size_t i = 0; i < pack->link_capacity; i++)
        free(pack->links[i].path);
    free(pack->links);
    free(pack->levels);
    free(pack->buffer);
    free(pack->pax);
    free(pack);
}

enum { LINKS_MAX = 40 };

static int open_inside(int root, const char *path) {
    struct tsc_open_how how = {.flags = O_PATH | O_CLOEXEC | O_DIRECTORY,
                               .resolve = TSC_RESOLVE_IN_ROOT | TSC_RESOLVE_NO_MAGICLINKS};
    int fd = tsc_sys_openat2(root, path[0] ? path : ".", &how);
    return fd < 0 ? -errno : fd;
}

/* Puts what the link `last` in `parent` says in the place of `path`; -EINVAL when it is no link. */
static int follow_link(int parent, const char *last, char path[PATH_MAX]) {
    char content[PATH_MAX];
    char target[2 * PATH_MAX];
    ssize_t length = readlinkat(parent, last, content, sizeof(content) - 1);
    if (length < 0)
        return -errno;
    content[length] = 0;
    int kept = content[0] == '/' ? 0 : (int)(strlen(path) - strlen(last));
    snprintf(target, sizeof(target), "%.*s%s", kept, path, content);
    if (strlen(target) >= PATH_MAX)
        return -ENAMETOOLONG;
    strcpy(path, target);
    return 0;
}

/* Opens what `path` means with `root` as the root directory; the last part is followed only when asked. */
static int open_start(const char *root, const char *start, uint32_t flags, int *ret_parent,
                      char name[NAME_MAX + 1]) {
    tsc_auto_fd int base = tsc_fd_open(root, O_PATH | O_DIRECTORY, 0);
    char path[PATH_MAX];
    if (base < 0)
        return base;
    if (strlen(start) >= sizeof(path))
        return -ENAMETOOLONG;
    strcpy(path, start);
    for (int links = 0; links < LINKS_MAX; links++) {
        const char *slash = strrchr(path, '/');
        const char *last = slash ? slash + 1 : path;
        bool is_directory = last[0] == 0 || strcmp(last, ".") == 0 || strcmp(last, "..") == 0;
        tsc_auto_fd int whole = is_directory || flags & TSC_PACK_FOLLOW ? open_inside(base, path) : -ENOTDIR;
        if (whole >= 0 || is_directory || whole != -ENOTDIR) {
            name[0] = 0;
            *ret_parent = tsc_take_fd(&whole);
            return *ret_parent < 0 ? *ret_parent : 0;
        }
        tsc_auto_free char *above = strndup(path, (size_t)(last - path));
        tsc_auto_fd int parent = above ? open_inside(base, above) : -ENOMEM;
        if (parent < 0)
            return parent;
        if (strlen(last) > NAME_MAX)
            return -ENAMETOOLONG;
        int r = flags & TSC_PACK_FOLLOW ? follow_link(parent, last, path) : -EINVAL;
        if (r < 0 && r != -EINVAL)
            return r;
        if (r == -EINVAL) {
            strcpy(name, last);
            *ret_parent = tsc_take_fd(&parent);
            return 0;
        }
    }
    return -ELOOP;
}

int tsc_tree_pack(const char *root, const char *path, const char *name, uint32_t flags, int32_t output,
                  uint64_t *ret_bytes, struct tsc_error *reterr) {
    tsc_auto_fd int parent = -1;
    char last[NAME_MAX + 1];
    int r = open_start(root, path, flags, &parent, last);
    if (r < 0)
        return tsc_fail(reterr, r, "open", path);
    struct pack *pack = calloc(1, sizeof(*pack));
    if (!pack)
        return tsc_fail(reterr, -ENOMEM, "pack", path);
    pack->output = output;
    pack->flags = flags;
    pack->buffer = malloc((size_t)2 * BUFFER);
    pack->levels = calloc(MAX_DEPTH, sizeof(*pack->levels));
    r = pack->buffer && pack->levels ? 0 : -ENOMEM;
    if (r == 0 && strlen(name) >= sizeof(pack->path) - 1)
        r = -ENAMETOOLONG;
    if (r == 0)
        strcpy(pack->path, name);
    if (r == 0 && (flags & TSC_PACK_ONE_MOUNT))
        r = mount_of(parent, last, &pack->mount);
    r = r < 0 ? tsc_fail(reterr, r, "pack", path) : put_tree(pack, parent, last[0] ? last : ".", reterr);
    if (r == 0) {
        static const uint8_t end[2 * BLOCK];
        r = tsc_pack_put(pack, end, sizeof(end));
        if (r == 0)
            r = tsc_pack_flush(pack);
        if (r < 0)
            tsc_fail(reterr, r, "write archive of", path);
        else
            *ret_bytes = pack->written;
    }
    free_pack(pack);
    return r;
}
