/* An archive that is being written, as its parts see it. */
#ifndef TSC_LAYER_PACK_H
#define TSC_LAYER_PACK_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

enum {
    BLOCK = 512,
    BUFFER = 256 * 1024,
};

struct link;
struct level;

struct pack {
    int output;
    uint32_t flags;
    uint64_t mount; /* of the start, when other mounts are left out */
    uint64_t written;
    uint8_t *buffer; /* pending output, then BUFFER bytes to read into */
    size_t pending;
    char path[PATH_MAX]; /* in the archive */
    struct level *levels;
    size_t depth;
    struct link *links; /* open addressing; the capacity is a power of two */
    size_t link_count, link_capacity;
    char *pax;
    size_t pax_size, pax_capacity;
};

/* What is said of an entry before its data. */
struct header {
    const char *path, *link;
    char type;
    uint32_t mode, uid, gid;
    uint64_t size;
    dev_t device;
    struct timespec mtime;
};

int tsc_pack_flush(struct pack *pack);
int tsc_pack_put(struct pack *pack, const void *bytes, size_t length);
/* After `size` bytes of data. */
int tsc_pack_put_padding(struct pack *pack, uint64_t size);

/* One record of the PAX header that comes before the next header. */
int tsc_pack_add_pax(struct pack *pack, const char *key, const void *value, size_t length);
/* What does not fit the classic header goes into a PAX header before it, with the records that were added. */
int tsc_pack_put_header(struct pack *pack, const struct header *header);

#endif
