/* SPDX-License-Identifier: Apache-2.0 */
/* The settings of the MySQL driver: a table of rows of their own, which the store's settings
 * include. They are read and checked whether or not the driver is used. */
#ifndef SERVICES_STORE_DRIVER_MYSQL_CONFIG_H
#define SERVICES_STORE_DRIVER_MYSQL_CONFIG_H

#include "common/conf.h"

struct driver_mysql_config {
    struct conf_list hosts; /* host:port, tried in this order */
    char *user;
    char *password;
    char *database;
    char *tls_ca;
    char *tls_cert;
    char *tls_key;
    bool tls_verify;
    uint64_t connect_timeout_ms;
    uint64_t timeout_ms; /* of one read or write of the socket */
    uint64_t start_timeout_ms;
    uint64_t connections; /* for reads; changes have one of their own */
    /* Not settings of their own: the store's. */
    uint64_t idle_ms;    /* transactions that stand still so long are ended; 0: timeout_ms */
    uint64_t max_record; /* a server that cannot take a record of that size is not used; 0: any */
};

struct conf_table driver_mysql_config_table(struct driver_mysql_config *config);
/* Mistakes that single rows do not show. in_use: some domain is on MySQL. */
void driver_mysql_config_check(struct conf *conf, const struct driver_mysql_config *config,
                               bool in_use);

#endif
