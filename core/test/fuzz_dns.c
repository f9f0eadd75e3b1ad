/* Fuzz target: the DNS parser takes any bytes, and the answers stay within their limit. */
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "dns.h"
#include "fuzz.h"

static const struct tsc_name names[] = {
    {"db", AF_INET, {10, 0, 0, 2}},      {"db", AF_INET, {10, 0, 0, 3}},  {"web", AF_INET, {10, 0, 0, 4}},
    {"web", AF_INET6, {0xfd, [15] = 1}}, {"a.b", AF_INET, {10, 0, 0, 5}},
};

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    struct tsc_dns_question question;
    if (tsc_dns_parse(bytes, size, &question) < 0)
        return 0;
    if (question.end > size || strlen(question.name) > TSC_DNS_NAME_MAX)
        abort();
    size_t limit = TSC_DNS_UDP_MIN + (size > 0 ? bytes[0] : 0);
    uint8_t *answer = malloc(limit);
    size_t length = 0;
    struct tsc_dns_search search;
    tsc_dns_search_for(&search, &question);
    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
        tsc_dns_look_at(&search, &names[i]);
    if (tsc_dns_answer(bytes, &search, 1, limit, answer, &length) == TSC_DNS_ANSWERED) {
        if (length < TSC_DNS_HEADER || length > limit || !(answer[2] & 0x80))
            abort();
    }
    if (tsc_dns_refuse(bytes, &question, 2, answer) > TSC_DNS_UDP_MIN)
        abort();
    free(answer);
    return 0;
}

size_t fuzz_seed(unsigned which, uint8_t *bytes) {
    static const uint8_t header[] = {0, 1, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0};
    static const char *const questions[] = {"\2db", "\3web", "\1a\1b",
                                            "\0012\0010\0010\00210\7in-addr\4arpa"};
    static const uint8_t types[] = {1, 28, 12, 15};
    static const uint8_t option[] = {0, 0, 41, 16, 0, 0, 0, 0, 0, 0, 0};
    const char *question = questions[which % 4];
    size_t size = sizeof(header);
    memcpy(bytes, header, size);
    memcpy(bytes + size, question, strlen(question) + 1);
    size += strlen(question) + 1;
    const uint8_t tail[] = {0, types[which / 4 % 4], 0, 1};
    memcpy(bytes + size, tail, sizeof(tail));
    size += sizeof(tail);
    if (which % 3 == 0) {
        bytes[11] = 1;
        memcpy(bytes + size, option, sizeof(option));
        size += sizeof(option);
    }
    return size;
}
