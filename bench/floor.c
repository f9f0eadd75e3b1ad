/*
 * The floor: what the kernel alone takes for N containers that idle, with nothing of ours around it. One bridge; per
 * container a clone with all namespaces, an overlay mount, /proc and a fresh /dev, pivot_root, a veth pair that
 * is moved, attached and brought up at both ends, and exec.
 *
 *   floor bare|whole N ROOTFS SCRATCH PROGRAM [ARGUMENT]...
 *
 * `whole` has what containers of tscompose and Docker have besides: control groups of their own, the other file systems,
 * devices, masked and read-only paths, files of /etc, loopback, an address and a route, and a filter of system calls.
 *
 * prints `up MS down MS` and leaves nothing behind. Containers are set up one after the other, as one thread can.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <linux/seccomp.h>
#include <linux/veth.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
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

static struct request set_up(const char *name) {
    struct request request = new_request(RTM_NEWLINK, 0);
    request.link.ifi_flags = IFF_UP;
    request.link.ifi_change = IFF_UP;
    add(&request, IFLA_IFNAME, name, strlen(name) + 1);
    return request;
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
    struct request up = set_up(host);
    must(ask(netlink, &up), "set veth up");
}

/* Both have a header of their own where others have that of a link. */
static struct request with_header(uint16_t type, const void *header, size_t size) {
    struct request request = new_request(type, NLM_F_CREATE | NLM_F_EXCL);
    request.header.nlmsg_len = (uint32_t)NLMSG_LENGTH(size);
    memcpy(NLMSG_DATA(&request.header), header, size);
    return request;
}

static void give_address(int netlink, int number) {
    uint32_t address = htonl(0x0ae10002u + (uint32_t)number);
    uint32_t gateway = htonl(0x0ae10001u);
    int index = (int)if_nametoindex("eth0");
    struct ifaddrmsg own = {.ifa_family = AF_INET, .ifa_prefixlen = 16, .ifa_index = (unsigned)index};
    struct request request = with_header(RTM_NEWADDR, &own, sizeof(own));
    add(&request, IFA_LOCAL, &address, sizeof(address));
    must(ask(netlink, &request), "add address");
    struct rtmsg route = {.rtm_family = AF_INET,
                          .rtm_table = RT_TABLE_MAIN,
                          .rtm_protocol = RTPROT_BOOT,
                          .rtm_scope = RT_SCOPE_UNIVERSE,
                          .rtm_type = RTN_UNICAST};
    request = with_header(RTM_NEWROUTE, &route, sizeof(route));
    add(&request, RTA_GATEWAY, &gateway, sizeof(gateway));
    add(&request, RTA_OIF, &index, sizeof(index));
    must(ask(netlink, &request), "add route");
}

static void bring_up(int number, bool with_address) {
    int netlink = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
    if (netlink < 0)
        die("netlink in the container");
    struct request request = set_up("eth0");
    must(ask(netlink, &request), "set eth0 up");
    if (with_address) {
        request = set_up("lo");
        must(ask(netlink, &request), "set lo up");
        give_address(netlink, number);
    }
    close(netlink);
}

static bool whole;

static void write_text(const char *directory, const char *name, const char *text) {
    char path[PATH_LENGTH + 32];
    snprintf(path, sizeof(path), "%s/%s", directory, name);
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0 || write(fd, text, strlen(text)) < 0)
        die(path);
    close(fd);
}

/* --- control groups --- */

static const char *const controllers[] = {"cpu", "cpuacct", "memory", "pids", "devices", "freezer", "blkio"};
#define CONTROLLERS (sizeof(controllers) / sizeof(controllers[0]))

static bool has_v1(void) {
    return access("/sys/fs/cgroup/memory/tasks", F_OK) == 0;
}

static void group_path(char path[PATH_LENGTH], size_t controller, int number) {
    snprintf(path, PATH_LENGTH, "/sys/fs/cgroup/%s/tscfloor%d", has_v1() ? controllers[controller] : "", number);
}

static void join_groups(int number) {
    for (size_t i = 0; i < (has_v1() ? CONTROLLERS : 1); i++) {
        char path[PATH_LENGTH];
        group_path(path, i, number);
        if (mkdir(path, 0755) < 0)
            die(path);
        if (has_v1() && strcmp(controllers[i], "devices") == 0) {
            write_text(path, "devices.deny", "a");
            write_text(path, "devices.allow", "c *:* m");
            write_text(path, "devices.allow", "c 1:3 rwm");
        }
        write_text(path, has_v1() ? "tasks" : "cgroup.procs", "0");
    }
}

static void remove_groups(int number) {
    for (size_t i = 0; i < (has_v1() ? CONTROLLERS : 1); i++) {
        char path[PATH_LENGTH];
        group_path(path, i, number);
        while (rmdir(path) < 0 && errno == EBUSY)
            usleep(1000);
    }
}

/* --- what a container has besides --- */

static void mount_at(const char *type, const char *target, unsigned long flags, const char *data) {
    mkdir(target, 0755);
    if (mount(type, target, type, flags, data) < 0)
        die(target);
}

static void make_devices(void) {
    static const struct {
        const char *path;
        unsigned major, minor;
    } devices[] = {{"dev/null", 1, 3},   {"dev/zero", 1, 5},    {"dev/full", 1, 7},
                   {"dev/random", 1, 8}, {"dev/urandom", 1, 9}, {"dev/tty", 5, 0}};
    static const char *const links[][2] = {{"pts/ptmx", "dev/ptmx"},          {"/proc/self/fd", "dev/fd"},
                                           {"/proc/self/fd/0", "dev/stdin"},  {"/proc/self/fd/1", "dev/stdout"},
                                           {"/proc/self/fd/2", "dev/stderr"}, {"/proc/kcore", "dev/core"}};
    for (size_t i = 0; i < sizeof(devices) / sizeof(devices[0]); i++)
        if (mknod(devices[i].path, S_IFCHR | 0666, makedev(devices[i].major, devices[i].minor)) < 0)
            die(devices[i].path);
    for (size_t i = 0; i < sizeof(links) / sizeof(links[0]); i++)
        if (symlink(links[i][0], links[i][1]) < 0)
            die(links[i][1]);
}

static void mount_groups(void) {
    mount_at("tmpfs", "sys/fs/cgroup", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=755");
    for (size_t i = 0; has_v1() && i < CONTROLLERS; i++) {
        char path[PATH_LENGTH];
        snprintf(path, sizeof(path), "sys/fs/cgroup/%s", controllers[i]);
        mkdir(path, 0755);
        if (mount("cgroup", path, "cgroup", MS_NOSUID | MS_NODEV | MS_NOEXEC, controllers[i]) < 0)
            die(path);
    }
}

static void mount_whole(const char *files) {
    const unsigned long flags = MS_NOSUID | MS_NODEV | MS_NOEXEC;
    static const char *const names[] = {"hosts", "hostname", "resolv.conf"};
    bool v1 = has_v1();
    make_devices();
    mount_at("devpts", "dev/pts", MS_NOSUID | MS_NOEXEC, "newinstance,ptmxmode=0666,mode=0620");
    mount_at("sysfs", "sys", flags | MS_RDONLY, NULL);
    if (v1)
        mount_groups();
    mount_at("mqueue", "dev/mqueue", flags, NULL);
    mount_at("tmpfs", "dev/shm", flags, "mode=1777,size=67108864");
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        char target[PATH_LENGTH];
        snprintf(target, sizeof(target), "etc/%s", names[i]);
        close(open(target, O_CREAT | O_WRONLY | O_CLOEXEC, 0644));
        if (mount(files, target, NULL, MS_BIND, NULL) < 0)
            die(target);
    }
}

static void seal(void) {
    static const char *const hidden[] = {"/proc/acpi", "/proc/scsi", "/sys/firmware"};
    static const char *const masked[] = {"/proc/kcore", "/proc/keys", "/proc/timer_list"};
    static const char *const fixed[] = {"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"};
    for (size_t i = 0; i < sizeof(hidden) / sizeof(hidden[0]); i++)
        if (access(hidden[i], F_OK) == 0)
            mount_at("tmpfs", hidden[i], MS_RDONLY, "size=0,nr_inodes=2");
    for (size_t i = 0; i < sizeof(masked) / sizeof(masked[0]); i++)
        if (access(masked[i], F_OK) == 0 && mount("/dev/null", masked[i], NULL, MS_BIND, NULL) < 0)
            die(masked[i]);
    for (size_t i = 0; i < sizeof(fixed) / sizeof(fixed[0]); i++)
        if (access(fixed[i], F_OK) == 0 && (mount(fixed[i], fixed[i], NULL, MS_BIND, NULL) < 0 ||
                                            mount(NULL, fixed[i], NULL, MS_BIND | MS_REMOUNT | MS_RDONLY, NULL) < 0))
            die(fixed[i]);
}

/* As long as Docker's default profile, which the kernel translates for each process that installs it. */
static void filter_calls(void) {
    enum { LENGTH = 400 };
    static struct sock_filter code[LENGTH];
    code[0] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0);
    for (size_t i = 1; i < LENGTH - 1; i++)
        code[i] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)(100000 + i), 0, 0);
    code[LENGTH - 1] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    struct sock_fprog program = {LENGTH, code};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) < 0)
        die("seccomp");
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
    if (whole) {
        char files[PATH_LENGTH + 8];
        snprintf(files, sizeof(files), "%s/hosts", dir);
        close(open(files, O_CREAT | O_WRONLY | O_CLOEXEC, 0644));
        mount_whole(files);
    }
    if (syscall(SYS_pivot_root, ".", ".") < 0)
        die("pivot_root");
    if (umount2(".", MNT_DETACH) < 0 || chdir("/") < 0)
        die("leave the old root");
    if (whole)
        seal();
}

static _Noreturn void be_container(int gate, int number, char **argv) {
    char byte;
    if (whole)
        join_groups(number);
    enter_rootfs(argv[3], argv[4], number);
    if (read(gate, &byte, 1) != 0)
        die("wait for the network");
    bring_up(number, whole);
    sethostname("floor", 5);
    if (whole)
        filter_calls();
    execv(argv[5], argv + 5);
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
    if (argc < 6) {
        fprintf(stderr, "usage: floor bare|whole N ROOTFS SCRATCH PROGRAM [ARGUMENT]...\n");
        return 2;
    }
    whole = strcmp(argv[1], "whole") == 0;
    int count = atoi(argv[2]);
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
    for (int i = 0; whole && i < count; i++)
        remove_groups(i);
    printf("up %.1f down %.1f\n", up - begin, now_ms() - up);
    free(containers);
    return 0;
}
