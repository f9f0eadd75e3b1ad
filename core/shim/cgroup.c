/* Control groups. */
#include "cgroup.h"

#include <fcntl.h>
#include <limits.h>
#include <linux/bpf.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "cleanup.h"
#include "fd.h"
#include "scope.h"
#include "syscalls.h"

/* Two seconds: on a busy machine a process may have to wait long for its turn to freeze or to die. */
enum { ATTEMPTS = 1000, ATTEMPTS_AGAIN = 25, PAUSE_NS = 2 * 1000 * 1000, FILE_LIMIT = 1 << 20 };

/* The kernel tells nobody when a v1 group becomes free or frozen. */
static void breathe(void) {
    nanosleep(&(struct timespec){.tv_nsec = PAUSE_NS}, NULL);
}

static int join_path(char path[PATH_MAX], const char *directory, const char *name) {
    int length = snprintf(path, PATH_MAX, "%s/%s", directory, name);
    return length < 0 || length >= PATH_MAX ? -ENAMETOOLONG : 0;
}

static int read_file(const char *directory, const char *name, char **ret_text) {
    char path[PATH_MAX];
    uint8_t *bytes;
    size_t size;
    int error = join_path(path, directory, name);
    if (error == 0)
        error = tsc_file_read(AT_FDCWD, path, FILE_LIMIT, &bytes, &size);
    if (error == 0)
        *ret_text = (char *)bytes;
    return error;
}

static int write_file(const char *directory, const char *name, const char *text) {
    char path[PATH_MAX];
    int error = join_path(path, directory, name);
    return error < 0 ? error : tsc_file_write(AT_FDCWD, path, text);
}

static int remember(struct tsc_cgroups *cgroups, const char *path) {
    char **grown = realloc(cgroups->made, (cgroups->count + 1) * sizeof(*grown));
    if (!grown)
        return -ENOMEM;
    cgroups->made = grown;
    cgroups->made[cgroups->count] = strdup(path);
    return cgroups->made[cgroups->count++] ? 0 : -ENOMEM;
}

/* A new v1 cpuset is empty and takes no process before it has got processors and memory. */
static void inherit_cpuset(const char *path) {
    const char *const names[] = {"cpuset.cpus", "cpuset.mems"};
    char parent[PATH_MAX];
    if (join_path(parent, path, "..") < 0)
        return;
    for (size_t i = 0; i < TSC_COUNT(names); i++) {
        tsc_auto_free char *own = NULL;
        tsc_auto_free char *above = NULL;
        if (read_file(path, names[i], &own) < 0)
            return; /* another controller's: most of them */
        if (read_file(path, "cgroup.clone_children", &above) < 0)
            return; /* v2, where an empty one inherits by itself */
        free(tsc_take_pointer(above));
        if (own[strspn(own, "\n")] == '\0' && read_file(parent, names[i], &above) == 0)
            write_file(path, names[i], above);
    }
}

static int make_directory(struct tsc_cgroups *cgroups, const char *path, bool is_cpuset) {
    if (mkdir(path, 0755) < 0)
        return -errno;
    if (is_cpuset)
        inherit_cpuset(path);
    return remember(cgroups, path);
}

static int make_parents(struct tsc_cgroups *cgroups, const char *path, bool is_cpuset) {
    char partial[PATH_MAX];
    int length = snprintf(partial, sizeof(partial), "%s", path);
    if (length < 0 || (size_t)length >= sizeof(partial))
        return -ENAMETOOLONG;
    for (char *end = strchr(partial + 1, '/'); end; end = strchr(end + 1, '/')) {
        *end = '\0';
        int error = make_directory(cgroups, partial, is_cpuset);
        if (error < 0 && error != -EEXIST)
            return error;
        *end = '/';
    }
    return 0;
}

/* Paths are walked as little as can be: each step through them waits for everybody who makes or removes a group. */
static int create_once(struct tsc_cgroups *cgroups, const char *path, bool is_cpuset) {
    int error = make_directory(cgroups, path, is_cpuset);
    if (error == -ENOENT) {
        error = make_parents(cgroups, path, is_cpuset);
        if (error == 0)
            error = make_directory(cgroups, path, is_cpuset);
    }
    if (error != -EEXIST)
        return error;
    cgroups->used = true;
    return remember(cgroups, path);
}

static int create(struct tsc_cgroups *cgroups, const struct tsc_step *step, struct tsc_error *reterr) {
    const char *path = tsc_step_text(step, 0);
    int error = -ENOENT;
    /* Somebody else may remove an empty parent at this moment. */
    for (int attempt = 0; attempt < ATTEMPTS && error == -ENOENT; attempt++)
        error = create_once(cgroups, path, tsc_step_integer(step, 1));
    return error < 0 ? tsc_fail(reterr, error, "", path) : 0;
}

static void close_file(struct tsc_cgroups *cgroups) {
    if (cgroups->open_path)
        close(cgroups->open_file);
    cgroups->open_path = NULL;
}

static int write_value(struct tsc_cgroups *cgroups, const struct tsc_step *step, struct tsc_error *reterr) {
    const char *path = tsc_step_text(step, 0);
    if (!cgroups->open_path || strcmp(cgroups->open_path, path) != 0) {
        close_file(cgroups);
        int fd = tsc_fd_open(path, O_WRONLY, 0);
        if (fd < 0)
            return tsc_fail(reterr, fd, "", path);
        cgroups->open_path = path;
        cgroups->open_file = fd;
    }
    int error = tsc_fd_write_text(cgroups->open_file, tsc_step_text(step, 1));
    return error < 0 ? tsc_fail(reterr, error, "", path) : 0;
}

/* v2 has no devices files: a program decides. It stays as long as the group. */
static int attach_devices(struct tsc_cgroups *cgroups, const struct tsc_step *step,
                          struct tsc_error *reterr) {
    (void)cgroups;
    const char *path = tsc_step_text(step, 0);
    const struct tsc_argument *code = &step->arguments[1];
    tsc_auto_fd int directory = tsc_fd_open(path, O_RDONLY | O_DIRECTORY, 0);
    if (directory < 0)
        return tsc_fail(reterr, directory, "", path);
    tsc_auto_free uint64_t *instructions = malloc(code->length + 1);
    if (!instructions)
        return tsc_fail(reterr, -ENOMEM, "", path);
    memcpy(instructions, code->bytes, code->length);
    union bpf_attr load = {
        .prog_type = BPF_PROG_TYPE_CGROUP_DEVICE,
        .insn_cnt = code->length / (uint32_t)sizeof(struct bpf_insn),
        .insns = (uint64_t)(uintptr_t)instructions,
        .license = (uint64_t)(uintptr_t)"Apache",
    };
    tsc_auto_fd int program = (int)syscall(SYS_bpf, BPF_PROG_LOAD, &load, sizeof(load));
    if (program < 0)
        return tsc_fail(reterr, -errno, "", path);
    union bpf_attr attach = {
        .target_fd = (uint32_t)directory,
        .attach_bpf_fd = (uint32_t)program,
        .attach_type = BPF_CGROUP_DEVICE,
        .attach_flags = BPF_F_ALLOW_MULTI,
    };
    return syscall(SYS_bpf, BPF_PROG_ATTACH, &attach, sizeof(attach)) < 0 ? tsc_fail(reterr, -errno, "", path)
                                                                          : 0;
}

static int enter_scope(struct tsc_cgroups *cgroups, const struct tsc_step *step, struct tsc_error *reterr) {
    (void)cgroups;
    return tsc_scope_enter(step, reterr);
}

typedef int cgroup_operation(struct tsc_cgroups *cgroups, const struct tsc_step *step,
                             struct tsc_error *reterr);

static cgroup_operation *const operations[] = {
    [TSC_STEP_CGROUP_CREATE] = create,
    [TSC_STEP_CGROUP_WRITE] = write_value,
    [TSC_STEP_CGROUP_DEVICES] = attach_devices,
    [TSC_STEP_CGROUP_SCOPE] = enter_scope,
};

int tsc_cgroup_prepare(struct tsc_cgroups *cgroups, const struct tsc_program *program,
                       const struct tsc_fault *fault, struct tsc_error *reterr) {
    *cgroups = (struct tsc_cgroups){.program = program};
    for (size_t i = 0; i < program->count; i++) {
        const struct tsc_step *step = &program->steps[i];
        if (step->op >= TSC_COUNT(operations) || !operations[step->op])
            continue;
        int error = tsc_fault_of(fault, step->op, reterr);
        if (error == 0)
            error = operations[step->op](cgroups, step, reterr);
        if (error < 0) {
            close_file(cgroups);
            return tsc_fail_step(reterr, error, tsc_step_name(step->op));
        }
    }
    close_file(cgroups);
    return 0;
}

void tsc_cgroup_remove(struct tsc_cgroups *cgroups) {
    for (size_t i = cgroups->count; i-- > 0;) {
        /* Busy with processes that are on their way out; a parent with other children is not ours alone. */
        int attempts = ATTEMPTS;
        while (rmdir(cgroups->made[i]) < 0 && errno == EBUSY && attempts-- > 0) {
            char *processes = NULL;
            bool gone = read_file(cgroups->made[i], "cgroup.procs", &processes) < 0;
            bool others = !gone && *processes == '\0' && attempts < ATTEMPTS - 5;
            free(processes);
            if (gone || others)
                break;
            breathe();
        }
        free(cgroups->made[i]);
    }
    free(cgroups->made);
    *cgroups = (struct tsc_cgroups){.program = cgroups->program};
}

static int await_freezer(const char *directory, const char *name, const char *wanted,
                         int (*again)(const char *directory)) {
    for (int attempt = 1; attempt <= ATTEMPTS; attempt++) {
        tsc_auto_free char *text = NULL;
        int error = read_file(directory, name, &text);
        if (error < 0)
            return error;
        if (strstr(text, wanted))
            return 0;
        if (again && attempt % ATTEMPTS_AGAIN == 0 && (error = again(directory)) < 0)
            return error;
        breathe();
    }
    return -EBUSY;
}

static int freeze_v1(const char *directory) {
    return write_file(directory, "freezer.state", "FROZEN");
}

/* Who waits in vfork(2) for a child that was frozen first never freezes by itself: v1 has to let all go for a moment. */
static int freeze_again(const char *directory) {
    int error = write_file(directory, "freezer.state", "THAWED");
    breathe();
    return error < 0 ? error : freeze_v1(directory);
}

int tsc_cgroup_freeze(const struct tsc_cgroups *cgroups, bool frozen) {
    int done = -ENOTSUP;
    tsc_program_each(cgroups->program, TSC_STEP_CGROUP_JOIN, step) {
        const char *path = tsc_step_text(step, 0);
        int error = frozen ? freeze_v1(path) : write_file(path, "freezer.state", "THAWED");
        if (error == 0)
            error = await_freezer(path, "freezer.state", frozen ? "FROZEN" : "THAWED",
                                  frozen ? freeze_again : NULL);
        else if (error == -ENOENT || error == -EACCES) {
            error = write_file(path, "cgroup.freeze", frozen ? "1" : "0");
            if (error == 0)
                error = await_freezer(path, "cgroup.events", frozen ? "frozen 1" : "frozen 0", NULL);
        }
        if (error == 0)
            return 0; /* one freezer holds them all */
        if (error != -ENOENT && error != -EACCES)
            done = error;
    }
    return done;
}

static int kill_each(const char *path) {
    for (int attempt = 0; attempt < ATTEMPTS; attempt++) {
        tsc_auto_free char *text = NULL;
        int error = read_file(path, "cgroup.procs", &text);
        if (error < 0 || *text == '\0')
            return error;
        for (char *at = text; *at;) {
            char *end;
            long pid = strtol(at, &end, 10);
            if (pid > 0)
                kill((pid_t)pid, SIGKILL);
            at = *end ? end + 1 : end;
        }
        write_file(path, "freezer.state", "THAWED");
        breathe();
    }
    return -EBUSY;
}

int tsc_cgroup_kill(const struct tsc_cgroups *cgroups) {
    const char *listing = NULL;
    tsc_program_each(cgroups->program, TSC_STEP_CGROUP_JOIN, step) {
        if (write_file(tsc_step_text(step, 0), "cgroup.kill", "1") == 0)
            return 0;
        listing = tsc_step_text(step, 0);
    }
    return listing ? kill_each(listing) : -ENOENT;
}

int64_t tsc_cgroup_oom_kills(const struct tsc_cgroups *cgroups) {
    const char *const names[] = {"memory.events", "memory.oom_control"};
    tsc_program_each(cgroups->program, TSC_STEP_CGROUP_JOIN, step) {
        for (size_t i = 0; i < TSC_COUNT(names); i++) {
            tsc_auto_free char *text = NULL;
            if (read_file(tsc_step_text(step, 0), names[i], &text) < 0)
                continue;
            /* At a line's start: "oom_kill_disable" is another one. */
            const char *found = strstr(text, "oom_kill ");
            return found ? strtoll(found + 9, NULL, 10) : 0;
        }
    }
    return 0;
}
