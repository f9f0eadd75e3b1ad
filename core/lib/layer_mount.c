/* The file system of a container that does not run, as a mount that nobody else sees. */
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "cleanup.h"
#include "error.h"
#include "fd.h"
#include "syscalls.h"

enum {
    LAYERS_MAX = 64,    /* of those that are joined */
    JOINED_LENGTH = 256 /* what the kernel takes as one value */
};

struct overlay {
    const char *const *lower;
    const char *upper;
    const char *work;
    bool user_xattr;
};

static int set(int context, const char *key, const char *value) {
    return tsc_sys_fsconfig(context, TSC_FSCONFIG_SET_STRING, key, value, 0) < 0 ? -errno : 0;
}

static int set_layers(int context, const char *const lower[], struct tsc_error *reterr) {
    for (; *lower; lower++) {
        int r = set(context, "lowerdir+", *lower);
        if (r < 0)
            return tsc_fail(reterr, r, "use as a layer", *lower);
    }
    return 0;
}

/* Kernels before 6.5 want all layers in one short value: descriptors have short names. */
static int set_joined_layers(int context, const char *const lower[], struct tsc_error *reterr) {
    int fds[LAYERS_MAX];
    size_t count = 0;
    char joined[JOINED_LENGTH] = "";
    size_t length = 0;
    int r = 0;
    for (; r == 0 && *lower; lower++) {
        int fd = count < LAYERS_MAX ? tsc_fd_open(*lower, O_PATH | O_DIRECTORY, 0) : -E2BIG;
        if (fd < 0) {
            r = tsc_fail(reterr, fd, "use as a layer", *lower);
            break;
        }
        fds[count++] = fd;
        length += (size_t)snprintf(joined + length, sizeof(joined) - length, "%s/proc/self/fd/%d",
                                   length ? ":" : "", fd);
        if (length >= sizeof(joined))
            r = tsc_fail(reterr, -E2BIG, "use as a layer of an overlay before Linux 6.5", *lower);
    }
    if (r == 0 && (r = set(context, "lowerdir", joined)) < 0)
        r = tsc_fail(reterr, r, "use as layers", joined);
    /* From 6.5 on they are looked up at once, before that when the overlay is made: then they must stay open. */
    if (r == 0 && tsc_sys_fsconfig(context, TSC_FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
        r = tsc_fail(reterr, -errno, "mount overlay of", joined);
    while (count > 0)
        (void)close(fds[--count]);
    return r;
}

static int set_upper(int context, const struct overlay *overlay, struct tsc_error *reterr) {
    if (overlay->user_xattr && tsc_sys_fsconfig(context, TSC_FSCONFIG_SET_FLAG, "userxattr", NULL, 0) < 0)
        return tsc_fail(reterr, -errno, "set option", "userxattr");
    if (!overlay->upper[0])
        return 0;
    int r = set(context, "upperdir", overlay->upper);
    if (r < 0)
        return tsc_fail(reterr, r, "use as the upper directory", overlay->upper);
    r = set(context, "workdir", overlay->work);
    return r < 0 ? tsc_fail(reterr, r, "use as the work directory", overlay->work) : 0;
}

static int create(const struct overlay *overlay, bool joined, int *ret_context, struct tsc_error *reterr) {
    tsc_auto_fd int context = tsc_sys_fsopen("overlay", TSC_FSOPEN_CLOEXEC);
    if (context < 0)
        return tsc_fail(reterr, -errno, "open file system", "overlay");
    int r = set_upper(context, overlay, reterr);
    if (r == 0)
        r = joined ? set_joined_layers(context, overlay->lower, reterr)
                   : set_layers(context, overlay->lower, reterr);
    if (r < 0)
        return r;
    if (!joined && tsc_sys_fsconfig(context, TSC_FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
        return tsc_fail(reterr, -errno, "mount overlay of", overlay->lower[0]);
    *ret_context = tsc_take_fd(&context);
    return 0;
}

int tsc_overlay_open(const char *const lower[], const char *upper, const char *work, int32_t user_xattr,
                     int32_t *ret_fd, struct tsc_error *reterr) {
    const struct overlay overlay = {
        .lower = lower, .upper = upper, .work = work, .user_xattr = user_xattr != 0};
    tsc_auto_fd int context = -1;
    int r = create(&overlay, false, &context, reterr);
    if (r == -EINVAL)
        r = create(&overlay, true, &context, reterr);
    if (r < 0)
        return r;
    int fd = tsc_sys_fsmount(context, TSC_FSMOUNT_CLOEXEC, TSC_MOUNT_ATTR_NOSUID | TSC_MOUNT_ATTR_NODEV);
    if (fd < 0)
        return tsc_fail(reterr, -errno, "mount overlay of", lower[0]);
    *ret_fd = fd;
    return 0;
}
