/* PAX headers: records that say what does not fit into the block after them. */
#include <string.h>

#include "cleanup.h"
#include "layer_tar_parts.h"

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
            r = tsc_tar_add_extent(tar, pair[0], pair[1]);
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
        return tsc_tar_add_extent(tar, number, 0);
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
int tsc_tar_apply_pax(struct tsc_tar *tar, uint8_t *bytes, size_t size) {
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
