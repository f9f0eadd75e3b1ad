/* The file system of a container that does not run, as a mount that nobody else sees. */
#include <fcntl.h>
#include <string.h>

#include "cleanup.h"
#include "error.h"
#include "syscalls.h"

static int set(int context, const char *key, const char *value) {
    return tsc_sys_fsconfig(context, TSC_FSCONFIG_SET_STRING, key, value, 0) < 0 ? -errno : 0;
}

static int set_directories(int context, const char *const lower[], const char *upper, const char *work,
                           struct tsc_error *reterr) {
    for (; *lower; lower++) {
        int r = set(context, "lowerdir+", *lower);
        if (r < 0)
            return tsc_fail(reterr, r, "use as a layer", *lower);
    }
    if (!upper[0])
        return 0;
    int r = set(context, "upperdir", upper);
    if (r < 0)
        return tsc_fail(reterr, r, "use as the upper directory", upper);
    r = set(context, "workdir", work);
    return r < 0 ? tsc_fail(reterr, r, "use as the work directory", work) : 0;
}

int tsc_overlay_open(const char *const lower[], const char *upper, const char *work, int32_t user_xattr,
                     int32_t *ret_fd, struct tsc_error *reterr) {
    tsc_auto_fd int context = tsc_sys_fsopen("overlay", TSC_FSOPEN_CLOEXEC);
    if (context < 0)
        return tsc_fail(reterr, -errno, "open file system", "overlay");
    int r = set_directories(context, lower, upper, work, reterr);
    if (r < 0)
        return r;
    if (user_xattr && tsc_sys_fsconfig(context, TSC_FSCONFIG_SET_FLAG, "userxattr", NULL, 0) < 0)
        return tsc_fail(reterr, -errno, "set option", "userxattr");
    if (tsc_sys_fsconfig(context, TSC_FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
        return tsc_fail(reterr, -errno, "mount overlay of", lower[0]);
    int fd = tsc_sys_fsmount(context, TSC_FSMOUNT_CLOEXEC, TSC_MOUNT_ATTR_NOSUID | TSC_MOUNT_ATTR_NODEV);
    if (fd < 0)
        return tsc_fail(reterr, -errno, "mount overlay of", lower[0]);
    *ret_fd = fd;
    return 0;
}
