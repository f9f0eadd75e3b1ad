/* Resources that release themselves at the end of their scope; tsc_take_fd() and tsc_take_pointer() give one away. */
#ifndef TSC_CLEANUP_H
#define TSC_CLEANUP_H

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static inline void tsc_cleanup_fd_(const int *fd) {
    if (*fd >= 0) {
        int saved = errno;
        close(*fd);
        errno = saved;
    }
}

static inline void tsc_cleanup_pointer_(void *pointer) {
    int saved = errno;
    free(*(void **)pointer);
    errno = saved;
}

static inline void tsc_cleanup_directory_(DIR **directory) {
    if (*directory)
        closedir(*directory);
}

static inline void tsc_cleanup_file_(FILE **file) {
    if (*file)
        fclose(*file);
}

/* Declare with these and initialise at once: `tsc_auto_fd int fd = -1;` */
#define tsc_auto_fd        __attribute__((cleanup(tsc_cleanup_fd_)))
#define tsc_auto_free      __attribute__((cleanup(tsc_cleanup_pointer_)))
#define tsc_auto_directory __attribute__((cleanup(tsc_cleanup_directory_)))
#define tsc_auto_file      __attribute__((cleanup(tsc_cleanup_file_)))

/* The caller owns the descriptor from now on. */
static inline int tsc_take_fd(int *fd) {
    int taken = *fd;
    *fd = -1;
    return taken;
}

/* The caller owns the memory from now on. */
#define tsc_take_pointer(pointer)               \
    __extension__({                             \
        __typeof__(pointer) taken_ = (pointer); \
        (pointer) = NULL;                       \
        taken_;                                 \
    })

#define TSC_COUNT(array) (sizeof(array) / sizeof((array)[0]))

#endif
