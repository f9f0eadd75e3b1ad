/* Processes: starting one that is nobody's child, and becoming another program. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cleanup.h"
#include "error.h"
#include "fd.h"
#include "syscalls.h"

#define STACK_SIZE     (64U * 1024U)
#define KERNEL_SIGNALS 64
/* Descriptors are first moved above all targets, so that no target overwrites a source. */
#define MAX_FDS 1024

/* Stacks that are left by exec stay marked as in use by the sanitizer, and are used again. */
#define ON_SHARED_STACK __attribute__((no_sanitize_address))

struct spawn_request {
    const char *path;
    int file; /* executed instead of the path unless it is -1 */
    char *const *argv;
    char *const *envp;
    const int32_t *fds;
    int fd_count;
    char *inner_stack;
    /* Written by the children, which share the caller's memory until exec. */
    pid_t pid;
    int error;
    const char *failed_step;
};

ON_SHARED_STACK static int give_up(struct spawn_request *request, const char *step) {
    request->error = errno;
    request->failed_step = step;
    return 127;
}

ON_SHARED_STACK static void default_signals(void) {
    const struct sigaction action = {.sa_handler = SIG_DFL};
    for (int number = 1; number <= KERNEL_SIGNALS; number++)
        (void)sigaction(number, &action, NULL);
}

/* Runs in a copy of the descriptor table: what it opens and closes, the caller does not see. */
ON_SHARED_STACK static int arrange_fds(const struct spawn_request *request) {
    int above[MAX_FDS];
    for (int n = 0; n < request->fd_count; n++) {
        int source = request->fds[n] < 0 ? open("/dev/null", O_RDWR | O_CLOEXEC) : request->fds[n];
        if (source < 0)
            return -1;
        above[n] = fcntl(source, F_DUPFD_CLOEXEC, request->fd_count);
        if (above[n] < 0)
            return -1;
    }
    for (int n = 0; n < request->fd_count; n++) {
        if (dup2(above[n], n) < 0)
            return -1;
    }
    return tsc_sys_close_range((unsigned)request->fd_count, UINT_MAX, TSC_CLOSE_RANGE_CLOEXEC);
}

ON_SHARED_STACK static int run_program(void *argument) {
    struct spawn_request *request = argument;
    sigset_t none;

    default_signals();
    if (setsid() < 0)
        return give_up(request, "make a session");
    if (chdir("/") < 0)
        return give_up(request, "change directory");
    if (arrange_fds(request) < 0)
        return give_up(request, "pass descriptors");
    sigemptyset(&none);
    if (sigprocmask(SIG_SETMASK, &none, NULL) < 0)
        return give_up(request, "unblock signals");
    if (request->file >= 0)
        tsc_sys_execveat(request->file, "", request->argv, request->envp, AT_EMPTY_PATH);
    else
        execve(request->path, request->argv, request->envp);
    return give_up(request, "execute");
}

/* The child in between: its end makes the program an orphan at once. */
ON_SHARED_STACK static int run_parent(void *argument) {
    struct spawn_request *request = argument;
    request->pid =
        clone(run_program, request->inner_stack + STACK_SIZE, CLONE_VM | CLONE_VFORK | SIGCHLD, request);
    return request->pid < 0 ? give_up(request, "clone") : 0;
}

static int wait_for_clone(pid_t pid) {
    while (waitpid(pid, NULL, (int)__WCLONE) < 0) {
        if (errno != EINTR)
            return -errno;
    }
    return 0;
}

static int spawn_on(char *stacks, struct spawn_request *request, struct tsc_error *reterr) {
    sigset_t all, before;
    pid_t between;
    int saved = 0;

    request->inner_stack = stacks;
    sigfillset(&all);
    /* A handler of the caller must not run in a child that shares its memory. */
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    /* No exit signal: the caller's SIGCHLD bookkeeping never hears of it. */
    between = clone(run_parent, stacks + (size_t)2 * STACK_SIZE, CLONE_VM | CLONE_VFORK, request);
    if (between < 0)
        saved = errno;
    else
        (void)wait_for_clone(between);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);

    if (between < 0)
        return tsc_fail(reterr, -saved, "clone", request->path);
    if (request->failed_step)
        return tsc_fail(reterr, -request->error, request->failed_step, request->path);
    return 0;
}

int tsc_read_only_file(const char *path, int32_t *ret_fd, struct tsc_error *reterr) {
    const struct tsc_mount_attr attributes = {.attr_set = TSC_MOUNT_ATTR_RDONLY};
    tsc_auto_fd int tree = tsc_sys_open_tree(AT_FDCWD, path, TSC_OPEN_TREE_CLONE | TSC_OPEN_TREE_CLOEXEC);
    if (tree < 0)
        return tsc_fail(reterr, -errno, "clone the mount of", path);
    if (tsc_sys_mount_setattr(tree, "", AT_EMPTY_PATH, &attributes) < 0)
        return tsc_fail(reterr, -errno, "protect", path);
    *ret_fd = tsc_take_fd(&tree);
    return 0;
}

int tsc_spawn(const char *path, int32_t file, const char *const argv[], const char *const envp[],
              const int32_t *fds, int32_t fd_count, int32_t *ret_pid, struct tsc_error *reterr) {
    struct spawn_request request = {.path = path,
                                    .file = file,
                                    .argv = (char *const *)argv,
                                    .envp = (char *const *)envp,
                                    .fds = fds,
                                    .fd_count = fd_count};
    char *stacks;
    int r;

    if (fd_count < 0 || fd_count > MAX_FDS)
        return tsc_fail(reterr, -EINVAL, "pass descriptors", path);
    stacks = mmap(NULL, (size_t)2 * STACK_SIZE, PROT_READ | PROT_WRITE,
                  MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
    if (stacks == MAP_FAILED)
        return tsc_fail(reterr, -errno, "allocate stack", path);
    r = spawn_on(stacks, &request, reterr);
    (void)munmap(stacks, (size_t)2 * STACK_SIZE);
    if (r < 0)
        return r;
    *ret_pid = request.pid;
    return 0;
}

/* Ignored signals are the only dispositions that survive exec; returns the set of them. */
static sigset_t stop_ignoring(void) {
    const struct sigaction fallback = {.sa_handler = SIG_DFL};
    sigset_t ignored;

    sigemptyset(&ignored);
    for (int number = 1; number <= KERNEL_SIGNALS; number++) {
        struct sigaction action;
        if (sigaction(number, NULL, &action) < 0 || action.sa_handler != SIG_IGN)
            continue;
        (void)sigaddset(&ignored, number);
        (void)sigaction(number, &fallback, NULL);
    }
    return ignored;
}

static void ignore_again(const sigset_t *ignored) {
    const struct sigaction action = {.sa_handler = SIG_IGN};
    for (int number = 1; number <= KERNEL_SIGNALS; number++) {
        if (sigismember(ignored, number) == 1)
            (void)sigaction(number, &action, NULL);
    }
}

/* Node makes them close-on-exec when it starts, and non-blocking when it uses them. */
static void hand_over_standard_fds(void) {
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
        (void)tsc_fd_set_cloexec(fd, false);
        (void)tsc_fd_set_nonblocking(fd, false);
    }
}

int tsc_exec(const char *path, const char *const argv[], const char *const envp[], struct tsc_error *reterr) {
    sigset_t none, before, ignored;
    int saved;

    hand_over_standard_fds();
    ignored = stop_ignoring();
    sigemptyset(&none);
    (void)pthread_sigmask(SIG_SETMASK, &none, &before);
    execve(path, (char *const *)argv, (char *const *)envp);
    saved = errno;
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    ignore_again(&ignored);
    return tsc_fail(reterr, -saved, "execute", path);
}
