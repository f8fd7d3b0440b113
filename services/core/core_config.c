/* SPDX-License-Identifier: Apache-2.0 */
/* The settings table of sluice-core; see core_config.h. */
#include "services/core/core_config.h"

#include "services/core/router.h"
#include <string.h>

#define ROW(name_, type_, fallback_, min_, max_, unit_, member_, help_)                            \
    {                                                                                              \
        name_, type_, fallback_, min_, max_, unit_, NULL, help_,                                   \
            offsetof(struct core_config, member_)                                                  \
    }

static const struct conf_row rows[] = {
    CONF_COMMON_ROWS(struct core_config, common, "9201"),
    ROW("call-listen", CONF_STR, "0.0.0.0:7201", 1, 255, "host:port", call_listen,
        "address for the hellos of gateways and stores"),
    ROW("feed-listen", CONF_STR, "0.0.0.0:7202", 1, 255, "host:port", feed_listen,
        "address for their feeds"),
    ROW("advertise", CONF_STR, "", 0, 255, "host", advertise,
        "host under which others reach feed-listen; empty: the address they see us come from"),
    ROW("lease", CONF_DURATION_MS, "3s", 300, 60000, NULL, lease_ms,
        "silence after which another program counts as gone; the same in the whole cluster"),
    ROW("stores", CONF_U64, "1", 0, ROUTER_STORES_MAX, NULL, stores,
        "stores (shards) that must have told their routes before this core serves; they say "
        "themselves "
        "how many there are, if more"),
    ROW("routes-max", CONF_U64, "16777216", 1, 1000000000, "filters", routes_max,
        "different filters of all gateways and stores"),
    ROW("tokens-max", CONF_U64, "8388608", 1024, 1000000000, "messages", tokens_max,
        "publishes that wait for their destinations; beyond, nothing more is taken"),
    ROW("digest-entries", CONF_U64, "1024", 1, 60000, "filters", digest_entries,
        "length of the digest of a gateway; beyond, its filters are shortened"),
    ROW("store-park", CONF_SIZE, "64MiB", 1048576, UINT64_C(1) << 40, NULL, store_park,
        "records that wait for one store before sources are stopped"),
    ROW("max-record", CONF_SIZE, "4MiB", 65536, UINT64_C(300) << 20, NULL, max_record,
        "largest message with its topic and properties"),
    {"shared-strategy", CONF_ENUM, "round-robin", 0, 0, NULL,
     "round-robin|random|sticky|hash-client|hash-topic|local",
     "which member of a shared subscription gets the next message",
     offsetof(struct core_config, shared_strategy)},
    ROW("shared-keep", CONF_SIZE, "256MiB", 65536, UINT64_C(1) << 40, NULL, shared_keep,
        "copies of messages that members of shared subscriptions have not acknowledged"),
    ROW("retire-ms", CONF_DURATION_MS, "1s", 0, 600000, NULL, retire_ms,
        "time to finish what was taken when told to stop"),
    ROW("sys-interval", CONF_DURATION_MS, "10s", 0, 3600000, NULL, sys_interval_ms,
        "between messages on $SYS topics; 0: none"),
};

static void
check(struct conf *conf, void *arg)
{
    const struct core_config *config = arg;
    conf_check_common(conf, &config->common);
    conf_check_address(conf, "call-listen", config->call_listen);
    conf_check_address(conf, "feed-listen", config->feed_listen);
    conf_check_host(conf, "advertise", config->advertise);
}

enum conf_outcome
core_config_load(int argc, char *const *argv, struct core_config *config, struct conf **conf)
{
    static const struct conf_program program = {
        "sluice-core", "routes publishes between gateways and stores", SLUICE_VERSION};
    struct conf_table table;
    memset(config, 0, sizeof(*config));
    table = CONF_TABLE(rows, config);
    return conf_load(&program, &table, 1, argc, argv, check, config, conf);
}
