/* Datagrams through published ports: a socket in the container's network for each client, as long as he sends. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "relay_parts.h"

enum {
    UDP_CLIENTS_MAX = 1024,
    UDP_BATCH = 64,
    UDP_EXPIRY_MS = 90000,
};

struct tsc_udp_client {
    struct tsc_relay *relay;
    struct tsc_source source; /* connected to the container */
    union tsc_address address;
    socklen_t address_size;
    uint8_t local[sizeof(struct in6_pktinfo)]; /* where it had sent to: answers come from there */
    int64_t used_ms;
    struct tsc_udp_client *next;
};

static void client_free(struct tsc_udp_client *client) {
    struct tsc_relay *relay = client->relay;
    tsc_loop_close(&relay->relays->shim->loop, &client->source);
    for (struct tsc_udp_client **at = &relay->clients; *at; at = &(*at)->next)
        if (*at == client) {
            *at = client->next;
            break;
        }
    relay->client_count--;
    free(client);
}

void tsc_relay_datagram_expire(void *data) {
    struct tsc_relay *relay = data;
    int64_t now = tsc_now();
    for (struct tsc_udp_client *client = relay->clients; client;) {
        struct tsc_udp_client *next = client->next;
        if (now - client->used_ms >= UDP_EXPIRY_MS)
            client_free(client);
        client = next;
    }
    if (relay->clients)
        tsc_timer_set(&relay->relays->shim->loop, &relay->expiry, UDP_EXPIRY_MS / 3);
}

union packet_control {
    char bytes[CMSG_SPACE(sizeof(struct in6_pktinfo))];
    struct cmsghdr align;
};

/* From the address to which the client had sent, or it would not know the answer. */
static void send_back(const struct tsc_udp_client *client, const char *bytes, size_t size) {
    struct tsc_relay *relay = client->relay;
    bool v4 = client->address.any.sa_family == AF_INET;
    struct iovec part = {.iov_base = (void *)(uintptr_t)bytes, .iov_len = size};
    union packet_control control = {0};
    struct msghdr message = {.msg_name = (void *)(uintptr_t)&client->address,
                             .msg_namelen = client->address_size,
                             .msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = control.bytes,
                             .msg_controllen = sizeof(control.bytes)};
    struct cmsghdr *info = CMSG_FIRSTHDR(&message);
    size_t length = v4 ? sizeof(struct in_pktinfo) : sizeof(struct in6_pktinfo);
    info->cmsg_level = v4 ? IPPROTO_IP : IPPROTO_IPV6;
    info->cmsg_type = v4 ? IP_PKTINFO : IPV6_PKTINFO;
    info->cmsg_len = CMSG_LEN(length);
    memcpy(CMSG_DATA(info), client->local, length);
    message.msg_controllen = CMSG_SPACE(length);
    (void)!sendmsg(relay->source.fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
}

static void client_ready(void *data, uint32_t events) {
    (void)events;
    struct tsc_udp_client *client = data;
    char *bytes = client->relay->relays->shim->buffer;
    for (int i = 0; i < UDP_BATCH; i++) {
        ssize_t count = recv(client->source.fd, bytes, TSC_BUFFER_SIZE, MSG_DONTWAIT);
        if (count < 0)
            return; /* nothing more, or the container refused a datagram */
        client->used_ms = tsc_now();
        send_back(client, bytes, (size_t)count);
    }
}

static bool same_client(const struct tsc_udp_client *client, const union tsc_address *address) {
    if (client->address.any.sa_family != address->any.sa_family)
        return false;
    if (address->any.sa_family == AF_INET)
        return client->address.in.sin_port == address->in.sin_port &&
               client->address.in.sin_addr.s_addr == address->in.sin_addr.s_addr;
    return client->address.in6.sin6_port == address->in6.sin6_port &&
           memcmp(&client->address.in6.sin6_addr, &address->in6.sin6_addr, 16) == 0;
}

static struct tsc_udp_client *client_add(struct tsc_relay *relay, const union tsc_address *address,
                                         socklen_t size) {
    int fd = socket(relay->target.any.sa_family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    struct tsc_udp_client *client = fd < 0 ? NULL : calloc(1, sizeof(*client));
    if (!client || connect(fd, &relay->target.any, relay->target_size) < 0) {
        if (fd >= 0)
            close(fd);
        free(client);
        return NULL;
    }
    *client = (struct tsc_udp_client){.relay = relay,
                                      .address = *address,
                                      .address_size = size,
                                      .next = relay->clients,
                                      .source = {.fd = fd, .ready = client_ready, .data = client}};
    relay->clients = client;
    relay->client_count++;
    tsc_loop_watch(&relay->relays->shim->loop, &client->source, EPOLLIN);
    if (!relay->expiry.added)
        tsc_timer_set(&relay->relays->shim->loop, &relay->expiry, UDP_EXPIRY_MS / 3);
    return client;
}

static struct tsc_udp_client *find_client(struct tsc_relay *relay, const union tsc_address *address,
                                          socklen_t size) {
    struct tsc_udp_client *oldest = NULL;
    for (struct tsc_udp_client *client = relay->clients; client; client = client->next) {
        if (same_client(client, address))
            return client;
        if (!oldest || client->used_ms < oldest->used_ms)
            oldest = client;
    }
    if (relay->client_count >= UDP_CLIENTS_MAX)
        client_free(oldest);
    return client_add(relay, address, size);
}

static void remember_local(struct tsc_udp_client *client, struct msghdr *message) {
    for (struct cmsghdr *info = CMSG_FIRSTHDR(message); info; info = CMSG_NXTHDR(message, info)) {
        if (info->cmsg_level == IPPROTO_IP && info->cmsg_type == IP_PKTINFO) {
            struct in_pktinfo packet;
            memcpy(&packet, CMSG_DATA(info), sizeof(packet));
            packet.ipi_ifindex = 0; /* the way back is the routes' matter */
            memcpy(client->local, &packet, sizeof(packet));
        } else if (info->cmsg_level == IPPROTO_IPV6 && info->cmsg_type == IPV6_PKTINFO) {
            struct in6_pktinfo packet;
            memcpy(&packet, CMSG_DATA(info), sizeof(packet));
            if (!IN6_IS_ADDR_LINKLOCAL(&packet.ipi6_addr))
                packet.ipi6_ifindex = 0;
            memcpy(client->local, &packet, sizeof(packet));
        }
    }
}

void tsc_relay_datagram_ready(void *data, uint32_t events) {
    (void)events;
    struct tsc_relay *relay = data;
    for (int i = 0; i < UDP_BATCH; i++) {
        union tsc_address from = {0};
        union packet_control control;
        struct iovec part = {.iov_base = relay->relays->shim->buffer, .iov_len = TSC_BUFFER_SIZE};
        struct msghdr message = {.msg_name = &from,
                                 .msg_namelen = sizeof(from),
                                 .msg_iov = &part,
                                 .msg_iovlen = 1,
                                 .msg_control = control.bytes,
                                 .msg_controllen = sizeof(control.bytes)};
        ssize_t count = recvmsg(relay->source.fd, &message, MSG_DONTWAIT);
        if (count < 0)
            return;
        struct tsc_udp_client *client = find_client(relay, &from, message.msg_namelen);
        if (!client)
            continue;
        remember_local(client, &message);
        client->used_ms = tsc_now();
        (void)!send(client->source.fd, part.iov_base, (size_t)count, MSG_DONTWAIT | MSG_NOSIGNAL);
    }
}
