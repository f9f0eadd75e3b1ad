/*
 * Port 53 stays free for the container's own name server: ours listens on another port of 127.0.0.11, and four nf_tables
 * rules of the network namespace change the port of what goes to it and comes from it. Without connection tracking, which
 * would cost all other traffic.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cleanup.h"
#include "dns.h"
#include "fd.h"

#define TABLE "tscompose-dns"
#define CHAIN "output"

enum {
    BATCH_SIZE = 4096,
    RAW_PRIORITY = -300,
    SOURCE_ADDRESS = 12, /* offsets in the IPv4 header */
    DESTINATION_ADDRESS = 16,
    SOURCE_PORT = 0, /* offsets in the TCP and the UDP header */
    DESTINATION_PORT = 2,
    UDP_CHECKSUM = 6,
    TCP_CHECKSUM = 16,
    REPLY_TIMEOUT_MS = 2000,
};

struct batch {
    uint8_t bytes[BATCH_SIZE];
    size_t size;
    uint32_t sequence;
    struct nlmsghdr *message;
};

static void add(struct batch *batch, const void *bytes, size_t size) {
    if (size > 0)
        memcpy(batch->bytes + batch->size, bytes, size);
    batch->size += size;
    while (batch->size % NLA_ALIGNTO != 0)
        batch->bytes[batch->size++] = 0;
}

static void begin(struct batch *batch, unsigned type, unsigned flags, uint8_t family, uint16_t resource) {
    struct nlmsghdr header = {.nlmsg_type = (uint16_t)type,
                              .nlmsg_flags = (uint16_t)(NLM_F_REQUEST | flags),
                              .nlmsg_seq = ++batch->sequence};
    struct nfgenmsg family_header = {
        .nfgen_family = family, .version = NFNETLINK_V0, .res_id = htons(resource)};
    batch->message = (struct nlmsghdr *)(void *)(batch->bytes + batch->size);
    add(batch, &header, sizeof(header));
    add(batch, &family_header, sizeof(family_header));
}

static void end(struct batch *batch) {
    batch->message->nlmsg_len = (uint32_t)(batch->bytes + batch->size - (uint8_t *)batch->message);
}

static void attribute(struct batch *batch, unsigned type, const void *value, size_t size) {
    struct nlattr header = {.nla_len = (uint16_t)(sizeof(header) + size), .nla_type = (uint16_t)type};
    add(batch, &header, sizeof(header));
    add(batch, value, size);
}

static void text(struct batch *batch, unsigned type, const char *value) {
    attribute(batch, type, value, strlen(value) + 1);
}

static void number(struct batch *batch, unsigned type, uint32_t value) {
    uint32_t big = htonl(value);
    attribute(batch, type, &big, sizeof(big));
}

static size_t open_nest(struct batch *batch, unsigned type) {
    size_t at = batch->size;
    attribute(batch, type | NLA_F_NESTED, NULL, 0);
    return at;
}

static void close_nest(struct batch *batch, size_t at) {
    struct nlattr *header = (struct nlattr *)(void *)(batch->bytes + at);
    header->nla_len = (uint16_t)(batch->size - at);
}

struct expression {
    size_t element;
    size_t data;
};

static struct expression open_expression(struct batch *batch, const char *name) {
    struct expression expression = {.element = open_nest(batch, NFTA_LIST_ELEM)};
    text(batch, NFTA_EXPR_NAME, name);
    expression.data = open_nest(batch, NFTA_EXPR_DATA);
    return expression;
}

static void close_expression(struct batch *batch, struct expression expression) {
    close_nest(batch, expression.data);
    close_nest(batch, expression.element);
}

static void load(struct batch *batch, unsigned base, unsigned offset, unsigned length) {
    struct expression payload = open_expression(batch, "payload");
    number(batch, NFTA_PAYLOAD_DREG, NFT_REG_1);
    number(batch, NFTA_PAYLOAD_BASE, base);
    number(batch, NFTA_PAYLOAD_OFFSET, offset);
    number(batch, NFTA_PAYLOAD_LEN, length);
    close_expression(batch, payload);
}

static void load_protocol(struct batch *batch) {
    struct expression meta = open_expression(batch, "meta");
    number(batch, NFTA_META_KEY, NFT_META_L4PROTO);
    number(batch, NFTA_META_DREG, NFT_REG_1);
    close_expression(batch, meta);
}

static void compare(struct batch *batch, const void *value, size_t size) {
    struct expression cmp = open_expression(batch, "cmp");
    number(batch, NFTA_CMP_SREG, NFT_REG_1);
    number(batch, NFTA_CMP_OP, NFT_CMP_EQ);
    size_t data = open_nest(batch, NFTA_CMP_DATA);
    attribute(batch, NFTA_DATA_VALUE, value, size);
    close_nest(batch, data);
    close_expression(batch, cmp);
}

static void store_port(struct batch *batch, unsigned offset, uint16_t port, unsigned checksum) {
    struct expression immediate = open_expression(batch, "immediate");
    number(batch, NFTA_IMMEDIATE_DREG, NFT_REG_1);
    size_t data = open_nest(batch, NFTA_IMMEDIATE_DATA);
    attribute(batch, NFTA_DATA_VALUE, &port, sizeof(port));
    close_nest(batch, data);
    close_expression(batch, immediate);
    struct expression payload = open_expression(batch, "payload");
    number(batch, NFTA_PAYLOAD_SREG, NFT_REG_1);
    number(batch, NFTA_PAYLOAD_BASE, NFT_PAYLOAD_TRANSPORT_HEADER);
    number(batch, NFTA_PAYLOAD_OFFSET, offset);
    number(batch, NFTA_PAYLOAD_LEN, sizeof(port));
    number(batch, NFTA_PAYLOAD_CSUM_TYPE, NFT_PAYLOAD_CSUM_INET);
    number(batch, NFTA_PAYLOAD_CSUM_OFFSET, checksum);
    close_expression(batch, payload);
}

struct rewrite {
    uint8_t protocol;
    bool answer;
    uint16_t from; /* network byte order */
    uint16_t to;
};

static void rule(struct batch *batch, in_addr_t address, struct rewrite rewrite, unsigned flags) {
    unsigned address_at = rewrite.answer ? SOURCE_ADDRESS : DESTINATION_ADDRESS;
    unsigned port_at = rewrite.answer ? SOURCE_PORT : DESTINATION_PORT;
    begin(batch, NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_NEWRULE, NLM_F_CREATE | NLM_F_APPEND | flags,
          NFPROTO_IPV4, 0);
    text(batch, NFTA_RULE_TABLE, TABLE);
    text(batch, NFTA_RULE_CHAIN, CHAIN);
    size_t expressions = open_nest(batch, NFTA_RULE_EXPRESSIONS);
    load(batch, NFT_PAYLOAD_NETWORK_HEADER, address_at, sizeof(address));
    compare(batch, &address, sizeof(address));
    load_protocol(batch);
    compare(batch, &rewrite.protocol, sizeof(rewrite.protocol));
    load(batch, NFT_PAYLOAD_TRANSPORT_HEADER, port_at, sizeof(rewrite.from));
    compare(batch, &rewrite.from, sizeof(rewrite.from));
    store_port(batch, port_at, rewrite.to, rewrite.protocol == IPPROTO_UDP ? UDP_CHECKSUM : TCP_CHECKSUM);
    close_nest(batch, expressions);
    end(batch);
}

static void table_and_chain(struct batch *batch) {
    begin(batch, NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_NEWTABLE, NLM_F_CREATE, NFPROTO_IPV4, 0);
    text(batch, NFTA_TABLE_NAME, TABLE);
    end(batch);
    begin(batch, NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_NEWCHAIN, NLM_F_CREATE, NFPROTO_IPV4, 0);
    text(batch, NFTA_CHAIN_TABLE, TABLE);
    text(batch, NFTA_CHAIN_NAME, CHAIN);
    size_t hook = open_nest(batch, NFTA_CHAIN_HOOK);
    number(batch, NFTA_HOOK_HOOKNUM, NF_INET_LOCAL_OUT);
    number(batch, NFTA_HOOK_PRIORITY, (uint32_t)RAW_PRIORITY);
    close_nest(batch, hook);
    text(batch, NFTA_CHAIN_TYPE, "filter");
    end(batch);
}

/* One acknowledgement was asked for, that of the last rule; whatever is wrong before comes as an error. */
static int await_answer(int fd) {
    uint8_t reply[BATCH_SIZE];
    if (tsc_fd_poll(fd, POLLIN, REPLY_TIMEOUT_MS) <= 0)
        return -ETIMEDOUT;
    ssize_t size = tsc_fd_read(fd, reply, sizeof(reply));
    if (size < 0)
        return (int)size;
    const struct nlmsghdr *message = (const struct nlmsghdr *)(const void *)reply;
    if ((size_t)size < sizeof(*message) + sizeof(struct nlmsgerr) || message->nlmsg_type != NLMSG_ERROR)
        return -EPROTO;
    return ((const struct nlmsgerr *)NLMSG_DATA(message))->error;
}

int tsc_dns_redirect(in_addr_t address, uint16_t port, uint16_t udp_port, uint16_t tcp_port,
                     int *ret_socket) {
    struct batch batch = {.size = 0};
    const struct rewrite rewrites[] = {
        {IPPROTO_UDP, false, port, udp_port},
        {IPPROTO_UDP, true, udp_port, port},
        {IPPROTO_TCP, false, port, tcp_port},
        {IPPROTO_TCP, true, tcp_port, port},
    };
    begin(&batch, NFNL_MSG_BATCH_BEGIN, 0, AF_UNSPEC, NFNL_SUBSYS_NFTABLES);
    end(&batch);
    table_and_chain(&batch);
    for (size_t i = 0; i < TSC_COUNT(rewrites); i++)
        rule(&batch, address, rewrites[i], i + 1 == TSC_COUNT(rewrites) ? NLM_F_ACK : 0);
    begin(&batch, NFNL_MSG_BATCH_END, 0, AF_UNSPEC, NFNL_SUBSYS_NFTABLES);
    end(&batch);
    tsc_auto_fd int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER);
    if (fd < 0)
        return -errno;
    if (send(fd, batch.bytes, batch.size, 0) < 0)
        return -errno;
    int error = await_answer(fd);
    if (error == 0)
        *ret_socket = tsc_take_fd(&fd);
    return error;
}
