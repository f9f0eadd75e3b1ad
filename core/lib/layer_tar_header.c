/* One header block of a tar archive: where its fields are and how they are written. */
#include <errno.h>
#include <string.h>

#include "layer_tar_parts.h"

int tsc_tar_number(const uint8_t *field, size_t width, int64_t *ret_number) {
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

bool tsc_tar_checksum_holds(const uint8_t *block) {
    int64_t stored = 0;
    int64_t as_unsigned = 0;
    int64_t as_signed = 0;
    if (tsc_tar_number(block + CHECKSUM, 8, &stored) < 0)
        return false;
    for (int i = 0; i < BLOCK; i++) {
        bool blank = i >= CHECKSUM && i < CHECKSUM + 8;
        as_unsigned += blank ? ' ' : block[i];
        as_signed += blank ? ' ' : (int8_t)block[i];
    }
    return stored == as_unsigned || stored == as_signed;
}

void tsc_tar_read_names(struct tsc_tar *tar) {
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

int tsc_tar_read_numbers(struct tsc_tar *tar) {
    const uint8_t *block = tar->block;
    int64_t mode = 0, uid = 0, gid = 0, size = 0, mtime = 0, major = 0, minor = 0;
    int r = tsc_tar_number(block + MODE, 8, &mode) | tsc_tar_number(block + UID, 8, &uid) |
            tsc_tar_number(block + GID, 8, &gid) | tsc_tar_number(block + SIZE, 12, &size) |
            tsc_tar_number(block + MTIME, 12, &mtime);
    if (block[TYPE] == '3' || block[TYPE] == '4')
        r |= tsc_tar_number(block + MAJOR, 8, &major) | tsc_tar_number(block + MINOR, 8, &minor);
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

int tsc_tar_read_type(uint8_t type, const char *path, enum tsc_tar_type *ret_type) {
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

int tsc_tar_read_sparse_pairs(struct tsc_tar *tar, const uint8_t *pairs, unsigned count) {
    for (unsigned i = 0; i < count; i++, pairs += 24) {
        int64_t offset = 0;
        int64_t length = 0;
        if (pairs[12] == 0)
            break;
        if (tsc_tar_number(pairs, 12, &offset) < 0 || tsc_tar_number(pairs + 12, 12, &length) < 0 ||
            offset < 0 || length < 0)
            return -EBADMSG;
        int r = tsc_tar_add_extent(tar, (uint64_t)offset, (uint64_t)length);
        if (r < 0)
            return r;
    }
    return 0;
}
