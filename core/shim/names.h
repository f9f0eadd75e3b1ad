/* Name tables of the networks, and the hosts file that is made from them. */
#ifndef TSC_NAMES_H
#define TSC_NAMES_H

#include "supervise.h"

/* One name with one address. */
struct tsc_name {
    const char *name;
    int family;
    uint8_t address[16];
};

/* NULL when the program has neither HOSTS nor DNS. */
int tsc_names_open(struct tsc_shim *shim, struct tsc_error *reterr);
void tsc_names_refresh(struct tsc_names *names);
/* Each name as the tables have it now, in their order, further names of links behind theirs; valid during the call. */
typedef void tsc_names_visit(void *data, const struct tsc_name *name);
void tsc_names_each(const struct tsc_names *names, tsc_names_visit *visit, void *data);
/* The container runs: soon, once in its life, those that watch the tables are told that it is in there. */
void tsc_names_announce(struct tsc_names *names);
/* Takes the container's own lines out of the tables. */
void tsc_names_withdraw(struct tsc_names *names);

#endif
