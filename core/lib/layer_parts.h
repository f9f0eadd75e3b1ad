/* A layer that is being unpacked, as its parts see it. */
#ifndef TSC_LAYER_PARTS_H
#define TSC_LAYER_PARTS_H

#include <limits.h>
#include <stdbool.h>

#include "layer_tar.h"

/* A directory whose times, or everything when no entry told, are set at the end. */
struct late_directory {
    char *path;
    struct timespec mtime;
    size_t number;
    bool implied;
};

struct tsc_layer {
    struct tsc_tar *tar;
    int root;
    uint32_t flags;
    char *prefix;
    uint64_t limit; /* bytes of file data that may be written */
    uint64_t written;
    uint64_t entries;
    uint64_t implied; /* directories that were made without an entry */
    bool failed;
    char parent_path[PATH_MAX]; /* the directory that `parent` is open on */
    int parent;
    int file;            /* being written, -1 when none */
    char path[PATH_MAX]; /* of the present entry, clean */
    uint32_t uid, gid, mode;
    struct timespec mtime;
    uint64_t size, end;
    const struct tsc_tar_xattr *xattrs;
    size_t xattr_count;
    struct late_directory *late;
    size_t late_count, late_capacity;
};

/* Opens `path` beneath `base`, whatever symbolic links say. */
int tsc_layer_open_at(const struct tsc_layer *layer, int base, const char *path, uint64_t flags);

/* Names of xattrs that belong to overlayfs itself, which they would redirect. */
bool tsc_layer_is_reserved(const char *key);
/* A file system without this kind of attribute, or a caller who may not set it, is not an error of the layer. */
bool tsc_layer_can_ignore(const struct tsc_layer *layer, const char *key, int error);

/* The directory gets this time when all is unpacked; without one it looks as it does below. */
int tsc_layer_remember(struct tsc_layer *layer, const char *path, const struct timespec *mtime);
int tsc_layer_settle(struct tsc_layer *layer, const char *const lower[], struct tsc_error *reterr);

#endif
