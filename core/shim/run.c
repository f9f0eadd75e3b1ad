/* The life of a shim, from its lock to its end. */
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cleanup.h"
#include "dns.h"
#include "fd.h"
#include "health.h"
#include "links.h"
#include "names.h"
#include "relay.h"
#include "supervise.h"
#include "syscalls.h"

static void signal_ready(void *data, uint32_t events) {
    (void)events;
    struct tsc_shim *shim = data;
    struct signalfd_siginfo info;
    if (tsc_fd_read(shim->signal_source.fd, &info, sizeof(info)) != sizeof(info))
        return;
    if (info.ssi_signo != SIGHUP)
        tsc_supervise(shim, TSC_EVENT_STOP, NULL);
}

static int open_signals(struct tsc_shim *shim, struct tsc_error *reterr) {
    sigset_t set;
    sigemptyset(&set);
    const int numbers[] = {SIGTERM, SIGINT, SIGHUP, SIGQUIT};
    for (size_t i = 0; i < TSC_COUNT(numbers); i++)
        sigaddset(&set, numbers[i]);
    sigprocmask(SIG_BLOCK, &set, NULL);
    signal(SIGPIPE, SIG_IGN);
    int fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    shim->signal_source = (struct tsc_source){.fd = fd, .ready = signal_ready, .data = shim};
    int error = fd < 0 ? -errno : tsc_loop_watch(&shim->loop, &shim->signal_source, EPOLLIN);
    return error < 0 ? tsc_fail(reterr, error, "signalfd", "") : 0;
}

static int take_lock(struct tsc_shim *shim, struct tsc_error *reterr) {
    const char *path = shim->options->run_dir;
    int error = shim->run_dir = tsc_fd_open(path, O_RDONLY | O_DIRECTORY, 0);
    if (error < 0)
        return tsc_fail(reterr, error, "open", path);
    error = shim->lock = tsc_fd_openat(shim->run_dir, "lock", O_RDWR | O_CREAT, 0600);
    if (error >= 0)
        error = tsc_fd_lock(shim->lock);
    return error < 0 ? tsc_fail(reterr, error, "lock", path) : 0;
}

/* Relays need many descriptors; the container has nothing to do with that. */
static void raise_descriptors(struct tsc_shim *shim) {
    struct rlimit limit;
    if (shim->options->relay_count == 0 || getrlimit(RLIMIT_NOFILE, &limit) < 0)
        return;
    shim->descriptors = (int64_t)limit.rlim_cur;
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
}

/* In the host's network, for as long as the shim is there. */
static void open_host_sockets(struct tsc_shim *shim) {
    shim->host_network = tsc_fd_open("/proc/self/ns/net", O_RDONLY, 0);
    shim->netfilter = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, 12 /* NETLINK_NETFILTER */);
    tsc_dns_open_upstream(shim);
}

static int prepare(struct tsc_shim *shim, struct tsc_error *reterr) {
    int error = tsc_cgroup_prepare(&shim->cgroups, &shim->program, &shim->options->fault, reterr);
    /* Before the host's network is left: there are the receivers of log entries. */
    if (error == 0)
        error = tsc_log_open(&shim->log, &shim->program, &shim->options->fault, shim->options->id, reterr);
    if (error == 0)
        error = tsc_prepare_namespaces(shim, reterr);
    if (error == 0)
        error = tsc_health_open(shim, reterr);
    if (error == 0)
        error = tsc_names_open(shim, reterr);
    if (error == 0)
        error = tsc_dns_open(shim, reterr);
    if (error == 0)
        error = tsc_relays_open(shim, reterr);
    if (shim->cgroups.used)
        shim->oom_kills = tsc_cgroup_oom_kills(&shim->cgroups);
    return error;
}

static int begin(struct tsc_shim *shim, struct tsc_error *reterr) {
    int error = prepare(shim, reterr);
    if (error < 0)
        return error;
    tsc_supervise_report(shim);
    return shim->options->hold ? 0 : tsc_supervise(shim, TSC_EVENT_LAUNCH, NULL);
}

/* In the host's network the interfaces are other people's, whatever went wrong. */
static bool has_left(int host_network) {
    struct stat host;
    struct stat here;
    return fstat(host_network, &host) == 0 && stat("/proc/self/ns/net", &here) == 0 &&
           host.st_ino != here.st_ino;
}

static void relieved(void *data) {
    tsc_streams_update(data);
}

int tsc_run(const struct tsc_run_options *options, struct tsc_error *reterr) {
    struct tsc_shim shim = {
        .options = options,
        .process = {.pidfd = -1, .channel = -1},
        .input_source = {.fd = -1},
        .channel_source = {.fd = -1},
        .upstream = {-1, -1},
        .host_network = -1,
        .outputs = {{.source = {.fd = -1}}, {.source = {.fd = -1}}},
        .log = {.fd = -1, .receiver = {.loop = &shim.loop, .relieved = relieved, .data = &shim}},
        .netfilter = -1,
    };
    int error = take_lock(&shim, reterr);
    if (error == 0)
        error = tsc_program_load(options->program, &shim.program, reterr);
    if (error == 0 && (error = tsc_loop_open(&shim.loop)) < 0)
        tsc_fail(reterr, error, "epoll", "");
    if (error < 0)
        return error;
    shim.self = tsc_fd_open("/proc/self/exe", O_RDONLY, 0);
    shim.buffer = mmap(NULL, TSC_BUFFER_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    tsc_process_start(getpid(), &shim.status.shim_start);
    error = open_signals(&shim, reterr);
    if (error == 0)
        error = tsc_clients_open(&shim, reterr);
    if (error < 0)
        return error;
    raise_descriptors(&shim);
    open_host_sockets(&shim);
    if (begin(&shim, &shim.status.error) < 0)
        tsc_supervise(&shim, TSC_EVENT_FAILED, NULL);
    error = tsc_loop_run(&shim.loop);
    bool apart = shim.namespaces.made_network && has_left(shim.host_network);
    /* Who waits for the end sees it; sockets of our own would count as connections. */
    tsc_sys_close_range(STDERR_FILENO + 1, UINT_MAX, 0);
    if (apart)
        tsc_links_remove();
    return error;
}
