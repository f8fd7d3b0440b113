/* SPDX-License-Identifier: Apache-2.0 */
/* The settings of sluice-store: one table, and one for each
 * driver that has its own. What a value means is said in its row. */
#ifndef SERVICES_STORE_STORE_CONFIG_H
#define SERVICES_STORE_STORE_CONFIG_H

#include "common/conf.h"
#include "services/store/driver_mysql_config.h"
#include "services/store/driver_redis_config.h"

enum store_config_drop { STORE_CONFIG_DROP_OLDEST, STORE_CONFIG_DROP_NEWEST };

struct store_config {
    const struct conf *conf; /* what it came from */
    struct conf_common common;
    char *call_listen;
    char *feed_listen;
    char *advertise;
    struct conf_list cores;
    struct conf_list stores; /* the others; may name this one, too */
    char *driver;            /* of all domains that name none of their own (driver_open.h) */
    char *driver_people;
    char *driver_retained;
    char *driver_sessions;
    char *shard; /* which part is ours, as text */
    uint32_t shard_number;
    bool is_spare; /* any will do; the number is 0 */
    uint64_t shard_lease_ms;
    uint64_t shards;   /* parts there are */
    char *export_file; /* not empty: write everything there instead of running (transfer.h) */
    char *import_file;
    char *data_dir;
    uint64_t data_max;
    uint64_t lease_ms;
    uint64_t sessions_max;
    uint64_t persistent_max;
    uint64_t queue_total_bytes;
    uint64_t retained_max;
    uint64_t retained_max_bytes;
    uint64_t subscriptions_max; /* of one session */
    uint64_t filters_max;       /* different ones */
    uint64_t queue_messages;
    uint64_t queue_bytes;
    unsigned queue_drop; /* enum store_config_drop */
    uint64_t max_inflight;
    uint64_t read_threads;
    uint64_t verify_threads;
    uint64_t audit_max; /* entries kept */
    uint64_t max_record;
    struct driver_mysql_config mysql;
    struct driver_redis_config redis; /* the rows redis-* */
};

/* As conf_load. */
enum conf_outcome store_config_load(int argc, char *const *argv, struct store_config *config,
                                    struct conf **conf);

#endif
