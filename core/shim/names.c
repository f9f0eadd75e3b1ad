/*
 * Name tables and the hosts file. A table line is `CONTAINER ADDRESS NAME...`; a hosts line is made from each, with the
 * container's own links added. Tables are replaced by rename(2) in a directory that is watched: with the old F_NOTIFY,
 * because a user has 128 inotify instances and a machine more containers than that.
 */
#include "names.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <malloc.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "cleanup.h"
#include "fd.h"

enum {
    TABLES_FIRST = 2,
    TABLE_LIMIT = 16 << 20,
    COALESCE_MS = 20,       /* many containers that start at once are one rewrite, */
    COALESCE_MAX_MS = 2000, /* and the more there are, the more each of them would have to read */
    TRIM_BYTES = 16 << 10,
    KEPT_MS = 5000, /* for the next question; a thousand names in each of a thousand shims are much memory */
    WATCHES_MAX = 64,
    LOCK_ATTEMPTS = 1000,
    LOCK_PAUSE_NS = 5 * 1000 * 1000,
};

struct tsc_names {
    struct tsc_shim *shim;
    const struct tsc_step *step; /* HOSTS */
    struct tsc_source watch;     /* signals, or inotify */
    int directories[WATCHES_MAX];
    size_t directory_count;
    struct tsc_timer timer;
    struct tsc_timer forget_timer;
    char *text; /* all tables, cut into words that the list points to; NULL: not wanted for long */
    struct tsc_name *list;
    size_t count;
    size_t capacity;
    size_t size; /* how many there were when they were read last */
};

static bool parse_address(const char *text, struct tsc_name *ret) {
    ret->text = text;
    ret->family = strchr(text, ':') ? AF_INET6 : AF_INET;
    return inet_pton(ret->family, text, ret->address) == 1;
}

static void add_name(struct tsc_names *names, const struct tsc_name *entry) {
    if (names->count == names->capacity) {
        size_t capacity = names->capacity ? names->capacity * 2 : 16;
        struct tsc_name *grown = realloc(names->list, capacity * sizeof(*grown));
        if (!grown)
            return;
        names->list = grown;
        names->capacity = capacity;
    }
    names->list[names->count++] = *entry;
}

static void add_with_links(struct tsc_names *names, struct tsc_name entry, bool first,
                           struct tsc_text *hosts) {
    add_name(names, &entry);
    tsc_text_format(hosts, "%s%s", first ? "\t" : " ", entry.name);
    const char *name = entry.name;
    tsc_program_each(&names->shim->program, TSC_STEP_LINK, link) {
        if (strcasecmp(tsc_step_text(link, 0), name) != 0)
            continue;
        entry.name = tsc_step_text(link, 1);
        add_name(names, &entry);
        tsc_text_format(hosts, " %s", entry.name);
    }
}

static void take_line(struct tsc_names *names, char *line, struct tsc_text *hosts) {
    char *rest = line;
    char *container = strsep(&rest, " ");
    char *address = strsep(&rest, " ");
    struct tsc_name entry = {0};
    if (!*container || !address || !rest || !parse_address(address, &entry))
        return;
    tsc_text_string(hosts, address);
    bool first = true;
    for (char *name; (name = strsep(&rest, " "));) {
        if (!*name)
            continue;
        entry.name = name;
        add_with_links(names, entry, first, hosts);
        first = false;
    }
    tsc_text_string(hosts, "\n");
}

/* All tables one after the other; one that is missing has no lines. */
static char *read_tables(const struct tsc_names *names) {
    struct tsc_text all = {0};
    for (uint32_t i = TABLES_FIRST; names->step && i < names->step->count; i++) {
        tsc_auto_free uint8_t *bytes = NULL;
        size_t size;
        if (tsc_file_read(AT_FDCWD, tsc_step_text(names->step, i), TABLE_LIMIT, &bytes, &size) < 0)
            continue;
        tsc_text_append(&all, bytes, size);
        tsc_text_append(&all, "\n", 1);
    }
    tsc_text_append(&all, "", 1);
    if (all.failed)
        tsc_text_free(&all);
    return all.bytes;
}

/* In place: the file is bind-mounted by its inode. What is shorter is cut off last, so that no reader sees less than
 * one of the two contents. */
static void rewrite(const char *path, const struct tsc_text *hosts) {
    tsc_auto_fd int fd = tsc_fd_open(path, O_RDWR | O_CREAT, 0644);
    if (fd < 0)
        return;
    tsc_auto_free uint8_t *before = NULL;
    size_t size = 0;
    size_t length = tsc_text_length(hosts);
    if (tsc_fd_read_all(fd, TABLE_LIMIT, &before, &size) == 0 && size == length &&
        (length == 0 || memcmp(before, hosts->bytes, length) == 0))
        return;
    size_t done = 0;
    while (done < length) {
        ssize_t count = pwrite(fd, hosts->bytes + done, length - done, (off_t)done);
        if (count < 0 && errno == EINTR)
            continue;
        if (count <= 0)
            return;
        done += (size_t)count;
    }
    (void)!ftruncate(fd, (off_t)length);
}

/* A notice is sent once: until the tables are read again nobody needs another. */
static int arm(const struct tsc_names *names) {
    for (size_t i = 0; i < names->directory_count; i++)
        if (fcntl(names->directories[i], F_NOTIFY, DN_CREATE | DN_RENAME) < 0)
            return -errno;
    return 0;
}

static void forget(void *data) {
    struct tsc_names *names = data;
    size_t held = names->capacity * sizeof(*names->list);
    free(names->text);
    free(names->list);
    names->text = NULL;
    names->list = NULL;
    names->count = names->capacity = 0;
#ifdef __GLIBC__
    if (held > TRIM_BYTES)
        malloc_trim(0);
#else
    (void)held;
#endif
}

void tsc_names_refresh(struct tsc_names *names) {
    if (!names)
        return;
    tsc_timer_clear(&names->shim->loop, &names->timer);
    arm(names);
    struct tsc_text hosts = {0};
    free(names->text);
    names->count = 0;
    names->text = read_tables(names);
    if (names->step)
        tsc_text_string(&hosts, tsc_step_text(names->step, 1));
    if (tsc_text_length(&hosts) > 0 && hosts.bytes[hosts.size - 1] != '\n')
        tsc_text_string(&hosts, "\n");
    char *cursor = names->text;
    for (char *line; cursor && (line = strsep(&cursor, "\n"));)
        take_line(names, line, &hosts);
    if (names->step && !hosts.failed)
        rewrite(tsc_step_text(names->step, 0), &hosts);
    tsc_text_free(&hosts);
    names->size = names->count;
    tsc_timer_set(&names->shim->loop, &names->forget_timer, KEPT_MS);
}

static void refresh_later(void *data) {
    tsc_names_refresh(data);
}

static void tables_changed(void *data, uint32_t events) {
    (void)events;
    struct tsc_names *names = data;
    char buffer[4096];
    while (tsc_fd_read(names->watch.fd, buffer, sizeof(buffer)) > 0)
        ;
    int64_t delay = COALESCE_MS + (int64_t)names->size;
    if (!names->timer.added)
        tsc_timer_set(&names->shim->loop, &names->timer, delay < COALESCE_MAX_MS ? delay : COALESCE_MAX_MS);
}

/* Who asks gets the tables as they are, not as they were when the hosts file was written. */
size_t tsc_names_list(struct tsc_names *names, const struct tsc_name **ret) {
    if (names && names->watch.added && tsc_fd_poll(names->watch.fd, POLLIN, 0) > 0)
        tables_changed(names, EPOLLIN);
    if (names && (names->timer.added || !names->text))
        tsc_names_refresh(names);
    *ret = names ? names->list : NULL;
    return names ? names->count : 0;
}

static void directory_of(const char *path, char directory[PATH_MAX]) {
    snprintf(directory, PATH_MAX, "%s", path);
    char *slash = strrchr(directory, '/');
    if (slash)
        *slash = '\0';
}

static int open_directories(struct tsc_names *names) {
    for (uint32_t i = TABLES_FIRST; i < names->step->count; i++) {
        char path[PATH_MAX];
        directory_of(tsc_step_text(names->step, i), path);
        int fd = tsc_fd_open(path, O_RDONLY | O_DIRECTORY, 0);
        if (fd == -ENOENT)
            continue;
        if (fd < 0)
            return fd;
        if (names->directory_count == WATCHES_MAX) {
            close(fd);
            return -E2BIG;
        }
        names->directories[names->directory_count++] = fd;
    }
    return 0;
}

static void close_directories(struct tsc_names *names) {
    while (names->directory_count > 0)
        close(names->directories[--names->directory_count]);
}

/* SIGIO: one that is pending stands for all. */
static int watch_by_signal(struct tsc_names *names) {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGIO);
    sigprocmask(SIG_BLOCK, &set, NULL);
    int error = arm(names);
    if (error < 0)
        return error;
    names->watch.fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    return names->watch.fd < 0 ? -errno : 0;
}

/* For a kernel that was built without F_NOTIFY. */
static int watch_by_inotify(struct tsc_names *names) {
    close_directories(names);
    names->watch.fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    if (names->watch.fd < 0)
        return -errno;
    for (uint32_t i = TABLES_FIRST; i < names->step->count; i++) {
        char path[PATH_MAX];
        directory_of(tsc_step_text(names->step, i), path);
        if (inotify_add_watch(names->watch.fd, path, IN_MOVED_TO | IN_CLOSE_WRITE | IN_ONLYDIR) < 0 &&
            errno != ENOENT)
            return -errno;
    }
    return 0;
}

static int watch_tables(struct tsc_names *names) {
    int error = open_directories(names);
    if (error == 0)
        error = watch_by_signal(names);
    if (error == -EINVAL)
        error = watch_by_inotify(names);
    return error < 0 ? error : tsc_loop_watch(&names->shim->loop, &names->watch, EPOLLIN);
}

int tsc_names_open(struct tsc_shim *shim, struct tsc_error *reterr) {
    const struct tsc_step *step = tsc_program_find(&shim->program, TSC_STEP_HOSTS, NULL);
    const char *name = tsc_step_name(TSC_STEP_HOSTS);
    if (!step)
        return 0;
    int error = tsc_fault_of(&shim->options->fault, TSC_STEP_HOSTS, reterr);
    if (error < 0)
        return error;
    struct tsc_names *names = calloc(1, sizeof(*names));
    if (!names)
        return tsc_fail(reterr, -ENOMEM, name, "");
    *names = (struct tsc_names){.shim = shim,
                                .step = step,
                                .watch = {.fd = -1, .ready = tables_changed, .data = names},
                                .timer = {.fire = refresh_later, .data = names},
                                .forget_timer = {.fire = forget, .data = names}};
    shim->names = names;
    error = step->count > TABLES_FIRST ? watch_tables(names) : 0;
    if (error < 0)
        return tsc_fail(reterr, error, name, tsc_step_text(step, 0));
    /* The file has to be there when it is mounted. */
    tsc_names_refresh(names);
    return 0;
}

/* --- the end --- */

/* Whoever has the lock has it for a moment; but nobody may be able to keep a container from ending. */
static int lock_table(const char *directory) {
    char path[PATH_MAX + 8];
    snprintf(path, sizeof(path), "%s/lock", directory);
    tsc_auto_fd int fd = tsc_fd_open(path, O_RDWR | O_CREAT, 0600);
    if (fd < 0)
        return fd;
    int error = -EWOULDBLOCK;
    for (int attempt = 0; attempt < LOCK_ATTEMPTS && error == -EWOULDBLOCK; attempt++) {
        error = tsc_fd_lock(fd);
        if (error == -EWOULDBLOCK)
            nanosleep(&(struct timespec){.tv_nsec = LOCK_PAUSE_NS}, NULL);
    }
    return error < 0 ? error : tsc_take_fd(&fd);
}

static bool is_own(const char *line, const char *id) {
    size_t length = strlen(id);
    return strncmp(line, id, length) == 0 && line[length] == ' ';
}

static void withdraw_from(const char *path, const char *id) {
    char directory[PATH_MAX];
    directory_of(path, directory);
    tsc_auto_fd int lock = lock_table(directory);
    tsc_auto_free uint8_t *bytes = NULL;
    size_t size;
    if (lock < 0 || tsc_file_read(AT_FDCWD, path, TABLE_LIMIT, &bytes, &size) < 0)
        return;
    struct tsc_text kept = {0};
    char *cursor = (char *)bytes;
    for (char *line; (line = strsep(&cursor, "\n"));)
        if (*line && !is_own(line, id))
            tsc_text_format(&kept, "%s\n", line);
    if (!kept.failed && tsc_text_length(&kept) != size)
        tsc_file_replace(AT_FDCWD, path, 0644, kept.bytes, tsc_text_length(&kept));
    tsc_text_free(&kept);
}

void tsc_names_withdraw(struct tsc_names *names) {
    if (!names)
        return;
    tsc_loop_close(&names->shim->loop, &names->watch);
    tsc_timer_clear(&names->shim->loop, &names->timer);
    tsc_timer_clear(&names->shim->loop, &names->forget_timer);
    close_directories(names);
    for (uint32_t i = TABLES_FIRST; i < names->step->count; i++)
        withdraw_from(tsc_step_text(names->step, i), names->shim->options->id);
}
