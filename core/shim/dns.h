/* The name server of a container's network namespace. */
#ifndef TSC_DNS_H
#define TSC_DNS_H

#include <netinet/in.h>

#include "names.h"

int tsc_dns_open(struct tsc_shim *shim, struct tsc_error *reterr);
/* Sockets for forwarding, made while the shim still is in the host's network. */
void tsc_dns_open_upstream(struct tsc_shim *shim);

/* dns_redirect.c: what is sent to `port` of `address` arrives at these, and the answers come from there. All ports
 * in network byte order; -errno when this kernel has no nf_tables. The socket stays open: for some milliseconds the
 * kernel would let nobody close it. */
int tsc_dns_redirect(in_addr_t address, uint16_t port, uint16_t udp_port, uint16_t tcp_port, int *ret_socket);

/* --- the message, pure: dns_message.c --- */

enum {
    TSC_DNS_NAME_MAX = 254,
    TSC_DNS_HEADER = 12,
    TSC_DNS_UDP_MIN = 512,
    TSC_DNS_MESSAGE_MAX = 65535,
    TSC_DNS_ANSWERS_MAX = 512,
};

struct tsc_dns_question {
    char name[TSC_DNS_NAME_MAX + 1]; /* lower case, without the final dot */
    uint16_t type;
    uint16_t class;
    size_t end;      /* where the question ends in the message */
    size_t udp_size; /* what the asker takes: EDNS, or 512 */
    bool edns;
};

/* 0, or -EBADMSG for what is no plain query with one question. */
int tsc_dns_parse(const uint8_t *message, size_t size, struct tsc_dns_question *ret);

enum tsc_dns_verdict {
    TSC_DNS_ANSWERED, /* the answer is in the buffer */
    TSC_DNS_FORWARD,  /* not ours */
};

/* What of the names answers a question. */
struct tsc_dns_search {
    const struct tsc_dns_question *question;
    int family;
    uint8_t address[16]; /* whose name is asked for */
    bool known;          /* the name, if with other addresses */
    uint8_t pointer[TSC_DNS_NAME_MAX + 2];
    size_t pointer_size;
    size_t count;
    uint8_t addresses[TSC_DNS_ANSWERS_MAX][16];
};

void tsc_dns_search_for(struct tsc_dns_search *search, const struct tsc_dns_question *question);
/* Looks at one name; in the end at all there are, in their order. */
void tsc_dns_look_at(struct tsc_dns_search *search, const struct tsc_name *name);

/* Answers with what was found, beginning with its number `turn`; at most `limit` bytes, truncated if more. */
enum tsc_dns_verdict tsc_dns_answer(const uint8_t *query, const struct tsc_dns_search *search, unsigned turn,
                                    size_t limit, uint8_t *answer, size_t *ret_size);
/* The same question with an error code (2: server failure) and nothing else. */
size_t tsc_dns_refuse(const uint8_t *query, const struct tsc_dns_question *question, unsigned code,
                      uint8_t *answer);

#endif
