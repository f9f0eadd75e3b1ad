/* The tar reader: a state machine over blocks of 512 bytes. */
#include "layer_tar.h"

#include <limits.h>
#include <stdbool.h>
#include <string.h>

#include "cleanup.h"
#include "error.h"

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

static int malformed(struct tsc_error *reterr, const char *what, const char *path) {
    return tsc_fail(reterr, -EBADMSG, what, path);
}

static int text_append(struct text *text, const uint8_t *bytes, size_t length) {
    if (text->size + length + 1 > text->capacity) {
        size_t capacity = (text->size + length + 1) * 2;
        uint8_t *grown = realloc(text->bytes, capacity);
        if (!grown)
            return -ENOMEM;
        text->bytes = grown;
        text->capacity = capacity;
    }
    if (length > 0)
        memcpy(text->bytes + text->size, bytes, length);
    text->size += length;
    text->bytes[text->size] = 0;
    return 0;
}

static void text_clear(struct text *text) {
    text->size = 0;
    if (text->bytes)
        text->bytes[0] = 0;
}

/* The contents of `from` move to `to`. */
static void text_move(struct text *to, struct text *from) {
    struct text old = *to;
    *to = *from;
    *from = old;
    text_clear(from);
}

/* Octal text or, when the first bit is set, a base-256 two's complement number. */
static int parse_number(const uint8_t *field, size_t width, int64_t *ret_number) {
    if (field[0] & 0x80) {
        bool negative = (field[0] & 0x40) != 0;
        uint64_t value = negative ? UINT64_MAX : 0;
        for (size_t i = 0; i < width; i++) {
            uint8_t byte = i == 0 ? (uint8_t)(negative ? field[i] : field[i] & 0x7f) : field[i];
            uint8_t top = (uint8_t)(value >> 56);
            if (top != (negative ? 0xff : 0))
                return -EBADMSG;
            value = (value << 8) | byte;
        }
        if (negative != (value >> 63 != 0))
            return -EBADMSG;
        *ret_number = (int64_t)value;
        return 0;
    }
    size_t i = 0;
    int64_t value = 0;
    while (i < width && field[i] == ' ')
        i++;
    for (; i < width && field[i] >= '0' && field[i] <= '7'; i++) {
        if (value > INT64_MAX / 8)
            return -EBADMSG;
        value = value * 8 + (field[i] - '0');
    }
    for (; i < width && field[i] != 0; i++)
        if (field[i] != ' ')
            return -EBADMSG;
    *ret_number = value;
    return 0;
}

static int parse_decimal(const char *text, size_t length, uint64_t *ret_number) {
    uint64_t value = 0;
    if (length == 0)
        return -EBADMSG;
    for (size_t i = 0; i < length; i++) {
        if (text[i] < '0' || text[i] > '9' || value > (UINT64_MAX - 9) / 10)
            return -EBADMSG;
        value = value * 10 + (uint64_t)(text[i] - '0');
    }
    *ret_number = value;
    return 0;
}

/* `[-]SECONDS[.FRACTION]` */
static int parse_time(const char *text, size_t length, struct timespec *ret_time) {
    bool negative = length > 0 && text[0] == '-';
    const char *start = text + (negative ? 1 : 0);
    const char *end = text + length;
    const char *dot = memchr(start, '.', (size_t)(end - start));
    uint64_t seconds = 0;
    if (parse_decimal(start, (size_t)((dot ? dot : end) - start), &seconds) < 0 || seconds > INT64_MAX)
        return -EBADMSG;
    long nanoseconds = 0;
    long unit = 100000000;
    for (const char *c = dot ? dot + 1 : end; c < end; c++, unit /= 10) {
        if (*c < '0' || *c > '9')
            return -EBADMSG;
        nanoseconds += (*c - '0') * unit;
    }
    ret_time->tv_sec = negative ? -(time_t)seconds - (nanoseconds > 0) : (time_t)seconds;
    ret_time->tv_nsec = negative && nanoseconds > 0 ? 1000000000 - nanoseconds : nanoseconds;
    return 0;
}

static int add_extent(struct tsc_tar *tar, uint64_t offset, uint64_t length) {
    if (tar->extent_count == tar->extent_capacity) {
        size_t capacity = tar->extent_capacity ? tar->extent_capacity * 2 : 16;
        struct extent *grown = realloc(tar->extents, capacity * sizeof(*grown));
        if (capacity > MAX_EXTENTS || !grown) {
            tar->extents = grown ? grown : tar->extents;
            return grown ? -EBADMSG : -ENOMEM;
        }
        tar->extents = grown;
        tar->extent_capacity = capacity;
    }
    tar->extents[tar->extent_count++] = (struct extent){.offset = offset, .length = length};
    return 0;
}

static int add_xattr(struct tsc_tar *tar, const char *name, const uint8_t *value, size_t size) {
    struct tsc_tar_entry *entry = &tar->entry;
    size_t index = 0;
    while (index < entry->xattr_count && strcmp(tar->xattrs[index].name, name) != 0)
        index++;
    if (index == tar->xattr_capacity) {
        size_t capacity = tar->xattr_capacity ? tar->xattr_capacity * 2 : 8;
        struct tsc_tar_xattr *grown = realloc(tar->xattrs, capacity * sizeof(*grown));
        if (!grown)
            return -ENOMEM;
        tar->xattrs = grown;
        tar->xattr_capacity = capacity;
    }
    tar->xattrs[index] = (struct tsc_tar_xattr){.name = name, .value = value, .size = size};
    if (index == entry->xattr_count)
        entry->xattr_count++;
    entry->xattrs = tar->xattrs;
    return 0;
}

/* GNU.sparse.map of format 0.1: offset and length alternate, separated by commas. */
static int parse_sparse_map(struct tsc_tar *tar, const char *text, size_t length) {
    const char *end = text + length;
    uint64_t pair[2];
    for (unsigned n = 0; text < end; n++) {
        const char *comma = memchr(text, ',', (size_t)(end - text));
        size_t width = (size_t)((comma ? comma : end) - text);
        int r = parse_decimal(text, width, &pair[n % 2]);
        if (r == 0 && n % 2 == 1)
            r = add_extent(tar, pair[0], pair[1]);
        if (r < 0)
            return r;
        text += width + 1;
    }
    return 0;
}

static int apply_sparse_record(struct tsc_tar *tar, const char *key, const char *value, size_t length) {
    uint64_t number = 0;
    if (strcmp(key, "name") == 0) {
        tar->entry.path = value;
        return 0;
    }
    if (strcmp(key, "map") == 0) {
        tar->sparse = true;
        tar->extent_count = 0;
        return parse_sparse_map(tar, value, length);
    }
    if (parse_decimal(value, length, &number) < 0)
        return -EBADMSG;
    tar->sparse = true;
    if (strcmp(key, "major") == 0)
        tar->sparse_map_in_data = number == 1;
    else if (strcmp(key, "realsize") == 0 || strcmp(key, "size") == 0)
        tar->entry.size = number;
    else if (strcmp(key, "offset") == 0)
        return add_extent(tar, number, 0);
    else if (strcmp(key, "numbytes") == 0 && tar->extent_count > 0)
        tar->extents[tar->extent_count - 1].length = number;
    return 0;
}

static int apply_id(const char *value, size_t length, uint32_t *ret_id) {
    uint64_t number = 0;
    if (parse_decimal(value, length, &number) < 0 || number >= UINT32_MAX)
        return -EBADMSG;
    *ret_id = (uint32_t)number;
    return 0;
}

/* One `key=value` of a PAX header; an empty value means that the key was not given. */
static int apply_record(struct tsc_tar *tar, const char *key, const char *value, size_t length) {
    static const char xattr[] = "SCHILY.xattr.";
    static const char sparse[] = "GNU.sparse.";
    if (strncmp(key, xattr, sizeof(xattr) - 1) == 0)
        return add_xattr(tar, key + sizeof(xattr) - 1, (const uint8_t *)value, length);
    if (length == 0)
        return 0;
    if (strncmp(key, sparse, sizeof(sparse) - 1) == 0)
        return apply_sparse_record(tar, key + sizeof(sparse) - 1, value, length);
    if (strcmp(key, "path") == 0 || strcmp(key, "linkpath") == 0) {
        if (memchr(value, 0, length))
            return -EBADMSG;
        *(key[0] == 'p' ? &tar->entry.path : &tar->entry.link) = value;
        return 0;
    }
    if (strcmp(key, "size") == 0) {
        if (parse_decimal(value, length, &tar->stored) < 0)
            return -EBADMSG;
        if (!tar->sparse)
            tar->entry.size = tar->stored;
        return 0;
    }
    if (strcmp(key, "uid") == 0)
        return apply_id(value, length, &tar->entry.uid);
    if (strcmp(key, "gid") == 0)
        return apply_id(value, length, &tar->entry.gid);
    if (strcmp(key, "mtime") == 0)
        return parse_time(value, length, &tar->entry.mtime);
    return 0;
}

/* Records are `LENGTH KEY=VALUE\n`; they are cut into strings in place. */
static int apply_records(struct tsc_tar *tar, uint8_t *bytes, size_t size) {
    char *at = (char *)bytes;
    char *end = at + size;
    while (at < end) {
        char *space = memchr(at, ' ', (size_t)(end - at));
        uint64_t length = 0;
        if (!space || parse_decimal(at, (size_t)(space - at), &length) < 0 || length > (uint64_t)(end - at))
            return -EBADMSG;
        char *next = at + length;
        if (next < space + 3 || (next[-1] != '\n' && next[-1] != 0))
            return -EBADMSG;
        char *key = space + 1;
        char *equals = key;
        while (equals < next - 1 && *equals != '=' &&
               *equals != 0) /* NUL: a global record that was cut before */
            equals++;
        if (equals == next - 1 || equals == key)
            return -EBADMSG;
        *equals = 0;
        next[-1] = 0;
        int r = apply_record(tar, key, equals + 1, (size_t)(next - 1 - (equals + 1)));
        if (r < 0)
            return r;
        at = next;
    }
    return 0;
}

static bool checksum_holds(const uint8_t *block) {
    int64_t stored = 0;
    int64_t as_unsigned = 0;
    int64_t as_signed = 0;
    if (parse_number(block + CHECKSUM, 8, &stored) < 0)
        return false;
    for (int i = 0; i < BLOCK; i++) {
        bool blank = i >= CHECKSUM && i < CHECKSUM + 8;
        as_unsigned += blank ? ' ' : block[i];
        as_signed += blank ? ' ' : (int8_t)block[i];
    }
    return stored == as_unsigned || stored == as_signed;
}

static bool is_zero(const uint8_t *block) {
    return block[0] == 0 && memcmp(block, block + 1, BLOCK - 1) == 0;
}

static void read_names(struct tsc_tar *tar) {
    const char *block = (const char *)tar->block;
    size_t used = 0;
    if (memcmp(block + MAGIC, "ustar\0", 6) == 0 && block[PREFIX]) {
        size_t width = memcmp(block + 508, "tar\0", 4) == 0 ? 131 : 155;
        used = strnlen(block + PREFIX, width);
        memcpy(tar->name, block + PREFIX, used);
        tar->name[used++] = '/';
    }
    size_t length = strnlen(block + NAME, 100);
    memcpy(tar->name + used, block + NAME, length);
    tar->name[used + length] = 0;
    length = strnlen(block + LINK_NAME, 100);
    memcpy(tar->link, block + LINK_NAME, length);
    tar->link[length] = 0;
    tar->entry.path = tar->long_name.size ? (const char *)tar->long_name.bytes : tar->name;
    tar->entry.link = tar->long_link.size ? (const char *)tar->long_link.bytes : tar->link;
}

/* The numbers of the header, as far as no PAX record replaces them. */
static int read_numbers(struct tsc_tar *tar) {
    const uint8_t *block = tar->block;
    int64_t mode = 0, uid = 0, gid = 0, size = 0, mtime = 0, major = 0, minor = 0;
    int r = parse_number(block + MODE, 8, &mode) | parse_number(block + UID, 8, &uid) |
            parse_number(block + GID, 8, &gid) | parse_number(block + SIZE, 12, &size) |
            parse_number(block + MTIME, 12, &mtime);
    if (block[TYPE] == '3' || block[TYPE] == '4')
        r |= parse_number(block + MAJOR, 8, &major) | parse_number(block + MINOR, 8, &minor);
    if (r != 0 || size < 0 || uid < 0 || uid >= UINT32_MAX || gid < 0 || gid >= UINT32_MAX || major < 0 ||
        major > UINT32_MAX || minor < 0 || minor > UINT32_MAX)
        return -EBADMSG;
    tar->entry.mode = (uint32_t)mode & 07777;
    tar->entry.uid = (uint32_t)uid;
    tar->entry.gid = (uint32_t)gid;
    tar->entry.major = (uint32_t)major;
    tar->entry.minor = (uint32_t)minor;
    tar->entry.size = tar->stored = (uint64_t)size;
    tar->entry.mtime = (struct timespec){.tv_sec = (time_t)mtime};
    return 0;
}

static int read_type(uint8_t type, const char *path, enum tsc_tar_type *ret_type) {
    size_t length = strlen(path);
    switch (type) {
    case 0:
    case '0':
    case '7':
    case 'S':
        /* before ustar a directory was a file whose name ends in a slash */
        *ret_type = length > 0 && path[length - 1] == '/' ? TSC_TAR_DIRECTORY : TSC_TAR_FILE;
        return 0;
    case '1':
    case '2':
    case '3':
    case '4':
    case '5':
    case '6':
        *ret_type = (enum tsc_tar_type)(type - '0');
        return 0;
    default:
        return -EBADMSG;
    }
}

/* The pairs of an old GNU sparse header or of its extension. */
static int read_sparse_pairs(struct tsc_tar *tar, const uint8_t *pairs, unsigned count) {
    for (unsigned i = 0; i < count; i++, pairs += 24) {
        int64_t offset = 0;
        int64_t length = 0;
        if (pairs[12] == 0)
            break;
        if (parse_number(pairs, 12, &offset) < 0 || parse_number(pairs + 12, 12, &length) < 0 || offset < 0 ||
            length < 0)
            return -EBADMSG;
        int r = add_extent(tar, (uint64_t)offset, (uint64_t)length);
        if (r < 0)
            return r;
    }
    return 0;
}

/* Extents rise, stay inside the file and are exactly what is stored. */
static bool extents_hold(const struct tsc_tar *tar) {
    uint64_t end = 0;
    uint64_t total = 0;
    for (size_t i = 0; i < tar->extent_count; i++) {
        const struct extent *extent = &tar->extents[i];
        if (extent->offset < end || extent->length > tar->entry.size ||
            extent->offset > tar->entry.size - extent->length)
            return false;
        end = extent->offset + extent->length;
        total += extent->length;
    }
    return total == tar->stored;
}

/* Hands the entry over; its data comes next. */
static int begin_entry(struct tsc_tar *tar, struct tsc_error *reterr) {
    bool file = tar->entry.type == TSC_TAR_FILE;
    if (file && !tar->sparse) {
        tar->extent_count = 0;
        if (add_extent(tar, 0, tar->entry.size) < 0)
            return tsc_fail(reterr, -ENOMEM, "read tar entry", tar->entry.path);
    }
    if (file && !extents_hold(tar))
        return malformed(reterr, "read the map of a sparse file", tar->entry.path);
    tar->extent_now = 0;
    tar->extent_done = 0;
    tar->entry_open = file;
    int r = tar->sink->entry(tar->owner, &tar->entry, reterr);
    tar->state = IN_DATA;
    return r;
}

static void forget_pending(struct tsc_tar *tar) {
    text_clear(&tar->long_name);
    text_clear(&tar->long_link);
    text_clear(&tar->local);
}

static int read_old_sparse(struct tsc_tar *tar) {
    int64_t real = 0;
    if (parse_number(tar->block + GNU_REAL_SIZE, 12, &real) < 0 || real < 0)
        return -EBADMSG;
    tar->sparse = true;
    tar->entry.size = (uint64_t)real;
    return read_sparse_pairs(tar, tar->block + GNU_SPARSE, 4);
}

static int read_entry(struct tsc_tar *tar, struct tsc_error *reterr) {
    uint8_t type = tar->block[TYPE];
    tar->entry = (struct tsc_tar_entry){0};
    tar->extent_count = 0;
    tar->sparse = tar->sparse_map_in_data = false;
    read_names(tar);
    int r = read_numbers(tar);
    if (r == 0 && type == 'S')
        r = read_old_sparse(tar);
    if (r == 0 && tar->global.size)
        r = apply_records(tar, tar->global.bytes, tar->global.size);
    if (r == 0 && tar->local.size)
        r = apply_records(tar, tar->local.bytes, tar->local.size);
    if (r == 0)
        r = read_type(type, tar->entry.path, &tar->entry.type);
    if (r < 0)
        return tsc_fail(reterr, r, "read tar header", tar->entry.path);
    if (type != 0 && type != '0' && type != '7' && type != 'S')
        tar->stored = tar->entry.size = 0; /* some archivers put the size of a link's target there */
    tar->padding = (BLOCK - tar->stored % BLOCK) % BLOCK;
    if (type == 'S' && tar->block[GNU_EXTENDED]) {
        tar->state = IN_SPARSE_HEADER;
        return 0;
    }
    if (tar->sparse && tar->sparse_map_in_data) {
        tar->extent_count = 0;
        tar->map_expected = UINT64_MAX;
        tar->map_value = 0;
        tar->map_digits = false;
        tar->state = IN_SPARSE_MAP;
        return 0;
    }
    return begin_entry(tar, reterr);
}

static int read_header(struct tsc_tar *tar, struct tsc_error *reterr) {
    if (is_zero(tar->block)) {
        if (++tar->zero_blocks == 2)
            tar->state = AT_END;
        return 0;
    }
    if (tar->zero_blocks || !checksum_holds(tar->block))
        return malformed(reterr, "read tar header", "wrong checksum");
    char type = (char)tar->block[TYPE];
    if (!strchr("xgXLK", type) || type == 0)
        return read_entry(tar, reterr);
    int64_t size = 0;
    if (parse_number(tar->block + SIZE, 12, &size) < 0 || size < 0 || size > MAX_SPECIAL)
        return malformed(reterr, "read tar header", "extended header too large");
    text_clear(&tar->collected);
    tar->special = type;
    tar->stored = (uint64_t)size;
    tar->padding = (BLOCK - tar->stored % BLOCK) % BLOCK;
    tar->state = IN_SPECIAL;
    return 0;
}

static int end_special(struct tsc_tar *tar, struct tsc_error *reterr) {
    struct text *collected = &tar->collected;
    if (text_append(collected, NULL, 0) < 0)
        return tsc_fail(reterr, -ENOMEM, "read tar header", "");
    switch (tar->special) {
    case 'L':
    case 'K':
        collected->size = strlen((const char *)collected->bytes);
        text_move(tar->special == 'L' ? &tar->long_name : &tar->long_link, collected);
        break;
    case 'g':
        text_move(&tar->global, collected);
        break;
    default:
        text_move(&tar->local, collected);
    }
    tar->state = IN_PADDING;
    return 0;
}

/* Sparse format 1.0: decimal numbers, one a line, the first is the number of pairs; padded to a block. */
static int read_map_byte(struct tsc_tar *tar, uint8_t byte) {
    if (byte != '\n') {
        if (byte < '0' || byte > '9' || tar->map_value > (UINT64_MAX - 9) / 10)
            return -EBADMSG;
        tar->map_value = tar->map_value * 10 + (uint64_t)(byte - '0');
        tar->map_digits = true;
        return 0;
    }
    if (!tar->map_digits)
        return -EBADMSG;
    uint64_t value = tar->map_value;
    tar->map_value = 0;
    tar->map_digits = false;
    if (tar->map_expected == UINT64_MAX) {
        if (value > MAX_EXTENTS)
            return -EBADMSG;
        tar->map_expected = value * 2;
        return 0;
    }
    tar->map_expected--;
    if (tar->map_expected % 2 == 1)
        return add_extent(tar, value, 0);
    tar->extents[tar->extent_count - 1].length = value;
    return 0;
}

static int read_map_block(struct tsc_tar *tar, struct tsc_error *reterr) {
    if (tar->stored < BLOCK)
        return malformed(reterr, "read the map of a sparse file", tar->entry.path);
    tar->stored -= BLOCK;
    for (int i = 0; i < BLOCK && tar->map_expected != 0; i++) {
        int r = read_map_byte(tar, tar->block[i]);
        if (r < 0)
            return tsc_fail(reterr, r, "read the map of a sparse file", tar->entry.path);
    }
    return tar->map_expected == 0 ? begin_entry(tar, reterr) : 0;
}

static int read_sparse_header(struct tsc_tar *tar, struct tsc_error *reterr) {
    int r = read_sparse_pairs(tar, tar->block, 21);
    if (r < 0)
        return tsc_fail(reterr, r, "read the map of a sparse file", tar->entry.path);
    return tar->block[504] ? 0 : begin_entry(tar, reterr);
}

static int read_block(struct tsc_tar *tar, struct tsc_error *reterr) {
    switch (tar->state) {
    case AT_HEADER:
        return read_header(tar, reterr);
    case IN_SPARSE_HEADER:
        return read_sparse_header(tar, reterr);
    default:
        return read_map_block(tar, reterr);
    }
}

/* Takes what it can of `bytes` as data of the present entry. */
static int take_data(struct tsc_tar *tar, const uint8_t *bytes, size_t length, struct tsc_error *reterr) {
    while (length > 0) {
        const struct extent *extent = &tar->extents[tar->extent_now];
        uint64_t left = extent->length - tar->extent_done;
        if (left == 0) {
            tar->extent_now++;
            tar->extent_done = 0;
            continue;
        }
        size_t part = left < length ? (size_t)left : length;
        int r = tar->sink->data(tar->owner, extent->offset + tar->extent_done, bytes, part, reterr);
        if (r < 0)
            return r;
        tar->extent_done += part;
        bytes += part;
        length -= part;
    }
    return 0;
}

static int end_entry(struct tsc_tar *tar, struct tsc_error *reterr) {
    int r = tar->entry_open ? tar->sink->end(tar->owner, reterr) : 0;
    tar->entry_open = false;
    forget_pending(tar);
    tar->state = IN_PADDING;
    return r;
}

/* Consumes some bytes in the present state; how many is stored in `ret_used`, which may be 0 at a change of state. */
static int step(struct tsc_tar *tar, const uint8_t *bytes, size_t length, size_t *ret_used,
                struct tsc_error *reterr) {
    size_t part = tar->stored < length ? (size_t)tar->stored : length;
    int r = 0;
    switch (tar->state) {
    case IN_SPECIAL:
        if (text_append(&tar->collected, bytes, part) < 0)
            return tsc_fail(reterr, -ENOMEM, "read tar header", "");
        tar->stored -= part;
        *ret_used = part;
        return tar->stored == 0 ? end_special(tar, reterr) : 0;
    case IN_DATA:
        r = take_data(tar, bytes, part, reterr);
        tar->stored -= part;
        *ret_used = part;
        return r < 0 || tar->stored > 0 ? r : end_entry(tar, reterr);
    case IN_PADDING:
        part = tar->padding < length ? (size_t)tar->padding : length;
        tar->padding -= part;
        *ret_used = part;
        if (tar->padding == 0)
            tar->state = AT_HEADER;
        return 0;
    case AT_END:
        *ret_used = length;
        return 0;
    default:
        part = BLOCK - tar->filled < length ? BLOCK - tar->filled : length;
        memcpy(tar->block + tar->filled, bytes, part);
        tar->filled += part;
        *ret_used = part;
        if (tar->filled < BLOCK)
            return 0;
        tar->filled = 0;
        return read_block(tar, reterr);
    }
}

/* Whether the present state can end without another byte. */
static bool is_due(const struct tsc_tar *tar) {
    return ((tar->state == IN_DATA || tar->state == IN_SPECIAL) && tar->stored == 0) ||
           (tar->state == IN_PADDING && tar->padding == 0);
}

int tsc_tar_write(struct tsc_tar *tar, const uint8_t *bytes, size_t length, struct tsc_error *reterr) {
    while (length > 0 || is_due(tar)) {
        size_t used = 0;
        int r = step(tar, bytes, length, &used, reterr);
        if (r < 0)
            return r;
        bytes += used;
        length -= used;
    }
    return 0;
}

int tsc_tar_finish(const struct tsc_tar *tar, struct tsc_error *reterr) {
    bool between = tar->state == AT_HEADER && tar->filled == 0;
    bool pending = tar->local.size || tar->long_name.size || tar->long_link.size;
    if (tar->state == AT_END || (between && !pending))
        return 0;
    return malformed(reterr, "read tar archive", "it ends in the middle of an entry");
}

int tsc_tar_new(const struct tsc_tar_sink *sink, void *owner, struct tsc_tar **ret_tar,
                struct tsc_error *reterr) {
    struct tsc_tar *tar = calloc(1, sizeof(*tar));
    if (!tar)
        return tsc_fail(reterr, -ENOMEM, "read tar archive", "");
    tar->sink = sink;
    tar->owner = owner;
    *ret_tar = tar;
    return 0;
}

void tsc_tar_free(struct tsc_tar *tar) {
    if (!tar)
        return;
    free(tar->collected.bytes);
    free(tar->long_name.bytes);
    free(tar->long_link.bytes);
    free(tar->local.bytes);
    free(tar->global.bytes);
    free(tar->xattrs);
    free(tar->extents);
    free(tar);
}
