/* SPDX-License-Identifier: Apache-2.0 */
/* The settings table of the Redis driver; see driver_redis_config.h. */
#include "services/store/driver_redis_config.h"

#include <string.h>

#define AT(member) offsetof(struct driver_redis_config, member)

static const struct conf_row rows[] = {
    {"redis-hosts", CONF_LIST, "127.0.0.1:6379", 0, 16, NULL, NULL,
     "servers, host:port or path of a socket; the one that is the master is used", AT(hosts)},
    {"redis-user", CONF_STR, "", 0, 255, NULL, NULL, "name of the ACL user; empty: the default one",
     AT(user)},
    {"redis-password", CONF_SECRET, "", 0, 1024, "bytes", NULL, "password of that user",
     AT(password)},
    {"redis-database", CONF_U64, "0", 0, 1000000, NULL, NULL, "number of the database",
     AT(database)},
    {"redis-prefix", CONF_STR, "sluice", 1, 32, NULL, NULL,
     "what all keys begin with (a-z, 0-9, '-' and '_'); clusters that share a database differ in "
     "it",
     AT(prefix)},
    {"redis-sentinels", CONF_LIST, "", 0, 16, NULL, NULL,
     "addresses of the sentinels; when given, they say which server is the master", AT(sentinels)},
    {"redis-master", CONF_STR, "", 0, 255, NULL, NULL, "name of the master at the sentinels",
     AT(master)},
    {"redis-sentinel-user", CONF_STR, "", 0, 255, NULL, NULL, "ACL user at the sentinels",
     AT(sentinel_user)},
    {"redis-sentinel-password", CONF_SECRET, "", 0, 1024, "bytes", NULL,
     "password at the sentinels; empty: none is sent", AT(sentinel_password)},
    {"redis-tls", CONF_BOOL, "off", 0, 0, NULL, NULL,
     "TLS to servers and sentinels (not over sockets)", AT(tls)},
    {"redis-tls-ca", CONF_STR, "", 0, 4095, "file", NULL,
     "PEM of the authorities of the servers; empty: those of the system", AT(tls_ca)},
    {"redis-tls-cert", CONF_STR, "", 0, 4095, "file", NULL, "PEM certificate to show",
     AT(tls_cert)},
    {"redis-tls-key", CONF_STR, "", 0, 4095, "file", NULL, "PEM key of that certificate",
     AT(tls_key)},
    {"redis-tls-name", CONF_STR, "", 0, 255, "host", NULL,
     "name that the servers' certificates must have; empty: the host connected to", AT(tls_name)},
    {"redis-connect-timeout", CONF_DURATION_MS, "2s", 10, 60000, NULL, NULL,
     "longest wait for one server to be connected and logged in", AT(connect_timeout_ms)},
    {"redis-timeout", CONF_DURATION_MS, "5s", 10, 600000, NULL, NULL,
     "longest wait for one answer; then the connection is made anew", AT(timeout_ms)},
    {"redis-wait", CONF_U64, "0", 0, 32, "replicas", NULL,
     "that must have a change before it counts (WAIT); 0: the master alone", AT(wait)},
    {"redis-wait-timeout", CONF_DURATION_MS, "1s", 1, 60000, NULL, NULL,
     "longest wait for them; then the change is tried again", AT(wait_timeout_ms)},
};

struct conf_table
driver_redis_config_table(struct driver_redis_config *config)
{
    memset(config, 0, sizeof(*config));
    return CONF_TABLE(rows, config);
}

static void
check_hosts(struct conf *conf, const struct conf_list *hosts)
{
    for (size_t i = 0; i < hosts->count; i++) {
        if (hosts->items[i][0] != '/')
            conf_check_address(conf, "redis-hosts", hosts->items[i]);
    }
}

void
driver_redis_config_check(struct conf *conf, const struct driver_redis_config *config, bool used)
{
    size_t plain = strspn(config->prefix, "abcdefghijklmnopqrstuvwxyz0123456789-_");
    if (config->prefix[plain] != '\0')
        conf_mistake(conf, "redis-prefix", "only a-z, 0-9, '-' and '_' may be in it");
    check_hosts(conf, &config->hosts);
    conf_check_addresses(conf, "redis-sentinels", &config->sentinels);
    conf_check_file(conf, "redis-tls-ca", config->tls_ca);
    conf_check_file(conf, "redis-tls-cert", config->tls_cert);
    conf_check_file(conf, "redis-tls-key", config->tls_key);
    if ((config->tls_cert[0] == '\0') != (config->tls_key[0] == '\0'))
        conf_mistake(conf, "redis-tls-cert", "redis-tls-cert and redis-tls-key belong together");
    if (config->user[0] != '\0' && config->password[0] == '\0')
        conf_mistake(conf, "redis-user", "a user needs redis-password");
    if (config->sentinel_user[0] != '\0' && config->sentinel_password[0] == '\0')
        conf_mistake(conf, "redis-sentinel-user", "a user needs redis-sentinel-password");
    if ((config->sentinels.count != 0) != (config->master[0] != '\0'))
        conf_mistake(conf, "redis-master", "redis-sentinels and redis-master belong together");
    if (used && config->hosts.count == 0 && config->sentinels.count == 0)
        conf_mistake(conf, "redis-hosts", "no server is named");
}
