/* tscompose-shim: the one process that stays with each container. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/keyctl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/sendfile.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../include/shim.h"
#include "cleanup.h"
#include "create.h"
#include "exec.h"
#include "fd.h"
#include "init.h"
#include "supervise.h"
#include "syscalls.h"

#ifndef TSC_VERSION
#define TSC_VERSION "0.1.0"
#endif

static const char usage[] =
    "usage: tscompose-shim run --program FILE --run-dir DIR --id ID [--keep] [--hold] [--fd SLOT=N]... "
    "[--relay "
    "PROTO,N,ADDRESS,PORT]...\n"
    "       tscompose-shim exec --program FILE --pid PID --start TICKS [--detach] [--inherit] [--report N]\n"
    "                           [--console-socket PATH] [--preserve-fds N] [--fd SLOT=N]...\n"
    "       tscompose-shim create --program FILE --gate PATH --report N [--console-socket PATH] [--keyring "
    "NAME]\n"
    "                             [--preserve-fds N] [--start] [--fd SLOT=N]...\n"
    "       tscompose-shim start --gate PATH --report N\n"
    "       tscompose-shim --version\n";

static int complain(const struct tsc_error *error) {
    fprintf(stderr, "tscompose-shim: %s %s: %s\n", error->step, error->path, strerror(error->code));
    return 1;
}

/* Who may not mount gets a copy in memory that nobody can change. */
static void seal_copy(char *argv[], char *envp[]) {
    tsc_auto_fd int file = tsc_fd_open("/proc/self/exe", O_RDONLY, 0);
    int seals = file < 0 ? -1 : fcntl(file, F_GET_SEALS);
    tsc_auto_fd int copy =
        file < 0 || seals > 0 ? -1 : memfd_create("tscompose-shim", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (copy < 0)
        return;
    ssize_t count;
    while ((count = sendfile(copy, file, NULL, 1 << 24)) > 0)
        ;
    if (count == 0 && fcntl(copy, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL) == 0)
        tsc_sys_execveat(copy, "", argv, envp, AT_EMPTY_PATH);
}

/*
 * All that runs our code, also inside containers, runs from a detached read-only clone of the mount that holds our file:
 * nobody can reach the host's program for writing through /proc/PID/exe.
 */
static void seal(char *argv[], char *envp[]) {
    struct statvfs info;
    if (statvfs("/proc/self/exe", &info) < 0 || info.f_flag & ST_RDONLY)
        return;
    tsc_auto_fd int file = tsc_fd_open("/proc/self/exe", O_PATH, 0);
    if (file < 0)
        return;
    tsc_auto_fd int tree =
        tsc_sys_open_tree(file, "", TSC_OPEN_TREE_CLONE | TSC_OPEN_TREE_CLOEXEC | AT_EMPTY_PATH);
    struct tsc_mount_attr attributes = {.attr_set = TSC_MOUNT_ATTR_RDONLY};
    if (tree >= 0 && tsc_sys_mount_setattr(tree, "", AT_EMPTY_PATH, &attributes) == 0)
        tsc_sys_execveat(tree, "", argv, envp, AT_EMPTY_PATH);
    seal_copy(argv, envp);
}

/* The keys of who started us are not the container's; a kernel without keys has none. */
static void leave_keyring(void) {
    syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, NULL);
}

/* The standard descriptors exist, and nothing that was inherited goes on to a container by mistake. */
static void tidy_descriptors(void) {
    for (int fd = tsc_fd_open("/dev/null", O_RDWR, 0); fd >= 0; fd = tsc_fd_open("/dev/null", O_RDWR, 0)) {
        if (fd > 2) {
            close(fd);
            break;
        }
        tsc_fd_set_cloexec(fd, false);
    }
    tsc_sys_close_range(3, UINT_MAX, TSC_CLOSE_RANGE_CLOEXEC);
}

static bool parse_number(const char *text, int *ret) {
    char *end;
    errno = 0;
    long value = strtol(text, &end, 10);
    if (end == text || *end || errno != 0 || value < 0 || value > INT_MAX)
        return false;
    *ret = (int)value;
    return true;
}

static bool parse_slot(char *text, struct tsc_slot *slots, size_t *count) {
    char *number = strchr(text, '=');
    if (!number || *count == TSC_JOINS_MAX)
        return false;
    *number++ = '\0';
    slots[*count].name = text;
    return parse_number(number, &slots[(*count)++].fd);
}

static bool parse_relay(char *text, struct tsc_run_options *options) {
    static const struct {
        const char *name;
        int number;
    } protocols[] = {{"tcp", IPPROTO_TCP}, {"udp", IPPROTO_UDP}, {"sctp", IPPROTO_SCTP}};
    if (options->relay_count == TSC_RELAYS_MAX)
        return false;
    struct tsc_relay_option *relay = &options->relays[options->relay_count++];
    const char *protocol = strsep(&text, ",");
    const char *fd = text ? strsep(&text, ",") : NULL;
    relay->address = text ? strsep(&text, ",") : NULL;
    for (size_t i = 0; i < TSC_COUNT(protocols); i++)
        if (strcmp(protocols[i].name, protocol) == 0)
            relay->protocol = protocols[i].number;
    return relay->protocol != 0 && text && parse_number(fd, &relay->fd) && parse_number(text, &relay->port);
}

/* For tests: TSCOMPOSE_FAIL_STEP=NUMBER[:ERRNO] makes a step fail. */
static struct tsc_fault read_fault(void) {
    const char *text = getenv("TSCOMPOSE_FAIL_STEP");
    if (!text)
        return (struct tsc_fault){0};
    char *end;
    uint32_t op = (uint32_t)strtoul(text, &end, 10);
    return (struct tsc_fault){op, *end == ':' ? atoi(end + 1) : EIO};
}

static bool parse_run(int argc, char *argv[], struct tsc_run_options *options) {
    bool fine = true;
    for (int i = 2; i < argc && fine; i++) {
        const char *name = argv[i];
        if (strcmp(name, "--keep") == 0 || strcmp(name, "--hold") == 0) {
            *(name[2] == 'k' ? &options->keep : &options->hold) = true;
            continue;
        }
        char *value = ++i < argc ? argv[i] : NULL;
        fine = value != NULL;
        if (fine && strcmp(name, "--program") == 0)
            options->program = value;
        else if (fine && strcmp(name, "--run-dir") == 0)
            options->run_dir = value;
        else if (fine && strcmp(name, "--id") == 0)
            options->id = value;
        else if (fine && strcmp(name, "--fd") == 0)
            fine = parse_slot(value, options->slots, &options->slot_count);
        else
            fine = fine && strcmp(name, "--relay") == 0 && parse_relay(value, options);
    }
    return fine && options->program && options->run_dir && options->id;
}

static int run(int argc, char *argv[]) {
    tsc_auto_free struct tsc_run_options *options = calloc(1, sizeof(*options));
    struct tsc_error error = {0};
    if (!options || !parse_run(argc, argv, options)) {
        fputs(usage, stderr);
        return 2;
    }
    options->fault = read_fault();
    return tsc_run(options, &error) < 0 ? complain(&error) : 0;
}

static bool parse_exec(int argc, char *argv[], struct tsc_exec_options *options) {
    bool fine = true;
    for (int i = 2; i < argc && fine; i++) {
        const char *name = argv[i];
        if (strcmp(name, "--detach") == 0 || strcmp(name, "--inherit") == 0) {
            *(name[2] == 'd' ? &options->detach : &options->inherit) = true;
            continue;
        }
        char *value = ++i < argc ? argv[i] : NULL;
        fine = value != NULL;
        if (fine && strcmp(name, "--program") == 0)
            options->program = value;
        else if (fine && strcmp(name, "--pid") == 0)
            fine = parse_number(value, &options->pid);
        else if (fine && strcmp(name, "--start") == 0)
            options->start = strtoull(value, NULL, 10);
        else if (fine && strcmp(name, "--console-socket") == 0)
            options->console = value;
        else if (fine && strcmp(name, "--report") == 0)
            fine = parse_number(value, &options->report);
        else if (fine && strcmp(name, "--preserve-fds") == 0)
            fine = parse_number(value, &options->kept) && options->kept <= TSC_KEPT_MAX;
        else
            fine =
                fine && strcmp(name, "--fd") == 0 && parse_slot(value, options->slots, &options->slot_count);
    }
    return fine && options->program && options->pid > 0;
}

/* For a person at a terminal, who is told of no step. */
static void explain(const struct tsc_error *error) {
    const char *reason = strerror(error->code);
    if (strcmp(error->step, "EXEC") == 0 && error->code == ENOENT)
        fprintf(stderr, "error[command-not-found]: \"%s\" was not found in the container\n", error->path);
    else if (strcmp(error->step, "EXEC") == 0)
        fprintf(stderr, "error[command-not-executable]: \"%s\" cannot be executed in the container: %s\n",
                error->path, reason);
    else if (strcmp(error->step, "USER") == 0)
        fprintf(stderr, "error[unknown-user]: the user or group \"%s\" does not exist in the container\n",
                error->path);
    else if (strcmp(error->step, "WORKING_DIRECTORY") == 0)
        fprintf(stderr, "error[working-directory]: cannot use %s as working directory: %s\n", error->path,
                reason);
    else
        complain(error);
}

/* As Docker has them; what it finds out before it calls its runtime is an ordinary failure. */
static int exec_failure_code(const struct tsc_error *error) {
    bool missing = error->code == ENOENT;
    if (strcmp(error->step, "EXEC") == 0)
        return missing ? 127 : 126;
    if (strcmp(error->step, "WORKING_DIRECTORY") == 0)
        return missing || error->code == ENOTDIR ? 127 : 126;
    return strcmp(error->step, "USER") == 0 || strcmp(error->step, "find process") == 0 ? 1 : 126;
}

static int exec(int argc, char *argv[]) {
    struct tsc_exec_options options = {.fault = read_fault()};
    struct tsc_error error = {0};
    if (!parse_exec(argc, argv, &options)) {
        fputs(usage, stderr);
        return 2;
    }
    int code = tsc_exec_run(&options, &error);
    if (code >= 0)
        return code;
    if (options.report == 0 || tsc_report_error(options.report, &error) < 0)
        explain(&error);
    return exec_failure_code(&error);
}

static bool parse_create(int argc, char *argv[], struct tsc_create_options *options) {
    bool fine = true;
    for (int i = 2; i < argc && fine; i++) {
        const char *name = argv[i];
        if (strcmp(name, "--start") == 0) {
            options->start = true;
            continue;
        }
        char *value = ++i < argc ? argv[i] : NULL;
        fine = value != NULL;
        if (fine && strcmp(name, "--program") == 0)
            options->run.program = value;
        else if (fine && strcmp(name, "--gate") == 0)
            options->gate = value;
        else if (fine && strcmp(name, "--console-socket") == 0)
            options->console = value;
        else if (fine && strcmp(name, "--keyring") == 0)
            options->keyring = value;
        else if (fine && strcmp(name, "--report") == 0)
            fine = parse_number(value, &options->report);
        else if (fine && strcmp(name, "--preserve-fds") == 0)
            fine = parse_number(value, &options->kept) && options->kept <= TSC_KEPT_MAX;
        else
            fine = fine && strcmp(name, "--fd") == 0 &&
                   parse_slot(value, options->run.slots, &options->run.slot_count);
    }
    return fine && options->gate && options->report > 2;
}

static int create(int argc, char *argv[]) {
    tsc_auto_free struct tsc_create_options *options = calloc(1, sizeof(*options));
    struct tsc_error error = {0};
    bool starts = strcmp(argv[1], "start") == 0;
    if (!options || !parse_create(argc, argv, options) || !(options->run.program || starts)) {
        fputs(usage, stderr);
        return 2;
    }
    options->run.fault = read_fault();
    int code = starts ? tsc_start(options->gate, &error) : tsc_create(options, &error);
    if (code < 0 && tsc_report_error(options->report, &error) < 0)
        complain(&error);
    return code < 0 ? 125 : code;
}

int main(int argc, char *argv[], char *envp[]) {
    if (argc > 2 && tsc_init_is(argv[0]))
        return tsc_init(argv[0], argv + 2, envp);
    if (argc > 1 && strcmp(argv[1], "--version") == 0)
        return printf("tscompose-shim %s\n", TSC_VERSION) < 0;
    seal(argv, envp);
    prctl(PR_SET_NAME, "tscompose-shim", 0, 0, 0);
    tidy_descriptors();
    if (argc > 1 && (strcmp(argv[1], "run") == 0 || strcmp(argv[1], "exec") == 0)) {
        leave_keyring();
        return argv[1][0] == 'r' ? run(argc, argv) : exec(argc, argv);
    }
    if (argc > 1 && (strcmp(argv[1], "create") == 0 || strcmp(argv[1], "start") == 0))
        return create(argc, argv);
    fputs(usage, stderr);
    return 2;
}
