/* SPDX-License-Identifier: Apache-2.0 */
/* The settings of sluice-core: one table. What a value means is said in its row. */
#ifndef SLUICE_CORE_CORE_CONFIG_H
#define SLUICE_CORE_CORE_CONFIG_H

#include "common/conf.h"

struct core_config {
    const struct conf *conf; /* what it came from */
    struct conf_common common;
    char *call_listen;
    char *feed_listen;
    char *advertise;
    uint64_t lease_ms;
    uint64_t stores;
    uint64_t routes_max;
    uint64_t tokens_max;
    uint64_t digest_entries;
    uint64_t store_park;
    uint64_t max_record;
    uint64_t retire_ms;
    uint64_t sys_interval_ms;
    unsigned shared_strategy; /* enum groups_strategy */
    uint64_t shared_keep;
};

/* As conf_load. */
enum conf_outcome core_config_load(int argc, char *const *argv, struct core_config *config,
                                   struct conf **conf);

#endif
