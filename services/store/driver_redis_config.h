/* SPDX-License-Identifier: Apache-2.0 */
/* The settings of the Redis driver: one table, all named redis-*. What a value means is said in
 * its row. */
#ifndef SERVICES_STORE_DRIVER_REDIS_CONFIG_H
#define SERVICES_STORE_DRIVER_REDIS_CONFIG_H

#include "common/conf.h"

struct driver_redis_config {
    struct conf_list hosts; /* host:port, or the path of a UNIX socket */
    char *user;
    char *password;
    uint64_t database;
    char *prefix;
    struct conf_list sentinels; /* host:port; none: hosts */
    char *master;               /* its name at the sentinels */
    char *sentinel_user;
    char *sentinel_password;
    bool tls;
    char *tls_ca; /* empty: those of the system */
    char *tls_cert;
    char *tls_key;
    char *tls_name; /* that certificates must have; empty: the host's */
    uint64_t connect_timeout_ms;
    uint64_t timeout_ms;
    uint64_t wait; /* replicas */
    uint64_t wait_timeout_ms;
};

/* The rows, over the struct to fill. */
struct conf_table driver_redis_config_table(struct driver_redis_config *config);
/* The rules between them, for the check function of conf_load; used: some domain lies in Redis. */
void driver_redis_config_check(struct conf *conf, const struct driver_redis_config *config,
                               bool used);

#endif
