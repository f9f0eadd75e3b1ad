/*
 * The floor: what the kernel alone takes for N containers that idle, with nothing of ours around it. One bridge; per
 * container a clone with all namespaces, an overlay mount, /proc and a fresh /dev, pivot_root, a veth pair that
 * is moved, attached and brought up at both ends, and exec.
 *
 *   floor N ROOTFS SCRATCH PROGRAM [ARGUMENT]...
 *
 * prints `up MS down MS` and leaves nothing behind. Containers are set up one after the other, as one thread can.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define BRIDGE     "tscfloor"
#define NAMESPACES (CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWNET | CLONE_NEWCGROUP)
#define PATH_LENGTH 512

struct container {
    pid_t pid;
    int started; /* end of file when exec has happened */
};

struct request {
    struct nlmsghdr header;
    struct ifinfomsg link;
    char attributes[512];
};

static _Noreturn void die(const char *what) {
    fprintf(stderr, "floor: %s: %s\n", what, strerror(errno));
    exit(1);
}

static double now_ms(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec * 1e3 + (double)time.tv_nsec / 1e6;
}

/* --- rtnetlink --- */

static struct request new_request(uint16_t type, uint16_t flags) {
    struct request request = {0};
    request.header.nlmsg_len = NLMSG_LENGTH(sizeof(request.link));
    request.header.nlmsg_type = type;
    request.header.nlmsg_flags = (uint16_t)(NLM_F_REQUEST | NLM_F_ACK | flags);
    request.link.ifi_family = AF_UNSPEC;
    return request;
}

static struct rtattr *add(struct request *request, uint16_t type, const void *data, size_t length) {
    struct rtattr *attribute = (struct rtattr *)((char *)request + NLMSG_ALIGN(request->header.nlmsg_len));
    attribute->rta_type = type;
    attribute->rta_len = (uint16_t)RTA_LENGTH(length);
    if (length > 0)
        memcpy(RTA_DATA(attribute), data, length);
    request->header.nlmsg_len = NLMSG_ALIGN(request->header.nlmsg_len) + RTA_ALIGN(attribute->rta_len);
    return attribute;
}

static void end_nest(struct request *request, struct rtattr *nest) {
    nest->rta_len = (uint16_t)((char *)request + request->header.nlmsg_len - (char *)nest);
}

static int ask(int netlink, struct request *request) {
    struct {
        struct nlmsghdr header;
        struct nlmsgerr error;
        char rest[1024];
    } answer;
    if (send(netlink, request, request->header.nlmsg_len, 0) < 0)
        return -errno;
    if (recv(netlink, &answer, sizeof(answer), 0) < 0)
        return -errno;
    return answer.error.error;
}

static void must(int result, const char *what) {
    if (result == 0)
        return;
    errno = -result;
    die(what);
}

/* All links are of one group, so that one request removes them: the kernel then waits for RCU once. */
static const uint32_t group = 7171;

static void make_bridge(int netlink) {
    struct request request = new_request(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL);
    request.link.ifi_flags = IFF_UP;
    request.link.ifi_change = IFF_UP;
    add(&request, IFLA_IFNAME, BRIDGE, sizeof(BRIDGE));
    add(&request, IFLA_GROUP, &group, sizeof(group));
    struct rtattr *info = add(&request, IFLA_LINKINFO, NULL, 0);
    add(&request, IFLA_INFO_KIND, "bridge", 6);
    end_nest(&request, info);
    must(ask(netlink, &request), "make bridge");
}

static void remove_links(int netlink) {
    struct request request = new_request(RTM_DELLINK, 0);
    add(&request, IFLA_GROUP, &group, sizeof(group));
    must(ask(netlink, &request), "remove links");
}

/* The peer is made in the container's namespace; each end is set up by a request of its own. */
static void make_veth(int netlink, int number, pid_t pid, int bridge) {
    char host[IFNAMSIZ];
    snprintf(host, sizeof(host), "tscf%d", number);
    struct request request = new_request(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL);
    add(&request, IFLA_IFNAME, host, strlen(host) + 1);
    add(&request, IFLA_GROUP, &group, sizeof(group));
    add(&request, IFLA_MASTER, &bridge, sizeof(bridge));
    struct rtattr *info = add(&request, IFLA_LINKINFO, NULL, 0);
    add(&request, IFLA_INFO_KIND, "veth", 4);
    struct rtattr *data = add(&request, IFLA_INFO_DATA, NULL, 0);
    struct rtattr *peer = add(&request, VETH_INFO_PEER, NULL, 0);
    request.header.nlmsg_len += (uint32_t)sizeof(struct ifinfomsg);
    add(&request, IFLA_IFNAME, "eth0", 5);
    add(&request, IFLA_NET_NS_PID, &pid, sizeof(pid));
    end_nest(&request, peer);
    end_nest(&request, data);
    end_nest(&request, info);
    must(ask(netlink, &request), "make veth");
    struct request up = new_request(RTM_NEWLINK, 0);
    up.link.ifi_flags = IFF_UP;
    up.link.ifi_change = IFF_UP;
    add(&up, IFLA_IFNAME, host, strlen(host) + 1);
    must(ask(netlink, &up), "set veth up");
}

static void bring_up_eth0(void) {
    int netlink = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
    if (netlink < 0)
        die("netlink in the container");
    struct request request = new_request(RTM_NEWLINK, 0);
    request.link.ifi_flags = IFF_UP;
    request.link.ifi_change = IFF_UP;
    add(&request, IFLA_IFNAME, "eth0", 5);
    must(ask(netlink, &request), "set eth0 up");
    close(netlink);
}

/* --- one container --- */

static void make_directory(const char *path) {
    if (mkdir(path, 0755) < 0 && errno != EEXIST)
        die(path);
}

static void enter_rootfs(const char *lower, const char *scratch, int number) {
    char dir[PATH_LENGTH], path[PATH_LENGTH + 8], options[3 * PATH_LENGTH];
    snprintf(dir, sizeof(dir), "%s/%d", scratch, number);
    make_directory(dir);
    const char *const parts[] = {"upper", "work", "root"};
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        snprintf(path, sizeof(path), "%s/%s", dir, parts[i]);
        make_directory(path);
    }
    if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
        die("make / private");
    snprintf(options, sizeof(options), "lowerdir=%s,upperdir=%s/upper,workdir=%s/work", lower, dir, dir);
    if (mount("overlay", path, "overlay", 0, options) < 0)
        die("mount overlay");
    if (chdir(path) < 0)
        die("enter rootfs");
    if (mount("proc", "proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) < 0)
        die("mount /proc");
    if (mount("tmpfs", "dev", "tmpfs", MS_NOSUID, "mode=755,size=65536k") < 0)
        die("mount /dev");
    if (syscall(SYS_pivot_root, ".", ".") < 0)
        die("pivot_root");
    if (umount2(".", MNT_DETACH) < 0 || chdir("/") < 0)
        die("leave the old root");
}

static _Noreturn void be_container(int gate, int number, char **argv) {
    char byte;
    enter_rootfs(argv[2], argv[3], number);
    if (read(gate, &byte, 1) != 0)
        die("wait for the network");
    bring_up_eth0();
    sethostname("floor", 5);
    execv(argv[4], argv + 4);
    die("exec");
}

static struct container start(int netlink, int bridge, int number, char **argv) {
    int gate[2], started[2];
    if (pipe2(gate, O_CLOEXEC) < 0 || pipe2(started, O_CLOEXEC) < 0)
        die("pipe");
    struct clone_args {
        uint64_t flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls;
    } arguments = {.flags = NAMESPACES, .exit_signal = SIGCHLD};
    pid_t pid = (pid_t)syscall(SYS_clone3, &arguments, sizeof(arguments));
    if (pid < 0)
        die("clone");
    if (pid == 0) {
        close(gate[1]);
        be_container(gate[0], number, argv);
    }
    make_veth(netlink, number, pid, bridge);
    close(gate[0]);
    close(gate[1]);
    close(started[1]);
    return (struct container){.pid = pid, .started = started[0]};
}

static void wait_for_exec(struct container container) {
    char byte;
    int status;
    if (read(container.started, &byte, 1) != 0)
        die("wait for exec");
    if (waitpid(container.pid, &status, WNOHANG) != 0) {
        errno = ECHILD;
        die("the program ended at once");
    }
}

int main(int argc, char **argv) {
    if (argc < 5) {
        fprintf(stderr, "usage: floor N ROOTFS SCRATCH PROGRAM [ARGUMENT]...\n");
        return 2;
    }
    int count = atoi(argv[1]);
    int netlink = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
    struct container *containers = calloc((size_t)count, sizeof(*containers));
    if (netlink < 0 || !containers)
        die("start");
    double begin = now_ms();
    make_bridge(netlink);
    int bridge = (int)if_nametoindex(BRIDGE);
    for (int i = 0; i < count; i++)
        containers[i] = start(netlink, bridge, i, argv);
    for (int i = 0; i < count; i++)
        wait_for_exec(containers[i]);
    double up = now_ms();
    remove_links(netlink);
    for (int i = 0; i < count; i++)
        kill(containers[i].pid, SIGKILL);
    for (int i = 0; i < count; i++)
        waitpid(containers[i].pid, NULL, 0);
    printf("up %.1f down %.1f\n", up - begin, now_ms() - up);
    free(containers);
    return 0;
}
