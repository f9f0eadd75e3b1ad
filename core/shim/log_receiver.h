/* Who receives log entries, at a socket, and the entries that he has not taken yet. */
#ifndef TSC_LOG_RECEIVER_H
#define TSC_LOG_RECEIVER_H

#include <netinet/in.h>
#include <sys/un.h>

#include "loop.h"
#include "text.h"

struct tsc_receiver {
    struct tsc_loop *loop;
    void (*relieved)(void *data); /* not full any more */
    void *data;
    bool patient; /* the container waits for him; otherwise entries beyond `limit` are lost */
    size_t limit; /* bytes; also while he is away */
    struct tsc_source source;
    struct tsc_timer retry;
    union {
        struct sockaddr any;
        struct sockaddr_in in;
        struct sockaddr_in6 in6;
        struct sockaddr_un un;
    } address;
    socklen_t address_size;
    int type; /* SOCK_*; 0: there is nobody */
    bool connected;
    struct tsc_text queue; /* each message has its length before it */
    size_t sent;           /* of the first one */
};

/* To "unix PATH", "unixgram PATH", "udp ADDRESS PORT" or "tcp ADDRESS PORT"; -errno when he is not there now. */
int tsc_receiver_open(struct tsc_receiver *receiver, const char *destination);
void tsc_receiver_send(struct tsc_receiver *receiver, const void *bytes, size_t size);
bool tsc_receiver_is_full(const struct tsc_receiver *receiver);
void tsc_receiver_close(struct tsc_receiver *receiver);

#endif
