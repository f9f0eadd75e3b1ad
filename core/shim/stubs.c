#include "dns.h"
#include "health.h"
#include "names.h"
#include "relay.h"
int tsc_health_open(struct tsc_shim *shim, struct tsc_error *reterr) { (void)shim; (void)reterr; return 0; }
void tsc_health_start(struct tsc_health *health) { (void)health; }
void tsc_health_stop(struct tsc_health *health) { (void)health; }
void tsc_health_suspend(struct tsc_health *health, bool s) { (void)health; (void)s; }
int tsc_health_probe_now(struct tsc_health *health) { (void)health; return 0; }
void tsc_health_text(const struct tsc_health *health, struct tsc_text *text) { (void)health; tsc_text_string(text, ",\"health\":null"); }
int tsc_names_open(struct tsc_shim *shim, struct tsc_error *reterr) { (void)shim; (void)reterr; return 0; }
void tsc_names_refresh(struct tsc_names *names) { (void)names; }
void tsc_names_withdraw(struct tsc_names *names) { (void)names; }
int tsc_dns_open(struct tsc_shim *shim, struct tsc_error *reterr) { (void)shim; (void)reterr; return 0; }
void tsc_dns_open_upstream(struct tsc_shim *shim) { (void)shim; }
int tsc_relays_open(struct tsc_shim *shim, struct tsc_error *reterr) { (void)shim; (void)reterr; return 0; }
