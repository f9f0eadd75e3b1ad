/* Questions over UDP: answered from the name tables, or forwarded to one server after the other. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "dns_parts.h"

enum { FORWARDS_MAX = 512 };

/* A question that waits for a server's datagram. */
struct tsc_dns_forward {
    struct tsc_dns *dns;
    uint16_t id; /* ours; the asker's is in the query */
    struct sockaddr_in asker;
    size_t tries;
    size_t udp_size;
    struct tsc_timer limit;
    struct tsc_dns_forward *next;
    size_t size;
    uint8_t query[]; /* as the asker wrote it */
};

static bool same_address(const union tsc_dns_server *a, const union tsc_dns_server *b) {
    if (a->any.sa_family != b->any.sa_family)
        return false;
    if (a->any.sa_family == AF_INET)
        return a->in.sin_addr.s_addr == b->in.sin_addr.s_addr && a->in.sin_port == b->in.sin_port;
    return memcmp(&a->in6.sin6_addr, &b->in6.sin6_addr, 16) == 0 && a->in6.sin6_port == b->in6.sin6_port;
}

static void forward_free(struct tsc_dns_forward *forward) {
    struct tsc_dns *dns = forward->dns;
    tsc_timer_clear(&dns->shim->loop, &forward->limit);
    for (struct tsc_dns_forward **at = &dns->forwards; *at; at = &(*at)->next)
        if (*at == forward) {
            *at = forward->next;
            break;
        }
    dns->forward_count--;
    free(forward);
}

static void reply(const struct tsc_dns *dns, const struct sockaddr_in *asker, const uint8_t *answer,
                  size_t size) {
    (void)!sendto(dns->udp.fd, answer, size, MSG_DONTWAIT, (const struct sockaddr *)asker, sizeof(*asker));
}

static void reply_failure(const struct tsc_dns *dns, const struct sockaddr_in *asker, const uint8_t *query,
                          size_t size) {
    struct tsc_dns_question question;
    uint8_t answer[TSC_DNS_UDP_MIN];
    if (tsc_dns_parse(query, size, &question) == 0)
        reply(dns, asker, answer, tsc_dns_refuse(query, &question, TSC_DNS_SERVER_FAILURE, answer));
}

static uint16_t new_id(const struct tsc_dns *dns) {
    for (;;) {
        uint16_t id = 0;
        bool taken = getrandom(&id, sizeof(id), 0) != sizeof(id);
        for (const struct tsc_dns_forward *forward = dns->forwards; forward; forward = forward->next)
            taken = taken || forward->id == id;
        if (!taken)
            return id;
    }
}

/* To the next server; after all of them had their turns the asker is told that it failed. */
static void forward_try(void *data) {
    struct tsc_dns_forward *forward = data;
    struct tsc_dns *dns = forward->dns;
    while (forward->tries < dns->server_count * TSC_DNS_ROUNDS) {
        const union tsc_dns_server *server = &dns->servers[forward->tries++ % dns->server_count];
        int fd = dns->upstream[server->any.sa_family == AF_INET ? 0 : 1].fd;
        uint8_t id[2] = {forward->query[0], forward->query[1]};
        forward->query[0] = (uint8_t)(forward->id >> 8);
        forward->query[1] = (uint8_t)forward->id;
        ssize_t sent = fd < 0 ? -1
                              : sendto(fd, forward->query, forward->size, MSG_DONTWAIT, &server->any,
                                       tsc_dns_server_size(server));
        memcpy(forward->query, id, 2);
        if (sent < 0)
            continue;
        tsc_timer_set(&dns->shim->loop, &forward->limit, TSC_DNS_TRY_MS);
        return;
    }
    reply_failure(dns, &forward->asker, forward->query, forward->size);
    forward_free(forward);
}

static void forward_start(struct tsc_dns *dns, const struct sockaddr_in *asker, const uint8_t *query,
                          size_t size, size_t udp_size) {
    struct tsc_dns_forward *forward =
        dns->forward_count < FORWARDS_MAX ? malloc(sizeof(*forward) + size) : NULL;
    if (!forward) {
        reply_failure(dns, asker, query, size);
        return;
    }
    *forward = (struct tsc_dns_forward){.dns = dns,
                                        .id = new_id(dns),
                                        .asker = *asker,
                                        .udp_size = udp_size,
                                        .next = dns->forwards,
                                        .size = size};
    forward->limit = (struct tsc_timer){.fire = forward_try, .data = forward};
    memcpy(forward->query, query, size);
    dns->forwards = forward;
    dns->forward_count++;
    forward_try(forward);
}

static struct tsc_dns_forward *find_forward(const struct tsc_dns *dns, const uint8_t *answer, size_t size,
                                            struct tsc_dns_question *ret_question) {
    uint16_t id = (uint16_t)(answer[0] << 8 | answer[1]);
    for (struct tsc_dns_forward *forward = dns->forwards; forward; forward = forward->next) {
        if (forward->id != id || tsc_dns_parse(forward->query, forward->size, ret_question) < 0)
            continue;
        size_t length = ret_question->end - TSC_DNS_HEADER;
        /* The question comes back with the answer: one more thing that a forger would have to guess. */
        if (size >= ret_question->end &&
            memcmp(answer + TSC_DNS_HEADER, forward->query + TSC_DNS_HEADER, length) == 0)
            return forward;
    }
    return NULL;
}

static void upstream_ready(struct tsc_dns *dns, int fd) {
    union tsc_dns_server from = {0};
    socklen_t length = sizeof(from);
    uint8_t *answer = (uint8_t *)dns->shim->buffer;
    ssize_t size = recvfrom(fd, answer, TSC_BUFFER_SIZE, MSG_DONTWAIT, &from.any, &length);
    if (size < TSC_DNS_HEADER || !(answer[2] & 0x80))
        return;
    bool known = false;
    for (size_t i = 0; i < dns->server_count; i++)
        known = known || same_address(&from, &dns->servers[i]);
    struct tsc_dns_question question;
    struct tsc_dns_forward *forward = known ? find_forward(dns, answer, (size_t)size, &question) : NULL;
    if (!forward)
        return;
    /* A server that cannot is asked no more; another may know. */
    unsigned code = answer[3] & 15;
    if ((code == TSC_DNS_SERVER_FAILURE || code == 5) && forward->tries < dns->server_count) {
        forward_try(forward);
        return;
    }
    memcpy(answer, forward->query, 2);
    if ((size_t)size > forward->udp_size) {
        answer[2] |= 0x02; /* truncated: only the question, the asker comes again over TCP */
        memset(answer + 6, 0, 6);
        size = (ssize_t)question.end;
    }
    reply(dns, &forward->asker, answer, (size_t)size);
    forward_free(forward);
}

void tsc_dns_upstream4_ready(void *data, uint32_t events) {
    (void)events;
    struct tsc_dns *dns = data;
    upstream_ready(dns, dns->upstream[0].fd);
}

void tsc_dns_upstream6_ready(void *data, uint32_t events) {
    (void)events;
    struct tsc_dns *dns = data;
    upstream_ready(dns, dns->upstream[1].fd);
}

void tsc_dns_datagram_ready(void *data, uint32_t events) {
    (void)events;
    struct tsc_dns *dns = data;
    struct sockaddr_in asker;
    socklen_t length = sizeof(asker);
    uint8_t query[4096];
    uint8_t answer[4096];
    size_t answer_size = 0;
    ssize_t size =
        recvfrom(dns->udp.fd, query, sizeof(query), MSG_DONTWAIT, (struct sockaddr *)&asker, &length);
    struct tsc_dns_question question;
    if (size < 0 || tsc_dns_parse(query, (size_t)size, &question) < 0)
        return;
    size_t limit = question.udp_size < sizeof(answer) ? question.udp_size : sizeof(answer);
    if (tsc_dns_answer_own(dns, query, &question, limit, answer, &answer_size) == TSC_DNS_ANSWERED)
        reply(dns, &asker, answer, answer_size);
    else
        forward_start(dns, &asker, query, (size_t)size, question.udp_size);
}
