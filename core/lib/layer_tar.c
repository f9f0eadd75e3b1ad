/* The tar reader: a state machine over blocks of 512 bytes. */
#include <string.h>

#include "cleanup.h"
#include "error.h"
#include "layer_tar_parts.h"

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

int tsc_tar_add_extent(struct tsc_tar *tar, uint64_t offset, uint64_t length) {
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

static bool is_zero(const uint8_t *block) {
    return block[0] == 0 && memcmp(block, block + 1, BLOCK - 1) == 0;
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
        if (tsc_tar_add_extent(tar, 0, tar->entry.size) < 0)
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
    if (tsc_tar_number(tar->block + GNU_REAL_SIZE, 12, &real) < 0 || real < 0)
        return -EBADMSG;
    tar->sparse = true;
    tar->entry.size = (uint64_t)real;
    return tsc_tar_read_sparse_pairs(tar, tar->block + GNU_SPARSE, 4);
}

static int read_entry(struct tsc_tar *tar, struct tsc_error *reterr) {
    uint8_t type = tar->block[TYPE];
    tar->entry = (struct tsc_tar_entry){0};
    tar->extent_count = 0;
    tar->sparse = tar->sparse_map_in_data = false;
    tsc_tar_read_names(tar);
    int r = tsc_tar_read_numbers(tar);
    if (r == 0 && type == 'S')
        r = read_old_sparse(tar);
    if (r == 0 && tar->global.size)
        r = tsc_tar_apply_pax(tar, tar->global.bytes, tar->global.size);
    if (r == 0 && tar->local.size)
        r = tsc_tar_apply_pax(tar, tar->local.bytes, tar->local.size);
    if (r == 0)
        r = tsc_tar_read_type(type, tar->entry.path, &tar->entry.type);
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
    if (tar->zero_blocks || !tsc_tar_checksum_holds(tar->block))
        return malformed(reterr, "read tar header", "wrong checksum");
    char type = (char)tar->block[TYPE];
    if (!strchr("xgXLK", type) || type == 0)
        return read_entry(tar, reterr);
    int64_t size = 0;
    if (tsc_tar_number(tar->block + SIZE, 12, &size) < 0 || size < 0 || size > MAX_SPECIAL)
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
        return tsc_tar_add_extent(tar, value, 0);
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
    int r = tsc_tar_read_sparse_pairs(tar, tar->block, 21);
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
