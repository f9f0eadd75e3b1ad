/* Probes of the health check that need no program in the container: a port, an HTTP answer, a file, a line of output. */
#include "probe.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <regex.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cleanup.h"
#include "fd.h"
#include "syscalls.h"

enum { PASSED = 0, FAILED = 1, ANSWER_MAX = 512 };

/* --- a line of output --- */

bool tsc_probe_is_log(const struct tsc_step *probe) {
    return probe && strcmp(tsc_step_text(probe, 0), "log") == 0;
}

int tsc_line_watch_open(const struct tsc_step *probe, struct tsc_line_watch **ret, struct tsc_error *reterr) {
    const char *name = tsc_step_name(TSC_STEP_PROBE);
    if (probe->count < 2)
        return tsc_fail(reterr, -EINVAL, name, "log");
    struct tsc_line_watch *watch = calloc(1, sizeof(*watch));
    regex_t *pattern = calloc(1, sizeof(*pattern));
    int error = watch && pattern ? 0 : -ENOMEM;
    if (error == 0 && regcomp(pattern, tsc_step_text(probe, 1), REG_EXTENDED | REG_NOSUB) != 0)
        error = -EINVAL;
    if (error < 0) {
        free(watch);
        free(pattern);
        return tsc_fail(reterr, error, name, tsc_step_text(probe, 1));
    }
    watch->pattern = pattern;
    *ret = watch;
    return 0;
}

static bool line_ends(struct tsc_line_watch *watch, int stream) {
    char *line = watch->line[stream];
    line[watch->length[stream]] = '\0';
    watch->length[stream] = 0;
    return regexec(watch->pattern, line, 0, NULL, 0) == 0;
}

bool tsc_line_watch_feed(struct tsc_line_watch *watch, int stream, const char *bytes, size_t size) {
    for (size_t i = 0; i < size && !watch->seen; i++) {
        if (bytes[i] == '\n')
            watch->seen = line_ends(watch, stream);
        else if (bytes[i] != '\0' && watch->length[stream] < TSC_LINE_MAX - 1)
            watch->line[stream][watch->length[stream]++] = bytes[i];
    }
    return watch->seen;
}

/* --- the network --- */

static int open_connection(const char *address, const char *port) {
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons((uint16_t)atoi(port))};
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(port))};
    bool is_v6 = inet_pton(AF_INET6, address, &v6.sin6_addr) == 1;
    if (!is_v6 && inet_pton(AF_INET, address, &v4.sin_addr) != 1)
        return -EINVAL;
    int fd = socket(is_v6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    const struct sockaddr *peer = is_v6 ? (const struct sockaddr *)&v6 : (const struct sockaddr *)&v4;
    if (connect(fd, peer, is_v6 ? sizeof(v6) : sizeof(v4)) == 0)
        return fd;
    int error = -errno;
    close(fd);
    return error;
}

static int connect_or_say(const struct tsc_step *probe) {
    const char *address = tsc_step_text(probe, 1);
    const char *port = tsc_step_text(probe, 2);
    int fd = open_connection(address, port);
    if (fd < 0)
        printf("%s port %s: %s\n", address, port, strerror(-fd));
    return fd;
}

static int probe_tcp(const struct tsc_step *probe) {
    tsc_auto_fd int fd = connect_or_say(probe);
    return fd < 0 ? FAILED : PASSED;
}

static int read_answer(int fd, char answer[ANSWER_MAX]) {
    size_t length = 0;
    while (length < ANSWER_MAX - 1 && !memchr(answer, '\n', length)) {
        ssize_t count = read(fd, answer + length, ANSWER_MAX - 1 - length);
        if (count <= 0)
            break;
        length += (size_t)count;
    }
    answer[length] = '\0';
    answer[strcspn(answer, "\r\n")] = '\0';
    int code = 0;
    return sscanf(answer, "HTTP/%*d.%*d %3d", &code) == 1 ? code : 0;
}

static int probe_http(const struct tsc_step *probe) {
    tsc_auto_fd int fd = connect_or_say(probe);
    if (fd < 0)
        return FAILED;
    dprintf(fd,
            "GET %s HTTP/1.1\r\nHost: localhost:%s\r\nUser-Agent: tscompose\r\nAccept: */*\r\nConnection: "
            "close\r\n\r\n",
            tsc_step_text(probe, 3), tsc_step_text(probe, 2));
    char answer[ANSWER_MAX];
    int code = read_answer(fd, answer);
    int wanted = atoi(tsc_step_text(probe, 4));
    printf("%s\n", code > 0 ? answer : "no HTTP answer");
    return (wanted > 0 ? code == wanted : code >= 200 && code < 400) ? PASSED : FAILED;
}

/* --- a file --- */

static int probe_file(const struct tsc_step *probe, pid_t container) {
    char root[64];
    snprintf(root, sizeof(root), "/proc/%d/root", (int)container);
    struct tsc_launch inside = {.root = tsc_fd_open(root, O_PATH | O_DIRECTORY, 0)};
    tsc_auto_fd int fd =
        inside.root < 0 ? inside.root : tsc_root_open(&inside, tsc_step_text(probe, 1), O_PATH, 0);
    if (fd < 0)
        printf("%s: %s\n", tsc_step_text(probe, 1), strerror(-fd));
    return fd < 0 ? FAILED : PASSED;
}

static bool is_complete(const struct tsc_step *probe, const char *kind) {
    uint32_t count = strcmp(kind, "http") == 0 ? 5 : strcmp(kind, "tcp") == 0 ? 3 : 2;
    return probe->count >= count;
}

static int perform(const struct tsc_step *probe, pid_t container) {
    const char *kind = tsc_step_text(probe, 0);
    if (!is_complete(probe, kind))
        return FAILED;
    if (strcmp(kind, "http") == 0)
        return probe_http(probe);
    return strcmp(kind, "tcp") == 0 ? probe_tcp(probe) : probe_file(probe, container);
}

static _Noreturn void run(const struct tsc_step *probe, pid_t container, int output) {
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    signal(SIGPIPE, SIG_IGN);
    prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
    setsid();
    dup2(output, STDOUT_FILENO);
    tsc_sys_close_range(3, UINT_MAX, 0);
    int code = perform(probe, container);
    fflush(stdout);
    _exit(code);
}

int tsc_probe_start(const struct tsc_step *probe, pid_t container, int output, struct tsc_process *ret,
                    struct tsc_error *reterr) {
    const char *name = tsc_step_name(TSC_STEP_PROBE);
    pid_t pid = fork();
    if (pid == 0)
        run(probe, container, output);
    if (pid < 0)
        return tsc_fail(reterr, -errno, name, "fork");
    int pidfd = tsc_sys_pidfd_open(pid, 0);
    if (pidfd < 0) {
        int error = tsc_fail(reterr, -errno, name, "pidfd_open");
        int status;
        kill(pid, SIGKILL);
        tsc_wait(pid, &status);
        return error;
    }
    tsc_fd_set_cloexec(pidfd, true);
    *ret = (struct tsc_process){pid, pidfd, -1};
    return 0;
}
