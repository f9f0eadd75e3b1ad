/* Published ports: from sockets of the host into the container's network namespace. */
#ifndef TSC_RELAY_H
#define TSC_RELAY_H

#include "supervise.h"

int tsc_relays_open(struct tsc_shim *shim, struct tsc_error *reterr);

#endif
