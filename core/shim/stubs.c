#include "dns.h"
#include "health.h"
#include "names.h"
#include "relay.h"
int tsc_names_open(struct tsc_shim *shim, struct tsc_error *reterr) { (void)shim; (void)reterr; return 0; }
void tsc_names_refresh(struct tsc_names *names) { (void)names; }
void tsc_names_withdraw(struct tsc_names *names) { (void)names; }
int tsc_dns_open(struct tsc_shim *shim, struct tsc_error *reterr) { (void)shim; (void)reterr; return 0; }
void tsc_dns_open_upstream(struct tsc_shim *shim) { (void)shim; }
int tsc_relays_open(struct tsc_shim *shim, struct tsc_error *reterr) { (void)shim; (void)reterr; return 0; }
