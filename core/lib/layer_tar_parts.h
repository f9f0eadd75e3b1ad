/* What the parts of the tar reader share; see layer_tar.h for what it is. */
#ifndef TSC_LAYER_TAR_PARTS_H
#define TSC_LAYER_TAR_PARTS_H

#include <stdbool.h>

#include "layer_tar.h"

enum {
    BLOCK = 512,
    MAX_SPECIAL = 4 << 20, /* bytes of one PAX or long-name record; the kernel's largest xattr is 64 KiB */
    MAX_EXTENTS = 1 << 20,
};

/* Where the fields of a header are. */
enum field {
    NAME = 0,
    MODE = 100,
    UID = 108,
    GID = 116,
    SIZE = 124,
    MTIME = 136,
    CHECKSUM = 148,
    TYPE = 156,
    LINK_NAME = 157,
    MAGIC = 257,
    MAJOR = 329,
    MINOR = 337,
    PREFIX = 345,
    GNU_SPARSE = 386,
    GNU_EXTENDED = 482,
    GNU_REAL_SIZE = 483,
};

enum state { AT_HEADER, IN_SPECIAL, IN_SPARSE_HEADER, IN_SPARSE_MAP, IN_DATA, IN_PADDING, AT_END };

struct extent {
    uint64_t offset;
    uint64_t length;
};

/* Bytes that grow; `bytes[size]` is always a NUL. */
struct text {
    uint8_t *bytes;
    size_t size;
    size_t capacity;
};

struct tsc_tar {
    const struct tsc_tar_sink *sink;
    void *owner;
    enum state state;
    uint8_t block[BLOCK];
    size_t filled; /* bytes in `block` */
    unsigned zero_blocks;
    char special; /* type of the special record being collected */
    struct text collected;
    struct text long_name, long_link, local, global; /* pending for the next entry; `global` stays */
    char name[256 + 2];
    char link[100 + 1];
    struct tsc_tar_entry entry;
    struct tsc_tar_xattr *xattrs;
    size_t xattr_capacity;
    struct extent *extents;
    size_t extent_count, extent_capacity, extent_now;
    uint64_t extent_done; /* bytes of the present extent */
    bool sparse, sparse_map_in_data, entry_open;
    uint64_t map_expected; /* numbers that the map in the data still has; UINT64_MAX before its count */
    uint64_t map_value;
    bool map_digits;
    uint64_t stored;  /* bytes of data that are still to come */
    uint64_t padding; /* bytes until the next header */
};

/* Octal text or, when the first bit is set, a base-256 two's complement number. */
int tsc_tar_number(const uint8_t *field, size_t width, int64_t *ret_number);
bool tsc_tar_checksum_holds(const uint8_t *block);
/* The names of the block, as far as no long name came before it. */
void tsc_tar_read_names(struct tsc_tar *tar);
/* The numbers of the block, as far as no PAX record replaces them. */
int tsc_tar_read_numbers(struct tsc_tar *tar);
int tsc_tar_read_type(uint8_t type, const char *path, enum tsc_tar_type *ret_type);
/* The pairs of an old GNU sparse header or of its extension. */
int tsc_tar_read_sparse_pairs(struct tsc_tar *tar, const uint8_t *pairs, unsigned count);

/* The records of a PAX header change the present entry; they are cut into strings in place. */
int tsc_tar_apply_pax(struct tsc_tar *tar, uint8_t *bytes, size_t size);

/* One more piece of a sparse file. */
int tsc_tar_add_extent(struct tsc_tar *tar, uint64_t offset, uint64_t length);

#endif
