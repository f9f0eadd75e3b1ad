/* What an archive consists of: headers, PAX records, padding, written through a buffer. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>

#include "fd.h"
#include "layer_pack.h"

int tsc_pack_flush(struct pack *pack) {
    int r = tsc_fd_write_full(pack->output, pack->buffer, pack->pending);
    pack->pending = 0;
    return r;
}

int tsc_pack_put(struct pack *pack, const void *bytes, size_t length) {
    const uint8_t *at = bytes;
    pack->written += length;
    while (length > 0) {
        size_t space = BUFFER - pack->pending;
        size_t part = length < space ? length : space;
        memcpy(pack->buffer + pack->pending, at, part);
        pack->pending += part;
        at += part;
        length -= part;
        int r = pack->pending == BUFFER ? tsc_pack_flush(pack) : 0;
        if (r < 0)
            return r;
    }
    return 0;
}

int tsc_pack_put_padding(struct pack *pack, uint64_t size) {
    static const uint8_t zeros[BLOCK];
    return tsc_pack_put(pack, zeros, (BLOCK - size % BLOCK) % BLOCK);
}

int tsc_pack_add_pax(struct pack *pack, const char *key, const void *value, size_t length) {
    size_t rest = strlen(key) + length + 3; /* blank, equals sign, newline */
    size_t digits = 1;
    size_t total = rest + digits;
    for (size_t limit = 10; total >= limit; limit *= 10)
        total = rest + ++digits;
    if (pack->pax_size + total + 1 > pack->pax_capacity) {
        size_t capacity = (pack->pax_size + total + 1) * 2;
        char *grown = realloc(pack->pax, capacity);
        if (!grown)
            return -ENOMEM;
        pack->pax = grown;
        pack->pax_capacity = capacity;
    }
    char *at = pack->pax + pack->pax_size;
    int head = snprintf(at, total + 1, "%zu %s=", total, key);
    memcpy(at + head, value, length);
    at[total - 1] = '\n';
    pack->pax_size += total;
    return 0;
}

static int pax_add_text(struct pack *pack, const char *key, const char *text) {
    return tsc_pack_add_pax(pack, key, text, strlen(text));
}

static int pax_add_number(struct pack *pack, const char *key, uint64_t number) {
    char text[24];
    snprintf(text, sizeof(text), "%llu", (unsigned long long)number);
    return pax_add_text(pack, key, text);
}

static int pax_add_time(struct pack *pack, const struct timespec *time) {
    char text[48];
    long long seconds = (long long)time->tv_sec;
    long nanoseconds = time->tv_nsec;
    const char *sign = "";
    if (seconds < 0) {
        /* the fraction counts away from zero in text, upwards in a timespec */
        sign = "-";
        seconds = nanoseconds > 0 ? -seconds - 1 : -seconds;
        nanoseconds = nanoseconds > 0 ? 1000000000 - nanoseconds : 0;
    }
    snprintf(text, sizeof(text), "%s%lld.%09ld", sign, seconds, nanoseconds);
    return pax_add_text(pack, "mtime", text);
}

static void put_octal(uint8_t *field, size_t width, uint64_t value) {
    for (size_t i = width - 1; i-- > 0; value >>= 3)
        field[i] = (uint8_t)('0' + (value & 7));
    field[width - 1] = 0;
}

static bool fits_octal(uint64_t value, unsigned digits) {
    return value >> (3 * digits) == 0;
}

static int put_block(struct pack *pack, const struct header *header) {
    uint8_t block[BLOCK] = {0};
    memcpy(block, header->path, strnlen(header->path, 100));
    put_octal(block + 100, 8, header->mode);
    put_octal(block + 108, 8, fits_octal(header->uid, 7) ? header->uid : 0);
    put_octal(block + 116, 8, fits_octal(header->gid, 7) ? header->gid : 0);
    put_octal(block + 124, 12, fits_octal(header->size, 11) ? header->size : 0);
    put_octal(block + 136, 12, header->mtime.tv_sec > 0 ? (uint64_t)header->mtime.tv_sec : 0);
    block[156] = (uint8_t)header->type;
    memcpy(block + 157, header->link, strnlen(header->link, 100));
    memcpy(block + 257, "ustar\00000", 8);
    put_octal(block + 329, 8, major(header->device));
    put_octal(block + 337, 8, minor(header->device));
    memset(block + 148, ' ', 8);
    uint32_t sum = 0;
    for (size_t i = 0; i < BLOCK; i++)
        sum += block[i];
    put_octal(block + 148, 7, sum);
    return tsc_pack_put(pack, block, BLOCK);
}

int tsc_pack_put_header(struct pack *pack, const struct header *header) {
    int r = 0;
    if (strlen(header->path) > 100)
        r = pax_add_text(pack, "path", header->path);
    if (r == 0 && strlen(header->link) > 100)
        r = pax_add_text(pack, "linkpath", header->link);
    if (r == 0 && !fits_octal(header->uid, 7))
        r = pax_add_number(pack, "uid", header->uid);
    if (r == 0 && !fits_octal(header->gid, 7))
        r = pax_add_number(pack, "gid", header->gid);
    if (r == 0 && !fits_octal(header->size, 11))
        r = pax_add_number(pack, "size", header->size);
    if (r == 0 && (header->mtime.tv_nsec != 0 || header->mtime.tv_sec < 0 ||
                   !fits_octal((uint64_t)header->mtime.tv_sec, 11)))
        r = pax_add_time(pack, &header->mtime);
    if (r == 0 && pack->pax_size > 0) {
        struct header extended = {
            .path = "PaxHeaders/entry", .link = "", .type = 'x', .mode = 0644, .size = pack->pax_size};
        r = put_block(pack, &extended);
        if (r == 0)
            r = tsc_pack_put(pack, pack->pax, pack->pax_size);
        if (r == 0)
            r = tsc_pack_put_padding(pack, pack->pax_size);
    }
    pack->pax_size = 0;
    return r < 0 ? r : put_block(pack, header);
}
