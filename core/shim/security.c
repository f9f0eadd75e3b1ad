/* Who the process is and what it may do: user and groups, capabilities, seccomp. */
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cleanup.h"
#include "fd.h"
#include "perform.h"
#include "syscalls.h"

enum { DATABASE_LIMIT = 16 << 20, FIELDS_MAX = 7, GROUPS_MAX = 1024 };

struct groups {
    gid_t ids[GROUPS_MAX];
    size_t count;
};

/* passwd or group of the container as text; "" when there is none. */
static int read_database(const struct tsc_launch *launch, const char *path, char **ret_text) {
    tsc_auto_fd int fd = tsc_root_open(launch, path, O_RDONLY | O_NONBLOCK | O_NOCTTY, 0);
    if (fd == -ENOENT || fd == -ENOTDIR) {
        *ret_text = strdup("");
        return *ret_text ? 0 : -ENOMEM;
    }
    if (fd < 0)
        return fd;
    struct stat info;
    if (fstat(fd, &info) < 0 || !S_ISREG(info.st_mode))
        return -EINVAL;
    uint8_t *bytes;
    size_t size;
    int error = tsc_fd_read_all(fd, DATABASE_LIMIT, &bytes, &size);
    if (error == 0)
        *ret_text = (char *)bytes;
    return error;
}

/* Takes the next line off `cursor` and cuts it at colons; the number of fields, -1 at the end. */
static int next_entry(char **cursor, char *fields[FIELDS_MAX]) {
    char *line = strsep(cursor, "\n");
    if (!line)
        return -1;
    int count = 0;
    while (count < FIELDS_MAX && (fields[count] = strsep(&line, ":")))
        count++;
    return count;
}

static bool parse_id(const char *text, unsigned *ret) {
    if (!text || !*text || strspn(text, "0123456789") != strlen(text))
        return false;
    errno = 0;
    unsigned long value = strtoul(text, NULL, 10);
    if (errno != 0 || value >= UINT_MAX)
        return false;
    *ret = (unsigned)value;
    return true;
}

static void add_group(struct groups *groups, gid_t gid) {
    for (size_t i = 0; i < groups->count; i++)
        if (groups->ids[i] == gid)
            return;
    if (groups->count < GROUPS_MAX)
        groups->ids[groups->count++] = gid;
}

/* Fills the identity from passwd; `ret_name` gets the login name, "" when the user is a mere number. */
static int find_user(const struct tsc_launch *launch, const char *user, struct tsc_identity *ret,
                     char *ret_name, size_t name_size) {
    tsc_auto_free char *text = NULL;
    int error = read_database(launch, "/etc/passwd", &text);
    if (error < 0)
        return error;
    unsigned number = 0;
    bool numeric = parse_id(user, &number);
    char *fields[FIELDS_MAX];
    char *cursor = text;
    for (int count; (count = next_entry(&cursor, fields)) >= 0;) {
        unsigned uid;
        unsigned gid;
        if (count < 6 || !parse_id(fields[2], &uid) || !parse_id(fields[3], &gid))
            continue;
        if (strcmp(fields[0], user) != 0 && !(numeric && uid == number))
            continue;
        ret->uid = uid;
        ret->gid = gid;
        snprintf(ret->home, sizeof(ret->home), "%s", *fields[5] ? fields[5] : "/");
        snprintf(ret_name, name_size, "%s", fields[0]);
        return 0;
    }
    if (!numeric)
        return -ENOENT;
    *ret = (struct tsc_identity){.uid = number, .gid = 0, .home = "/"};
    *ret_name = '\0';
    return 0;
}

static bool is_member(char *members, const char *name) {
    for (char *member; *name && (member = strsep(&members, ","));)
        if (strcmp(member, name) == 0)
            return true;
    return false;
}

/* A group by name or number. */
static int find_group(const struct tsc_launch *launch, const char *group, gid_t *ret) {
    tsc_auto_free char *text = NULL;
    int error = read_database(launch, "/etc/group", &text);
    if (error < 0)
        return error;
    char *fields[FIELDS_MAX];
    char *cursor = text;
    unsigned gid;
    for (int count; (count = next_entry(&cursor, fields)) >= 0;)
        if (count >= 3 && strcmp(fields[0], group) == 0 && parse_id(fields[2], &gid)) {
            *ret = gid;
            return 0;
        }
    if (!parse_id(group, &gid))
        return -ENOENT;
    *ret = gid;
    return 0;
}

static int add_memberships(const struct tsc_launch *launch, const char *name, struct groups *groups) {
    tsc_auto_free char *text = NULL;
    int error = read_database(launch, "/etc/group", &text);
    if (error < 0)
        return error;
    char *fields[FIELDS_MAX];
    char *cursor = text;
    unsigned gid;
    for (int count; (count = next_entry(&cursor, fields)) >= 0;)
        if (count >= 4 && parse_id(fields[2], &gid) && is_member(fields[3], name))
            add_group(groups, gid);
    return 0;
}

static int resolve(const struct tsc_launch *launch, const struct tsc_step *step,
                   struct tsc_identity *identity, struct groups *groups, struct tsc_error *reterr) {
    char user[256];
    char name[256];
    int length = snprintf(user, sizeof(user), "%s", tsc_step_text(step, 0));
    if (length < 0 || (size_t)length >= sizeof(user))
        return tsc_fail(reterr, -ENAMETOOLONG, "", tsc_step_text(step, 0));
    char *group = strchr(user, ':');
    if (group)
        *group++ = '\0';
    int error = find_user(launch, *user ? user : "0", identity, name, sizeof(name));
    if (error < 0)
        return tsc_fail(reterr, error, "", user);
    bool chosen = group && *group;
    error = chosen ? find_group(launch, group, &identity->gid) : add_memberships(launch, name, groups);
    if (error < 0)
        return tsc_fail(reterr, error, "", chosen ? group : "/etc/group");
    add_group(groups, identity->gid);
    for (uint32_t i = 1; i < step->count; i++) {
        gid_t gid;
        error = find_group(launch, tsc_step_text(step, i), &gid);
        if (error < 0)
            return tsc_fail(reterr, error, "", tsc_step_text(step, i));
        add_group(groups, gid);
    }
    identity->known = true;
    return 0;
}

/* A pipe or terminal that a user other than root gets has to be his, or he cannot open /dev/stdout. */
static void give_standard_streams(const struct tsc_identity *identity) {
    for (int fd = 0; fd <= 2; fd++) {
        struct stat info;
        if (fstat(fd, &info) < 0 || info.st_uid == identity->uid)
            continue;
        bool pipe = S_ISFIFO(info.st_mode);
        if (pipe || isatty(fd))
            (void)!fchown(fd, identity->uid, pipe ? identity->gid : info.st_gid);
    }
}

int tsc_user(struct tsc_launch *launch, const struct tsc_step *step, struct tsc_error *reterr) {
    struct groups groups = {.count = 0};
    int error = resolve(launch, step, &launch->identity, &groups, reterr);
    if (error < 0)
        return error;
    give_standard_streams(&launch->identity);
    /* Capabilities outlive the change of user: CAPABILITIES says which stay. */
    if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) < 0 || setgroups(groups.count, groups.ids) < 0 ||
        setresgid(launch->identity.gid, launch->identity.gid, launch->identity.gid) < 0 ||
        setresuid(launch->identity.uid, launch->identity.uid, launch->identity.uid) < 0)
        return tsc_fail(reterr, -errno, "", tsc_step_text(step, 0));
    return 0;
}

static int set_capabilities(uint64_t effective, uint64_t permitted, uint64_t inheritable) {
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[2] = {
        {(uint32_t)effective, (uint32_t)permitted, (uint32_t)inheritable},
        {(uint32_t)(effective >> 32), (uint32_t)(permitted >> 32), (uint32_t)(inheritable >> 32)},
    };
    return syscall(SYS_capset, &header, data) < 0 ? -errno : 0;
}

static int get_permitted(uint64_t *ret) {
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[2];
    if (syscall(SYS_capget, &header, data) < 0)
        return -errno;
    *ret = (uint64_t)data[1].permitted << 32 | data[0].permitted;
    return 0;
}

static int limit_bounding(uint64_t wanted) {
    for (unsigned long capability = 0; capability < 64; capability++) {
        int there = prctl(PR_CAPBSET_READ, capability, 0, 0, 0);
        if (there < 0)
            return 0; /* past the last one that this kernel knows */
        if (there > 0 && !(wanted >> capability & 1) && prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) < 0)
            return -errno;
    }
    return 0;
}

static int raise_ambient(uint64_t wanted) {
    if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0)
        return errno == EINVAL ? 0 : -errno;
    for (unsigned long capability = 0; capability < 64; capability++)
        if (wanted >> capability & 1 && prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, capability, 0, 0) < 0)
            return -errno;
    return 0;
}

int tsc_capabilities_raise(struct tsc_error *reterr) {
    uint64_t have = 0;
    int error = get_permitted(&have);
    if (error == 0)
        error = set_capabilities(have, have, 0);
    return error < 0 ? tsc_fail(reterr, error, "", "effective") : 0;
}

int tsc_capabilities_apply(const struct tsc_step *step, struct tsc_error *reterr) {
    uint64_t have = 0;
    int error = get_permitted(&have);
    /* After a change of user the effective set is empty; dropping from the bounding set needs CAP_SETPCAP. */
    if (error == 0)
        error = set_capabilities(have, have, 0);
    if (error < 0)
        return tsc_fail(reterr, error, "", "effective");
    error = limit_bounding((uint64_t)tsc_step_integer(step, 0));
    if (error < 0)
        return tsc_fail(reterr, error, "", "bounding");
    /* What the machine itself lacks cannot be given; asking for it is no error, as it is none in Docker. */
    uint64_t permitted = (uint64_t)tsc_step_integer(step, 2) & have;
    uint64_t inheritable = (uint64_t)tsc_step_integer(step, 3) & have;
    error = set_capabilities((uint64_t)tsc_step_integer(step, 1) & permitted, permitted, inheritable);
    if (error < 0)
        return tsc_fail(reterr, error, "", "permitted");
    error = raise_ambient((uint64_t)tsc_step_integer(step, 4) & permitted & inheritable);
    return error < 0 ? tsc_fail(reterr, error, "", "ambient") : 0;
}

int tsc_seccomp_apply(const struct tsc_step *step, struct tsc_error *reterr) {
    const struct tsc_argument *code = &step->arguments[1];
    size_t count = code->length / sizeof(struct sock_filter);
    if (count == 0 || count > BPF_MAXINSNS || code->length % sizeof(struct sock_filter) != 0)
        return tsc_fail(reterr, -EINVAL, "", "filter length");
    tsc_auto_free struct sock_filter *filter = malloc(code->length); /* aligned, unlike the file's bytes */
    if (!filter)
        return tsc_fail(reterr, -ENOMEM, "", "");
    memcpy(filter, code->bytes, code->length);
    struct sock_fprog program = {.len = (unsigned short)count, .filter = filter};
    if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, (unsigned)tsc_step_integer(step, 0), &program) < 0)
        return tsc_fail(reterr, -errno, "", "");
    return 0;
}
