/* The first use of a volume: what the image has at its place is copied into it. */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "cleanup.h"
#include "fd.h"
#include "perform.h"
#include "syscalls.h"

/* Files with several names, to keep them one file: where the first copy of each is. */
struct link_entry {
    dev_t device;
    ino_t inode;
    char *path;
};

struct copy {
    int target; /* the volume's directory */
    struct link_entry *links;
    size_t count;
    char path[4096]; /* of what is being copied, below the volume */
};

static int copy_tree(struct copy *copy, int from, int to);

static bool is_empty(int directory) {
    tsc_auto_fd int fd = tsc_fd_openat(directory, ".", O_RDONLY | O_DIRECTORY, 0);
    tsc_auto_directory DIR *stream = fd < 0 ? NULL : fdopendir(fd);
    if (!stream)
        return false;
    tsc_take_fd(&fd);
    for (struct dirent *entry; (entry = readdir(stream));)
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0 &&
            strcmp(entry->d_name, "lost+found") != 0)
            return false;
    return true;
}

static int copy_attributes(int from, int to) {
    char names[4096];
    char value[65536];
    ssize_t length = flistxattr(from, names, sizeof(names));
    if (length < 0)
        return errno == ENOTSUP ? 0 : -errno;
    for (const char *name = names; name < names + length; name += strlen(name) + 1) {
        ssize_t size =
            strncmp(name, "trusted.overlay.", 16) == 0 ? -1 : fgetxattr(from, name, value, sizeof(value));
        if (size >= 0 && fsetxattr(to, name, value, (size_t)size, 0) < 0 && errno != ENOTSUP &&
            errno != EPERM)
            return -errno;
    }
    return 0;
}

static int copy_metadata(int from, int to, const struct stat *info) {
    struct timespec times[2] = {info->st_atim, info->st_mtim};
    if (fchown(to, info->st_uid, info->st_gid) < 0)
        return -errno;
    int error = copy_attributes(from, to);
    if (error < 0)
        return error;
    return fchmod(to, info->st_mode & 07777) < 0 || futimens(to, times) < 0 ? -errno : 0;
}

static int copy_content(int from, int to) {
    for (;;) {
        ssize_t count = copy_file_range(from, NULL, to, NULL, 1 << 30, 0);
        if (count < 0 && (errno == EXDEV || errno == EINVAL || errno == EOPNOTSUPP || errno == ENOSYS))
            count = sendfile(to, from, NULL, 1 << 30);
        if (count < 0 && errno == EINTR)
            continue;
        if (count <= 0)
            return count < 0 ? -errno : 0;
    }
}

/* By descriptor, because the path leads through a volume that others may write to at this moment. */
static int link_first(const struct copy *copy, const char *path, int to, const char *name) {
    struct tsc_open_how how = {.flags = O_PATH | O_CLOEXEC | O_NOFOLLOW,
                               .resolve = TSC_RESOLVE_BENEATH | TSC_RESOLVE_NO_SYMLINKS};
    tsc_auto_fd int first = tsc_sys_openat2(copy->target, path, &how);
    char source[32];
    if (first < 0)
        return -errno;
    snprintf(source, sizeof(source), "/proc/self/fd/%d", first);
    return linkat(AT_FDCWD, source, to, name, AT_SYMLINK_FOLLOW) < 0 ? -errno : 0;
}

/* 1 when the file was linked to its first copy. */
static int link_again(struct copy *copy, const struct stat *info, int to, const char *name) {
    if (info->st_nlink < 2)
        return 0;
    for (size_t i = 0; i < copy->count; i++)
        if (copy->links[i].device == info->st_dev && copy->links[i].inode == info->st_ino) {
            int error = link_first(copy, copy->links[i].path, to, name);
            return error < 0 ? error : 1;
        }
    struct link_entry *grown = realloc(copy->links, (copy->count + 1) * sizeof(*grown));
    if (!grown)
        return -ENOMEM;
    copy->links = grown;
    char *path = strdup(copy->path);
    if (!path)
        return -ENOMEM;
    copy->links[copy->count++] = (struct link_entry){info->st_dev, info->st_ino, path};
    return 0;
}

static int copy_file(int from, const char *name, int to, const struct stat *info) {
    tsc_auto_fd int source = tsc_fd_openat(from, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK, 0);
    if (source < 0)
        return source;
    tsc_auto_fd int copy = tsc_fd_openat(to, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600);
    if (copy < 0)
        return copy;
    int error = copy_content(source, copy);
    return error < 0 ? error : copy_metadata(source, copy, info);
}

static int copy_link(int from, const char *name, int to) {
    char content[4096];
    ssize_t length = readlinkat(from, name, content, sizeof(content) - 1);
    if (length < 0)
        return -errno;
    content[length] = '\0';
    return symlinkat(content, to, name) < 0 ? -errno : 0;
}

static int copy_directory(struct copy *copy, int from, const char *name, int to, const struct stat *info) {
    tsc_auto_fd int source = tsc_fd_openat(from, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
    if (source < 0)
        return source;
    if (mkdirat(to, name, 0700) < 0)
        return -errno;
    tsc_auto_fd int made = tsc_fd_openat(to, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
    if (made < 0)
        return made;
    int error = copy_tree(copy, source, made);
    return error < 0 ? error : copy_metadata(source, made, info);
}

static int copy_entry(struct copy *copy, int from, const char *name, int to) {
    struct stat info;
    if (fstatat(from, name, &info, AT_SYMLINK_NOFOLLOW) < 0)
        return -errno;
    if (S_ISDIR(info.st_mode))
        return copy_directory(copy, from, name, to, &info);
    int linked = link_again(copy, &info, to, name);
    if (linked != 0)
        return linked < 0 ? linked : 0;
    if (S_ISREG(info.st_mode))
        return copy_file(from, name, to, &info);
    if (S_ISLNK(info.st_mode)) {
        int error = copy_link(from, name, to);
        if (error < 0)
            return error;
    } else if (mknodat(to, name, info.st_mode, info.st_rdev) < 0) {
        return -errno;
    }
    struct timespec times[2] = {info.st_atim, info.st_mtim};
    if (fchownat(to, name, info.st_uid, info.st_gid, AT_SYMLINK_NOFOLLOW) < 0)
        return -errno;
    if (!S_ISLNK(info.st_mode) && fchmodat(to, name, info.st_mode & 07777, AT_SYMLINK_NOFOLLOW) < 0)
        return -errno;
    return utimensat(to, name, times, AT_SYMLINK_NOFOLLOW) < 0 ? -errno : 0;
}

static int copy_tree(struct copy *copy, int from, int to) {
    int listing = tsc_fd_openat(from, ".", O_RDONLY | O_DIRECTORY, 0);
    tsc_auto_directory DIR *stream = listing < 0 ? NULL : fdopendir(listing);
    if (!stream)
        return -errno;
    size_t length = strlen(copy->path);
    for (struct dirent *entry; (entry = readdir(stream));) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        int added = snprintf(copy->path + length, sizeof(copy->path) - length, "%s%s", length > 0 ? "/" : "",
                             entry->d_name);
        if (added < 0 || (size_t)added >= sizeof(copy->path) - length)
            return -ENAMETOOLONG;
        int error = copy_entry(copy, from, entry->d_name, to);
        if (error < 0)
            return error; /* the path stays for the message */
        copy->path[length] = '\0';
    }
    return 0;
}

/* The directory of a volume; with mapped ids when it is mounted so. */
static int open_volume(const struct tsc_launch *launch, const char *volume) {
    for (size_t i = 1; launch->sources && i < launch->program->count; i++) {
        const struct tsc_step *step = &launch->program->steps[i];
        if (step->op == TSC_STEP_BIND && step[-1].op == TSC_STEP_BIND_IDMAP && launch->sources[i] >= 0 &&
            strcmp(tsc_step_text(step, 0), volume) == 0)
            return tsc_fd_openat(launch->sources[i], ".", O_RDONLY | O_DIRECTORY, 0);
    }
    return tsc_fd_open(volume, O_RDONLY | O_DIRECTORY, 0);
}

int tsc_copy_up(struct tsc_launch *launch, const struct tsc_step *step, struct tsc_error *reterr) {
    const char *path = tsc_step_text(step, 0);
    const char *volume = tsc_step_text(step, 1);
    tsc_auto_fd int from = tsc_root_open(launch, path, O_RDONLY | O_DIRECTORY, 0);
    if (from == -ENOENT || from == -ENOTDIR)
        return 0;
    if (from < 0)
        return tsc_fail(reterr, from, "", path);
    tsc_auto_fd int to = open_volume(launch, volume);
    if (to < 0)
        return tsc_fail(reterr, to, "", volume);
    /* Two containers may use a new volume at once: the second finds it filled. */
    if (flock(to, LOCK_EX) < 0)
        return tsc_fail(reterr, -errno, "", volume);
    if (!is_empty(to))
        return 0;
    struct stat info;
    struct copy copy = {.target = to};
    int error = fstat(from, &info) < 0 ? -errno : copy_tree(&copy, from, to);
    if (error == 0)
        error = copy_metadata(from, to, &info);
    if (error < 0)
        tsc_failf(reterr, error, "", "%s/%s", volume, copy.path);
    for (size_t i = 0; i < copy.count; i++)
        free(copy.links[i].path);
    free(copy.links);
    return error;
}

int tsc_mount_copy_up(struct tsc_launch *launch, const struct tsc_step *step, struct tsc_error *reterr) {
    const char *path = tsc_step_text(step, 2);
    /* Opened before, it stays below what is mounted on it. */
    tsc_auto_fd int from = tsc_root_open(launch, path, O_RDONLY | O_DIRECTORY, 0);
    int error = tsc_mount(launch, step, reterr);
    if (error < 0 || from < 0)
        return error;
    tsc_auto_fd int to = tsc_root_open(launch, path, O_RDONLY | O_DIRECTORY, 0);
    struct stat info;
    struct copy copy = {.target = to};
    error = to < 0 ? to : fstat(from, &info) < 0 ? -errno : copy_tree(&copy, from, to);
    if (error == 0)
        error = copy_metadata(from, to, &info);
    if (error < 0)
        tsc_failf(reterr, error, "", "%s/%s", path, copy.path);
    for (size_t i = 0; i < copy.count; i++)
        free(copy.links[i].path);
    free(copy.links);
    return error;
}
