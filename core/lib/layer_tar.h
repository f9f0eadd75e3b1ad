/* A tar archive as a stream: bytes are pushed in, entries and their data come out. Understands V7, ustar, PAX
 * (POSIX.1-2001) and GNU archives with long names, base-256 numbers and all four kinds of sparse files. */
#ifndef TSC_LAYER_TAR_H
#define TSC_LAYER_TAR_H

#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "../include/tscore.h"

enum tsc_tar_type {
    TSC_TAR_FILE,
    TSC_TAR_LINK,
    TSC_TAR_SYMLINK,
    TSC_TAR_CHARACTER,
    TSC_TAR_BLOCK,
    TSC_TAR_DIRECTORY,
    TSC_TAR_FIFO,
};

struct tsc_tar_xattr {
    const char *name;
    const uint8_t *value;
    size_t size;
};

/* Valid during the call that hands it over; the archive owns every pointer. */
struct tsc_tar_entry {
    enum tsc_tar_type type;
    const char *path; /* as written */
    const char *link; /* target of LINK and SYMLINK */
    uint32_t mode;    /* without the type */
    uint32_t uid;
    uint32_t gid;
    uint32_t major;
    uint32_t minor;
    uint64_t size; /* of the file, holes included */
    struct timespec mtime;
    const struct tsc_tar_xattr *xattrs;
    size_t xattr_count;
};

/* What takes the entries. `data` and `end` follow the `entry` of a FILE only, `data` at rising offsets. */
struct tsc_tar_sink {
    int (*entry)(void *owner, const struct tsc_tar_entry *entry, struct tsc_error *reterr);
    int (*data)(void *owner, uint64_t offset, const uint8_t *bytes, size_t length, struct tsc_error *reterr);
    int (*end)(void *owner, struct tsc_error *reterr);
};

struct tsc_tar;

int tsc_tar_new(const struct tsc_tar_sink *sink, void *owner, struct tsc_tar **ret_tar,
                struct tsc_error *reterr);
/* A malformed archive is -EBADMSG; errors of the sink are passed on. No call is allowed after a failure. */
int tsc_tar_write(struct tsc_tar *tar, const uint8_t *bytes, size_t length, struct tsc_error *reterr);
/* The archive is at its end: fails when that is in the middle of an entry. */
int tsc_tar_finish(const struct tsc_tar *tar, struct tsc_error *reterr);
void tsc_tar_free(struct tsc_tar *tar);

#endif
