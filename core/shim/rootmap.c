/* An overlay whose layers have their ids mapped, and a directory of a mount in its place. */
#include <fcntl.h>
#include <limits.h>
#include <linux/securebits.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cleanup.h"
#include "fd.h"
#include "perform.h"
#include "syscalls.h"

/* In the workshop, a tmpfs, layers are `0`, `1`…, what holds upper and work is `c`, the overlay is `m`. */
struct workshop {
    const char *path;
    int namespace;
    uid_t uid; /* the container's root */
    gid_t gid;
};

/* Whom the machine knows as 0 of the map; nobody when 0 is not in it. */
static unsigned root_of(const char *map) {
    unsigned inside, outside, size;
    for (const char *line = map; line && sscanf(line, "%u %u %u", &inside, &outside, &size) == 3;
         line = strchr(line + 1, '\n'))
        if (inside == 0)
            return outside;
    return 65534;
}

/* Clones the mount of a directory with mapped ids and puts it at `name` of the workshop. */
static int place_mapped(const struct workshop *shop, const char *source, const char *name) {
    char target[PATH_MAX];
    int length = snprintf(target, sizeof(target), "%s/%s", shop->path, name);
    if (length < 0 || (size_t)length >= sizeof(target))
        return -ENAMETOOLONG;
    if (mkdir(target, 0711) < 0)
        return -errno;
    tsc_auto_fd int tree = tsc_sys_open_tree(AT_FDCWD, source, TSC_OPEN_TREE_CLONE | TSC_OPEN_TREE_CLOEXEC);
    struct tsc_mount_attr mapped = {
        .attr_set = TSC_MOUNT_ATTR_IDMAP, .propagation = MS_PRIVATE, .userns_fd = (uint64_t)shop->namespace};
    if (tree < 0 || tsc_sys_mount_setattr(tree, "", AT_EMPTY_PATH, &mapped) < 0)
        return -errno;
    return tsc_sys_move_mount(tree, "", AT_FDCWD, target, TSC_MOVE_MOUNT_F_EMPTY_PATH) < 0 ? -errno : 0;
}

static int place_layers(const struct workshop *shop, const struct tsc_step *overlay, FILE *options,
                        struct tsc_error *reterr) {
    for (uint32_t i = 4; i < overlay->count; i++) {
        char name[16];
        snprintf(name, sizeof(name), "%u", i - 4);
        int error = place_mapped(shop, tsc_step_text(overlay, i), name);
        if (error < 0)
            return tsc_fail(reterr, error, "", tsc_step_text(overlay, i));
        fprintf(options, "%s%s", i == 4 ? "lowerdir=" : ":", name);
    }
    return 0;
}

/* Upper and work have to be below the same mount. */
static int place_upper(const struct workshop *shop, const struct tsc_step *overlay, FILE *options,
                       struct tsc_error *reterr) {
    const char *upper = tsc_step_text(overlay, 1);
    const char *work = tsc_step_text(overlay, 2);
    const char *upper_name = strrchr(upper, '/');
    const char *work_name = strrchr(work, '/');
    if (!*upper)
        return 0;
    if (!upper_name || !work_name || upper_name - upper != work_name - work ||
        memcmp(upper, work, (size_t)(upper_name - upper)) != 0)
        return tsc_fail(reterr, -EXDEV, "", upper);
    tsc_auto_free char *parent = strndup(upper, (size_t)(upper_name - upper));
    int error = parent ? place_mapped(shop, parent, "c") : -ENOMEM;
    if (error < 0)
        return tsc_fail(reterr, error, "", upper);
    fprintf(options, ",upperdir=c%s,workdir=c%s", upper_name, work_name);
    return 0;
}

/* Overlayfs makes files as whoever mounted it, who has to be somebody in the layers' maps: the container's root, with
 * the rights of ours. */
static int mount_as_root_of(const struct workshop *shop, const char *options) {
    int bits = prctl(PR_GET_SECUREBITS);
    if (bits < 0 || prctl(PR_SET_SECUREBITS, bits | SECBIT_NO_SETUID_FIXUP) < 0)
        return -errno;
    setfsgid(shop->gid);
    setfsuid(shop->uid);
    int error = mount("overlay", "m", "overlay", 0, options) < 0 ? -errno : 0;
    setfsuid(geteuid());
    setfsgid(getegid());
    return prctl(PR_SET_SECUREBITS, bits) < 0 && error == 0 ? -errno : error;
}

static int mount_overlay(const struct workshop *shop, const struct tsc_step *overlay, const char *options,
                         int *ret_tree, struct tsc_error *reterr) {
    int error = chdir(shop->path) < 0 || mkdir("m", 0700) < 0 ? -errno : mount_as_root_of(shop, options);
    if (error < 0)
        return tsc_fail(reterr, error, "", tsc_step_text(overlay, 0));
    int tree = tsc_sys_open_tree(AT_FDCWD, "m", TSC_OPEN_TREE_CLONE | TSC_OPEN_TREE_CLOEXEC);
    if (tree < 0 || chdir("/") < 0)
        return tsc_fail(reterr, -errno, "", tsc_step_text(overlay, 0));
    *ret_tree = tree;
    return 0;
}

static int furnish(const struct workshop *shop, const struct tsc_step *overlay, int *ret_tree,
                   struct tsc_error *reterr) {
    char *options = NULL;
    size_t length = 0;
    FILE *stream = open_memstream(&options, &length);
    if (!stream)
        return tsc_fail(reterr, -ENOMEM, "", "");
    int error = place_layers(shop, overlay, stream, reterr);
    if (error == 0)
        error = place_upper(shop, overlay, stream, reterr);
    if (*tsc_step_text(overlay, 3))
        fprintf(stream, ",%s", tsc_step_text(overlay, 3));
    fclose(stream);
    if (error == 0)
        error = mount_overlay(shop, overlay, options, ret_tree, reterr);
    free(options);
    return error;
}

int tsc_overlay_source(const struct tsc_step *overlay, const struct tsc_step *idmap, int *ret_tree,
                       struct tsc_error *reterr) {
    const char *path = tsc_step_text(overlay, 0);
    tsc_auto_fd int namespace = -1;
    int error = tsc_idmap_open(tsc_step_text(idmap, 0), tsc_step_text(idmap, 1), &namespace, reterr);
    if (error < 0)
        return error;
    /* Nothing of this is seen by anybody else, and all of it goes away with the last who uses it. */
    if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_SLAVE | MS_REC, NULL) < 0 ||
        mount("tmpfs", path, "tmpfs", MS_NOSUID | MS_NODEV, "mode=711") < 0 ||
        mount(NULL, path, NULL, MS_PRIVATE, NULL) < 0)
        return tsc_fail(reterr, -errno, "", path);
    struct workshop shop = {path, namespace, root_of(tsc_step_text(idmap, 0)),
                            root_of(tsc_step_text(idmap, 1))};
    error = furnish(&shop, overlay, ret_tree, reterr);
    if (umount2(path, MNT_DETACH) < 0 && error == 0)
        error = tsc_fail(reterr, -errno, "", path);
    return error;
}

int tsc_subdirectory(struct tsc_launch *launch, const struct tsc_step *step, struct tsc_error *reterr) {
    const char *path = tsc_step_text(step, 0);
    const char *below = tsc_step_text(step, 1);
    tsc_auto_fd int whole = tsc_root_open(launch, path, O_PATH, 0);
    if (whole < 0)
        return tsc_fail(reterr, whole, "", path);
    struct tsc_launch inside = {.root = whole};
    tsc_auto_fd int part = tsc_root_open(&inside, below, O_PATH, 0);
    if (part < 0)
        return tsc_fail(reterr, part, "", below);
    tsc_auto_fd int tree =
        tsc_sys_open_tree(part, "", TSC_OPEN_TREE_CLONE | TSC_OPEN_TREE_CLOEXEC | AT_EMPTY_PATH);
    if (tree < 0)
        return tsc_fail(reterr, -errno, "", below);
    char name[32];
    snprintf(name, sizeof(name), "self/fd/%d", whole);
    tsc_auto_fd int proc = dup(launch->proc);
    int error = proc < 0 || fchdir(proc) < 0 || umount2(name, MNT_DETACH) < 0 ? -errno : 0;
    if (chdir("/") < 0 && error == 0)
        error = -errno;
    tsc_auto_fd int target = error == 0 ? tsc_root_open(launch, path, O_PATH, 0) : -1;
    if (error == 0)
        error = target < 0 ? target : 0;
    unsigned flags = TSC_MOVE_MOUNT_F_EMPTY_PATH | TSC_MOVE_MOUNT_T_EMPTY_PATH;
    if (error == 0 && tsc_sys_move_mount(tree, "", target, "", flags) < 0)
        error = -errno;
    return error < 0 ? tsc_fail(reterr, error, "", path) : 0;
}
