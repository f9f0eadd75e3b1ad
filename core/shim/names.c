/*
 * Name tables and the hosts file. A table line is `CONTAINER ADDRESS NAME...`; a hosts line is made from each, with the
 * container's own links added. Tables are replaced by rename(2), then touched, in a directory that is watched: with the old
 * F_NOTIFY, because a user has 128 inotify instances and a machine more containers than that.
 */
#include "names.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/mman.h>
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
    ANNOUNCE_MAX_MS = 500,  /* whoever waits for the start does not wait until all have noticed */
    WATCHES_MAX = 64,
    LOCK_ATTEMPTS = 1000,
    LOCK_PAUSE_NS = 5 * 1000 * 1000,
};

struct tsc_names {
    struct tsc_shim *shim;
    const struct tsc_step *step; /* HOSTS */
    const struct tsc_step *link; /* the first */
    struct tsc_source watch;     /* signals, or inotify */
    int directories[WATCHES_MAX];
    size_t directory_count;
    struct tsc_timer timer;
    struct tsc_timer announcement;
    bool announced;
    size_t size; /* how many there were when they were read last */
};

/* --- reading: nothing is kept, because a thousand names in each of a thousand shims would be much memory --- */

struct word {
    const char *text;
    size_t length;
};

struct line {
    struct word container;
    struct word address;
    struct word names; /* with the spaces between them */
};

typedef void (*take_line)(void *data, const struct line *line);

/* Cuts off what comes before `separator`; false at the end. */
static bool next_word(struct word *rest, char separator, struct word *ret) {
    if (!rest->text)
        return false;
    const char *end = memchr(rest->text, separator, rest->length);
    size_t length = end ? (size_t)(end - rest->text) : rest->length;
    *ret = (struct word){rest->text, length};
    *rest = end ? (struct word){end + 1, rest->length - length - 1} : (struct word){0};
    return true;
}

static bool next_name(struct word *rest, struct word *ret) {
    while (next_word(rest, ' ', ret))
        if (ret->length > 0)
            return true;
    return false;
}

static void each_line_of(struct word table, take_line take, void *data) {
    for (struct word whole; next_word(&table, '\n', &whole);) {
        struct line line;
        if (next_word(&whole, ' ', &line.container) && line.container.length > 0 &&
            next_word(&whole, ' ', &line.address) && whole.text) {
            line.names = whole;
            take(data, &line);
        }
    }
}

/* Of all tables, one after the other; one that is missing has none. They are only ever replaced, never cut, so that
 * they can be read where the kernel has them: once for all shims. */
static void each_line(const struct tsc_names *names, take_line take, void *data) {
    for (uint32_t i = TABLES_FIRST; names->step && i < names->step->count; i++) {
        tsc_auto_fd int fd = tsc_fd_open(tsc_step_text(names->step, i), O_RDONLY, 0);
        struct stat stat;
        if (fd < 0 || fstat(fd, &stat) < 0 || stat.st_size <= 0 || stat.st_size > TABLE_LIMIT)
            continue;
        size_t size = (size_t)stat.st_size;
        void *bytes = mmap(NULL, size, PROT_READ, MAP_SHARED | MAP_POPULATE, fd, 0);
        if (bytes == MAP_FAILED)
            continue;
        each_line_of((struct word){bytes, size}, take, data);
        munmap(bytes, size);
    }
}

static bool parse_address(struct word word, struct tsc_name *ret) {
    char text[INET6_ADDRSTRLEN];
    if (word.length >= sizeof(text))
        return false;
    memcpy(text, word.text, word.length);
    text[word.length] = '\0';
    ret->family = strchr(text, ':') ? AF_INET6 : AF_INET;
    return inet_pton(ret->family, text, ret->address) == 1;
}

static bool is_called(struct word name, const char *text) {
    return strncasecmp(name.text, text, name.length) == 0 && text[name.length] == '\0';
}

#define each_link(names, link)                              \
    for (const struct tsc_step *link = (names)->link; link; \
         link = tsc_program_find(&(names)->shim->program, TSC_STEP_LINK, link))

struct visit {
    const struct tsc_names *names;
    tsc_names_visit *visit;
    void *data;
};

static void visit_name(const struct visit *visit, const char *name, struct tsc_name *entry) {
    entry->name = name;
    visit->visit(visit->data, entry);
}

static void visit_line(void *data, const struct line *line) {
    const struct visit *visit = data;
    struct tsc_name entry = {0};
    if (!parse_address(line->address, &entry))
        return;
    struct word rest = line->names;
    for (struct word word; next_name(&rest, &word);) {
        char name[NAME_MAX + 1];
        if (word.length < sizeof(name)) {
            memcpy(name, word.text, word.length);
            name[word.length] = '\0';
            visit_name(visit, name, &entry);
        }
        each_link(visit->names, link) {
            if (is_called(word, tsc_step_text(link, 0)))
                visit_name(visit, tsc_step_text(link, 1), &entry);
        }
    }
}

void tsc_names_each(const struct tsc_names *names, tsc_names_visit *visit, void *data) {
    if (names)
        each_line(names, visit_line, &(struct visit){names, visit, data});
}

/* --- the hosts file --- */

/* Written in place: the file is bind-mounted by its inode. What is right already is left alone, and what is too much is
 * cut off last, so that no reader sees less than one of the two contents. */
struct hosts {
    const struct tsc_names *names;
    int fd;
    off_t done; /* what is in the file for sure */
    size_t fill;
    size_t count;     /* names */
    char own[2][512]; /* how the container calls itself, in full and in short, or empty */
    char buffer[4096];
};

static void write_at(int fd, const char *bytes, size_t size, off_t at) {
    while (size > 0) {
        ssize_t count = pwrite(fd, bytes, size, at);
        if (count < 0 && errno == EINTR)
            continue;
        if (count <= 0)
            return;
        bytes += count;
        size -= (size_t)count;
        at += count;
    }
}

static void flush(struct hosts *hosts) {
    char before[sizeof(hosts->buffer)];
    ssize_t size = pread(hosts->fd, before, hosts->fill, hosts->done);
    if (size != (ssize_t)hosts->fill || memcmp(before, hosts->buffer, hosts->fill) != 0)
        write_at(hosts->fd, hosts->buffer, hosts->fill, hosts->done);
    hosts->done += (off_t)hosts->fill;
    hosts->fill = 0;
}

static void put(struct hosts *hosts, struct word word) {
    while (word.length > 0) {
        size_t room = sizeof(hosts->buffer) - hosts->fill;
        size_t size = word.length < room ? word.length : room;
        memcpy(hosts->buffer + hosts->fill, word.text, size);
        hosts->fill += size;
        word = (struct word){word.text + size, word.length - size};
        if (hosts->fill == sizeof(hosts->buffer))
            flush(hosts);
    }
}

static void put_text(struct hosts *hosts, const char *text) {
    put(hosts, (struct word){text, strlen(text)});
}

/* As in Docker: whoever asks for the full name of the machine gets the first one of its address. */
static void name_self(struct hosts *hosts) {
    const struct tsc_program *program = &hosts->names->shim->program;
    const struct tsc_step *name = tsc_program_find(program, TSC_STEP_HOSTNAME, NULL);
    const struct tsc_step *domain = tsc_program_find(program, TSC_STEP_DOMAINNAME, NULL);
    if (!name)
        return;
    snprintf(hosts->own[0], sizeof(hosts->own[0]), "%s%s%s", tsc_step_text(name, 0), domain ? "." : "",
             domain ? tsc_step_text(domain, 0) : "");
    size_t length = strcspn(hosts->own[0], ".");
    if (hosts->own[0][length] == '.')
        snprintf(hosts->own[1], sizeof(hosts->own[1]), "%.*s", (int)length, hosts->own[0]);
}

static void put_line(void *data, const struct line *line) {
    struct hosts *hosts = data;
    struct tsc_name parsed;
    if (!parse_address(line->address, &parsed))
        return;
    put(hosts, line->address);
    const char *separator = "\t";
    const char *id = hosts->names->shim->options->id;
    bool own = line->container.length == strlen(id) && memcmp(line->container.text, id, strlen(id)) == 0;
    for (int i = 0; own && i < 2 && *hosts->own[i]; i++, separator = " ") {
        put_text(hosts, separator);
        put_text(hosts, hosts->own[i]);
    }
    struct word rest = line->names;
    for (struct word word; next_name(&rest, &word);) {
        if (own && (is_called(word, hosts->own[0]) || is_called(word, hosts->own[1])))
            continue;
        put_text(hosts, separator);
        put(hosts, word);
        separator = " ";
        hosts->count++;
        each_link(hosts->names, link) {
            if (!is_called(word, tsc_step_text(link, 0)))
                continue;
            put_text(hosts, separator);
            put_text(hosts, tsc_step_text(link, 1));
        }
    }
    put_text(hosts, "\n");
}

static size_t write_hosts(const struct tsc_names *names, const char *path, const char *begin) {
    tsc_auto_fd int fd = tsc_fd_open(path, O_RDWR | O_CREAT, 0644);
    if (fd < 0)
        return 0;
    struct hosts hosts = {.names = names, .fd = fd};
    name_self(&hosts);
    put_text(&hosts, begin);
    if (*begin && begin[strlen(begin) - 1] != '\n')
        put_text(&hosts, "\n");
    each_line(names, put_line, &hosts);
    flush(&hosts);
    struct stat stat;
    if (fstat(fd, &stat) == 0 && stat.st_size > hosts.done)
        (void)!ftruncate(fd, hosts.done);
    return hosts.count;
}

/* A notice is sent once: until the tables are read again nobody needs another. */
static int arm(const struct tsc_names *names) {
    for (size_t i = 0; i < names->directory_count; i++)
        if (fcntl(names->directories[i], F_NOTIFY, DN_ATTRIB) < 0)
            return -errno;
    return 0;
}

void tsc_names_refresh(struct tsc_names *names) {
    if (!names || !names->step)
        return;
    tsc_timer_clear(&names->shim->loop, &names->timer);
    arm(names);
    names->size = write_hosts(names, tsc_step_text(names->step, 0), tsc_step_text(names->step, 1));
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

/* Tells all who watch it that a table has changed; that wakes as many as there are containers on the network. */
static void touch(const char *path) {
    utimensat(AT_FDCWD, path, NULL, 0);
}

static void announce(void *data) {
    const struct tsc_names *names = data;
    for (uint32_t i = TABLES_FIRST; i < names->step->count; i++)
        touch(tsc_step_text(names->step, i));
}

void tsc_names_announce(struct tsc_names *names) {
    if (!names || names->announced)
        return;
    names->announced = true;
    int64_t delay = (int64_t)names->size / 4;
    tsc_timer_set(&names->shim->loop, &names->announcement,
                  delay < ANNOUNCE_MAX_MS ? delay : ANNOUNCE_MAX_MS);
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
        if (inotify_add_watch(names->watch.fd, path, IN_ATTRIB | IN_ONLYDIR) < 0 && errno != ENOENT)
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
                                .link = tsc_program_find(&shim->program, TSC_STEP_LINK, NULL),
                                .watch = {.fd = -1, .ready = tables_changed, .data = names},
                                .timer = {.fire = refresh_later, .data = names},
                                .announcement = {.fire = announce, .data = names}};
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
    if (!kept.failed && tsc_text_length(&kept) != size &&
        tsc_file_replace(AT_FDCWD, path, 0644, kept.bytes, tsc_text_length(&kept)) == 0)
        touch(path);
    tsc_text_free(&kept);
}

void tsc_names_withdraw(struct tsc_names *names) {
    if (!names)
        return;
    tsc_loop_close(&names->shim->loop, &names->watch);
    tsc_timer_clear(&names->shim->loop, &names->timer);
    tsc_timer_clear(&names->shim->loop, &names->announcement);
    close_directories(names);
    for (uint32_t i = TABLES_FIRST; i < names->step->count; i++)
        withdraw_from(tsc_step_text(names->step, i), names->shim->options->id);
}
