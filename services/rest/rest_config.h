/* SPDX-License-Identifier: Apache-2.0 */
/* The settings of sluice-rest. */
#ifndef SLUICE_SERVICES_REST_REST_CONFIG_H
#define SLUICE_SERVICES_REST_REST_CONFIG_H

#include "common/conf.h"

struct rest_config {
    struct conf_common common;
    char *bind;
    uint64_t port;       /* 0: no plain HTTP */
    uint64_t https_port; /* 0: no HTTPS */
    char *https_cert;
    char *https_key;
    struct conf_list stores; /* "host:port"; people live with the first */
    struct conf_list cores;
    char *api_key;
    char *web_dir;
    struct conf_list cors_origins;
    struct conf_list console_ws;
    bool behind_proxy;
    uint64_t body_max;    /* bytes */
    uint64_t deadline_ms; /* of one question to another program */
    uint64_t lease_ms;
    uint64_t connections_max;
    uint64_t rate_address; /* requests per second */
    uint64_t rate_key;
    uint64_t rate_sign_in;
    uint64_t sign_in_ms; /* life of a sign-in */
};

/* As conf_load; `config` must live until conf_free(*out). */
enum conf_outcome rest_config_load(struct rest_config *config, int argc, char *const *argv,
                                   struct conf **out);

#endif
