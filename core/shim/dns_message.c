/* DNS messages: parsing a query and writing an answer, over buffers only. */
#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

#include "dns.h"

enum {
    TYPE_A = 1,
    TYPE_PTR = 12,
    TYPE_AAAA = 28,
    TYPE_OPT = 41,
    CLASS_IN = 1,
    CLASS_ANY = 255,
    LABEL_MAX = 63,
    TTL_SECONDS = 10, /* replicas come and go */
    OPT_SIZE = 11,
    OPT_UDP_SIZE = 1232,
    FLAG_QR = 0x80, /* first byte of the flags */
    FLAG_OPCODE = 0x78,
    FLAG_TRUNCATED = 0x02,
    FLAG_RD = 0x01,
    FLAG_RA = 0x80, /* second byte */
};

struct writer {
    uint8_t *bytes;
    size_t size;
    size_t limit;
};

static uint16_t get16(const uint8_t *p) {
    return (uint16_t)(p[0] << 8 | p[1]);
}

static void put16(uint8_t *p, unsigned value) {
    p[0] = (uint8_t)(value >> 8);
    p[1] = (uint8_t)value;
}

/* The name of a question, which may not be compressed: nothing comes before it. */
static bool take_name(const uint8_t *message, size_t size, size_t *at, char name[TSC_DNS_NAME_MAX + 1]) {
    size_t length = 0;
    for (;;) {
        if (*at >= size)
            return false;
        uint8_t label = message[(*at)++];
        if (label == 0)
            break;
        if (label > LABEL_MAX || size - *at < label || length + label + 1 > TSC_DNS_NAME_MAX)
            return false;
        if (length > 0)
            name[length++] = '.';
        for (uint8_t i = 0; i < label; i++) {
            uint8_t c = message[*at + i];
            if (c == 0 || c == '.')
                return false; /* could pretend to be another name */
            name[length++] = (char)tolower(c);
        }
        *at += label;
    }
    name[length] = '\0';
    return true;
}

/* Past a name that may end in a compression pointer. */
static bool skip_name(const uint8_t *message, size_t size, size_t *at) {
    while (*at < size) {
        uint8_t label = message[*at];
        if ((label & 0xC0) == 0xC0) {
            *at += 2;
            return *at <= size;
        }
        if (label > LABEL_MAX)
            return false;
        *at += (size_t)label + 1;
        if (label == 0)
            return *at <= size;
    }
    return false;
}

static bool take_records(const uint8_t *message, size_t size, struct tsc_dns_question *ret) {
    size_t at = ret->end;
    unsigned count = (unsigned)get16(message + 6) + get16(message + 8) + get16(message + 10);
    for (unsigned i = 0; i < count; i++) {
        if (!skip_name(message, size, &at) || size - at < 10)
            return false;
        uint16_t type = get16(message + at);
        size_t length = get16(message + at + 8);
        if (type == TYPE_OPT) {
            uint16_t wanted = get16(message + at + 2);
            ret->edns = true;
            ret->udp_size = wanted > TSC_DNS_UDP_MIN ? wanted : TSC_DNS_UDP_MIN;
        }
        at += 10;
        if (size - at < length)
            return false;
        at += length;
    }
    return true;
}

int tsc_dns_parse(const uint8_t *message, size_t size, struct tsc_dns_question *ret) {
    *ret = (struct tsc_dns_question){.udp_size = TSC_DNS_UDP_MIN};
    if (size < TSC_DNS_HEADER || message[2] & (FLAG_QR | FLAG_OPCODE) || get16(message + 4) != 1)
        return -EBADMSG;
    size_t at = TSC_DNS_HEADER;
    if (!take_name(message, size, &at, ret->name) || size - at < 4)
        return -EBADMSG;
    ret->type = get16(message + at);
    ret->class = get16(message + at + 2);
    ret->end = at + 4;
    return take_records(message, size, ret) ? 0 : -EBADMSG;
}

/* --- the address that a PTR question asks for --- */

static bool parse_arpa4(const char *name, uint8_t address[16]) {
    unsigned part[4];
    int length = 0;
    if (sscanf(name, "%3u.%3u.%3u.%3u.in-addr.arpa%n", &part[3], &part[2], &part[1], &part[0], &length) !=
            4 ||
        length == 0 || name[length] != '\0')
        return false;
    for (int i = 0; i < 4; i++) {
        if (part[i] > 255)
            return false;
        address[i] = (uint8_t)part[i];
    }
    return true;
}

static bool parse_arpa6(const char *name, uint8_t address[16]) {
    if (strlen(name) != 72 || strcmp(name + 64, "ip6.arpa") != 0)
        return false;
    for (int i = 0; i < 32; i++) {
        char c = name[2 * i];
        if (!isxdigit((unsigned char)c) || name[2 * i + 1] != '.')
            return false;
        unsigned digit = isdigit((unsigned char)c) ? (unsigned)(c - '0') : (unsigned)(c - 'a' + 10);
        uint8_t *byte = &address[15 - i / 2];
        *byte = (uint8_t)(i % 2 == 0 ? digit : *byte | digit << 4);
    }
    return true;
}

/* --- writing --- */

static bool put(struct writer *writer, const void *bytes, size_t size) {
    if (writer->limit - writer->size < size)
        return false;
    memcpy(writer->bytes + writer->size, bytes, size);
    writer->size += size;
    return true;
}

/* `name` points at the question. */
static bool put_record(struct writer *writer, uint16_t type, const uint8_t *data, size_t length) {
    uint8_t head[12] = {0xC0, TSC_DNS_HEADER};
    put16(head + 2, type);
    put16(head + 4, CLASS_IN);
    put16(head + 8, TTL_SECONDS);
    put16(head + 10, (unsigned)length);
    if (writer->limit - writer->size < sizeof(head) + length)
        return false;
    return put(writer, head, sizeof(head)) && put(writer, data, length);
}

static size_t encode_name(const char *name, uint8_t encoded[TSC_DNS_NAME_MAX + 2]) {
    size_t size = 0;
    while (*name) {
        size_t length = strcspn(name, ".");
        if (length == 0 || length > LABEL_MAX || size + length + 2 > TSC_DNS_NAME_MAX)
            return 0;
        encoded[size++] = (uint8_t)length;
        memcpy(encoded + size, name, length);
        size += length;
        name += length + (name[length] == '.');
    }
    encoded[size++] = 0;
    return size;
}

static void begin(struct writer *writer, const uint8_t *query, const struct tsc_dns_question *question,
                  unsigned code) {
    put(writer, query, question->end);
    uint8_t *header = writer->bytes;
    header[2] = (uint8_t)(FLAG_QR | (query[2] & FLAG_RD));
    header[3] = (uint8_t)(FLAG_RA | code);
    memset(header + 6, 0, 6);
    /* The OPT record comes last, but its place is kept from the beginning. */
    if (question->edns)
        writer->limit -= OPT_SIZE;
}

static void end(struct writer *writer, const struct tsc_dns_question *question, unsigned answers) {
    put16(writer->bytes + 6, answers);
    if (!question->edns)
        return;
    uint8_t option[OPT_SIZE] = {0, 0, TYPE_OPT};
    put16(option + 3, OPT_UDP_SIZE);
    writer->limit += OPT_SIZE;
    put(writer, option, sizeof(option));
    put16(writer->bytes + 10, 1);
}

size_t tsc_dns_refuse(const uint8_t *query, const struct tsc_dns_question *question, unsigned code,
                      uint8_t *answer) {
    struct writer writer = {answer, 0, TSC_DNS_UDP_MIN};
    begin(&writer, query, question, code);
    end(&writer, question, 0);
    return writer.size;
}

/* --- what the answer is made of --- */

static int asked_family(const struct tsc_dns_question *question, uint8_t address[16]) {
    if (question->type == TYPE_A)
        return AF_INET;
    if (question->type == TYPE_AAAA)
        return AF_INET6;
    if (question->type != TYPE_PTR)
        return 0;
    return parse_arpa4(question->name, address)   ? AF_INET
           : parse_arpa6(question->name, address) ? AF_INET6
                                                  : 0;
}

void tsc_dns_search_for(struct tsc_dns_search *search, const struct tsc_dns_question *question) {
    memset(search, 0, offsetof(struct tsc_dns_search, addresses));
    search->question = question;
    search->family = asked_family(question, search->address);
}

static bool has_address(const struct tsc_dns_search *search, const uint8_t *address) {
    for (size_t i = 0; i < search->count; i++)
        if (memcmp(search->addresses[i], address, sizeof(search->addresses[i])) == 0)
            return true;
    return false;
}

static void search_pointer(struct tsc_dns_search *search, const struct tsc_name *name) {
    bool fits = name->family == search->family &&
                memcmp(name->address, search->address, sizeof(search->address)) == 0;
    if (search->pointer_size == 0 && fits)
        search->pointer_size = encode_name(name->name, search->pointer);
}

void tsc_dns_look_at(struct tsc_dns_search *search, const struct tsc_name *name) {
    if (search->question->type == TYPE_PTR) {
        search_pointer(search, name);
        return;
    }
    if (strcasecmp(name->name, search->question->name) != 0)
        return;
    search->known = true;
    if (name->family == search->family && search->count < TSC_DNS_ANSWERS_MAX &&
        !has_address(search, name->address))
        memcpy(search->addresses[search->count++], name->address, sizeof(name->address));
}

static enum tsc_dns_verdict answer_pointer(struct writer *writer, const uint8_t *query,
                                           const struct tsc_dns_search *search) {
    if (search->pointer_size == 0)
        return TSC_DNS_FORWARD;
    begin(writer, query, search->question, 0);
    end(writer, search->question, put_record(writer, TYPE_PTR, search->pointer, search->pointer_size));
    return TSC_DNS_ANSWERED;
}

enum tsc_dns_verdict tsc_dns_answer(const uint8_t *query, const struct tsc_dns_search *search, unsigned turn,
                                    size_t limit, uint8_t *answer, size_t *ret_size) {
    const struct tsc_dns_question *question = search->question;
    struct writer writer = {answer, 0, limit};
    if (question->class != CLASS_IN && question->class != CLASS_ANY)
        return TSC_DNS_FORWARD;
    if (question->type == TYPE_PTR) {
        enum tsc_dns_verdict verdict = answer_pointer(&writer, query, search);
        *ret_size = writer.size;
        return verdict;
    }
    if (!search->known)
        return TSC_DNS_FORWARD;
    /* A known name without such an address has none elsewhere: an empty answer, at once. */
    begin(&writer, query, question, 0);
    unsigned written = 0;
    size_t length = search->family == AF_INET ? 4 : 16;
    while (written < search->count) {
        const uint8_t *address = search->addresses[(turn + written) % search->count];
        if (!put_record(&writer, question->type, address, length))
            break;
        written++;
    }
    if (written < search->count)
        answer[2] |= FLAG_TRUNCATED;
    end(&writer, question, written);
    *ret_size = writer.size;
    return TSC_DNS_ANSWERED;
}
