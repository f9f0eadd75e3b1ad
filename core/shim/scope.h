/* A scope of systemd around the shim and its container. */
#ifndef TSC_SCOPE_H
#define TSC_SCOPE_H

#include "program.h"

/* CGROUP_SCOPE: has systemd make a transient scope that the calling process is in when this returns. */
int tsc_scope_enter(const struct tsc_step *step, struct tsc_error *reterr);

#endif
