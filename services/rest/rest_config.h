/* SPDX-License-Identifier: Apache-2.0 */
/* The settings of sluice-rest. */
#ifndef SLUICE_SERVICES_REST_REST_CONFIG_H
#define SLUICE_SERVICES_REST_REST_CONFIG_H

#include "common/conf.h"

struct rest_config {
    struct conf_common common;
    char *bind;
    uint64_t port;
    struct conf_list stores; /* "host:port" */
    char *api_key;
    uint64_t body_max;    /* bytes */
    uint64_t deadline_ms; /* of one question to a store */
    uint64_t lease_ms;
};

/* As conf_load; `config` must live until conf_free(*out). */
enum conf_outcome rest_config_load(struct rest_config *config, int argc, char *const *argv,
                                   struct conf **out);

#endif
