/* SPDX-License-Identifier: Apache-2.0 */
/* The settings table of sluice-store; see store_config.h. */
#include "services/store/store_config.h"

#include "proto/shards.h"
#include "services/store/driver_open.h"

#include <string.h>

#define AT(member) offsetof(struct store_config, member)

static const struct conf_row rows[] = {
    CONF_COMMON_ROWS(struct store_config, common, "9301"),
    {"call-listen", CONF_STR, "0.0.0.0:7301", 1, 255, NULL, NULL,
     "address for calls of gateways and rest", AT(call_listen)},
    {"feed-listen", CONF_STR, "0.0.0.0:7302", 1, 255, NULL, NULL, "address for feeds",
     AT(feed_listen)},
    {"advertise", CONF_STR, "", 0, 255, "host", NULL,
     "host under which others reach feed-listen; empty: the address they see us come from",
     AT(advertise)},
    {"cores", CONF_LIST, "127.0.0.1:7201", 1, 32, NULL, NULL, "call addresses of the cores",
     AT(cores)},
    {"stores", CONF_LIST, "", 0, SHARDS_MAX, NULL, NULL,
     "call addresses of the stores (this one may be among them), when there are several",
     AT(stores)},
    {"driver", CONF_STR, "embedded", 1, 32, NULL, NULL, "where state is kept: " DRIVER_OPEN_NAMES,
     AT(driver)},
    {"driver-people", CONF_STR, "", 0, 32, NULL, NULL, "driver of users; empty: as driver",
     AT(driver_people)},
    {"driver-retained", CONF_STR, "", 0, 32, NULL, NULL,
     "driver of retained messages; empty: as driver", AT(driver_retained)},
    {"driver-sessions", CONF_STR, "", 0, 32, NULL, NULL,
     "driver of sessions, their queues and wills; empty: as driver", AT(driver_sessions)},
    {"shard", CONF_STR, "0", 1, 32, NULL, NULL,
     "which part of all sessions and retained messages this store keeps: 0 to shards - 1 (0 has "
     "the users as well); or spare: waits for one whose store is gone; or ordinal: the number at "
     "the "
     "end of instance, and a spare beyond the last shard",
     AT(shard)},
    {"shards", CONF_U64, "1", 1, SHARDS_MAX, "stores", NULL,
     "that share the sessions (by client id) and the retained messages (by topic); the same in all",
     AT(shards)},
    {"shard-lease", CONF_DURATION_MS, "10s", 1000, 600000, NULL, NULL,
     "in a shared database: how long this store may be gone before another one takes its shard",
     AT(shard_lease_ms)},
    {"export", CONF_STR, "", 0, 4000, "file", NULL,
     "do not run: write all state to the file as lines of JSON; - is standard output",
     AT(export_file)},
    {"import", CONF_STR, "", 0, 4000, "file", NULL,
     "do not run: read what --export wrote, or a table of users (user, md5, roles); - is standard "
     "input",
     AT(import_file)},
    {"data-dir", CONF_STR, "data", 1, 4000, "path", NULL, "directory of the embedded database",
     AT(data_dir)},
    {"data-max", CONF_SIZE, "64GiB", 1048576, UINT64_C(1) << 46, NULL, NULL,
     "most that the database may take on disk", AT(data_max)},
    {"lease", CONF_DURATION_MS, "3s", 500, 60000, NULL, NULL,
     "silence after which another program counts as gone", AT(lease_ms)},
    {"sessions-max", CONF_U64, "1000000", 1, 100000000, NULL, NULL,
     "sessions, connected or not; further clients are refused", AT(sessions_max)},
    {"persistent-max", CONF_U64, "1000000", 0, 100000000, "sessions", NULL,
     "that outlive their connection; further clients that want one are refused (0x97)",
     AT(persistent_max)},
    {"queue-total-bytes", CONF_SIZE, "16GiB", 1048576, UINT64_C(1) << 46, NULL, NULL,
     "waiting for all sessions together; further messages are dropped for those they would wait "
     "for",
     AT(queue_total_bytes)},
    {"retained-max", CONF_U64, "10000000", 0, UINT64_C(1) << 40, "messages", NULL,
     "retained, about; a message for a further topic is not retained", AT(retained_max)},
    {"retained-max-bytes", CONF_SIZE, "8GiB", 0, UINT64_C(1) << 46, NULL, NULL,
     "of retained messages, about; as retained-max", AT(retained_max_bytes)},
    {"subscriptions-max", CONF_U64, "10000", 1, 1000000, NULL, NULL,
     "subscriptions of one persistent session", AT(subscriptions_max)},
    {"filters-max", CONF_U64, "10000000", 1, 100000000, NULL, NULL,
     "different filters of all persistent sessions", AT(filters_max)},
    {"queue-messages", CONF_U64, "100000", 1, 100000000, "messages", NULL,
     "waiting for one session at most", AT(queue_messages)},
    {"queue-bytes", CONF_SIZE, "64MiB", 1024, UINT64_C(1) << 40, NULL, NULL,
     "waiting for one session at most", AT(queue_bytes)},
    {"queue-drop", CONF_ENUM, "oldest", 0, 0, NULL, "oldest|newest",
     "which message goes when a queue is full", AT(queue_drop)},
    {"max-inflight", CONF_U64, "1000", 1, 65534, "messages", NULL,
     "sent to one client and not acknowledged; the client may want fewer", AT(max_inflight)},
    {"read-threads", CONF_U64, "4", 1, 64, NULL, NULL,
     "threads that read from the driver; more help with a database that is far away",
     AT(read_threads)},
    {"verify-threads", CONF_U64, "2", 1, 32, NULL, NULL, "threads that check passwords",
     AT(verify_threads)},
    {"audit-max", CONF_U64, "100000", 100, 10000000, "entries", NULL,
     "of the audit kept; the oldest go first", AT(audit_max)},
    {"max-record", CONF_SIZE, "4MiB", 65536, UINT64_C(256) << 20, NULL, NULL,
     "largest message with its topic and properties", AT(max_record)},
};

/* It takes what another store had, so all of that must lie where both can reach it. */
static void
check_spare(struct conf *conf, const struct store_config *config)
{
    unsigned i;
    for (i = 0; i < DRIVER_DOMAIN_COUNT; i++) {
        if (!driver_open_is_shared(config, (enum driver_domain)i)) {
            conf_mistake(conf, "shard",
                         "can be spare only if people, retained messages and sessions all lie in a "
                         "shared database (mysql, redis)");
            return;
        }
    }
    if (config->export_file[0] != '\0' || config->import_file[0] != '\0')
        conf_mistake(conf, "shard", "must be a number for export and import");
}

/* A number has one form only. */
static bool
take_number(const char *text, uint32_t *number)
{
    size_t digits = strspn(text, "0123456789");
    *number = 0;
    if (digits == 0 || digits > 2 || text[digits] != '\0' || (digits == 2 && text[0] == '0'))
        return false;
    for (size_t i = 0; i < digits; i++)
        *number = *number * 10 + (uint32_t)(text[i] - '0');
    return true;
}

/* Of a Kubernetes StatefulSet's pod "store-2": "2". */
static const char *
ordinal(const char *instance)
{
    const char *dash = strrchr(instance, '-');
    return dash == NULL ? "" : dash + 1;
}

static void
check_shard(struct conf *conf, struct store_config *config)
{
    bool by_name = strcmp(config->shard, "ordinal") == 0;
    const char *text = by_name ? ordinal(config->common.instance) : config->shard;
    config->is_spare = !by_name && strcmp(text, "spare") == 0;
    if (!config->is_spare && !take_number(text, &config->shard_number)) {
        conf_mistake(conf, "shard",
                     by_name ? "can be ordinal only if instance ends with - and a number below 100"
                             : "must be a number, spare or ordinal");
        return;
    }
    if (by_name && config->shard_number >= config->shards)
        config->is_spare = true;
    if (config->is_spare) {
        config->shard_number = 0;
        check_spare(conf, config);
    } else if (config->shard_number >= config->shards) {
        conf_mistake(conf, "shard", "must be below shards");
    }
}

static void
check_driver(struct conf *conf, const char *name, const char *value)
{
    if (value[0] != '\0' && !driver_open_is_name(value))
        conf_mistake(conf, name, "must be one of " DRIVER_OPEN_NAMES);
}

static bool
uses_driver(const struct store_config *config, const char *name)
{
    unsigned i;
    for (i = 0; i < DRIVER_DOMAIN_COUNT; i++) {
        if (strcmp(driver_open_choice(config, (enum driver_domain)i), name) == 0)
            return true;
    }
    return false;
}

static void
check(struct conf *conf, void *arg)
{
    struct store_config *config = arg;
    conf_check_common(conf, &config->common);
    conf_check_address(conf, "call-listen", config->call_listen);
    conf_check_address(conf, "feed-listen", config->feed_listen);
    conf_check_host(conf, "advertise", config->advertise);
    conf_check_addresses(conf, "cores", &config->cores);
    conf_check_addresses(conf, "stores", &config->stores);
    if (config->shards > 1 && config->stores.count == 0 && config->export_file[0] == '\0' &&
        config->import_file[0] == '\0')
        conf_mistake(conf, "stores", "must name the other stores when shards is not 1");
    check_driver(conf, "driver", config->driver);
    check_driver(conf, "driver-people", config->driver_people);
    check_driver(conf, "driver-retained", config->driver_retained);
    check_driver(conf, "driver-sessions", config->driver_sessions);
    if (config->export_file[0] != '\0' && config->import_file[0] != '\0')
        conf_mistake(conf, "import", "and export cannot both be done");
    check_shard(conf, config);
    driver_mysql_config_check(conf, &config->mysql, uses_driver(config, "mysql"));
    driver_redis_config_check(conf, &config->redis, uses_driver(config, "redis"));
}

enum conf_outcome
store_config_load(int argc, char *const *argv, struct store_config *config, struct conf **conf)
{
    static const struct conf_program program = {
        "sluice-store", "keeps users, persistent sessions and retained messages", SLUICE_VERSION};
    struct conf_table tables[3];
    enum conf_outcome outcome;
    memset(config, 0, sizeof(*config));
    tables[0] = CONF_TABLE(rows, config);
    tables[1] = driver_mysql_config_table(&config->mysql);
    tables[2] = driver_redis_config_table(&config->redis);
    outcome = conf_load(&program, tables, sizeof(tables) / sizeof(tables[0]), argc, argv, check,
                        config, conf);
    config->mysql.max_record = config->max_record;
    config->mysql.idle_ms = config->shard_lease_ms;
    return outcome;
}
