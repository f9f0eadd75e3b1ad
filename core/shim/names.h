/* Name tables of the networks, and the hosts file that is made from them. */
#ifndef TSC_NAMES_H
#define TSC_NAMES_H

#include "supervise.h"

/* One name with one address. */
struct tsc_name {
    const char *name; /* lower case */
    const char *text; /* the address as text */
    int family;
    uint8_t address[16];
};

/* NULL when the program has neither HOSTS nor DNS. */
int tsc_names_open(struct tsc_shim *shim, struct tsc_error *reterr);
void tsc_names_refresh(struct tsc_names *names);
/* The names as the tables have them now, in their order; valid until the next call. */
size_t tsc_names_list(struct tsc_names *names, const struct tsc_name **ret);
/* Takes the container's own lines out of the tables. */
void tsc_names_withdraw(struct tsc_names *names);

#endif
