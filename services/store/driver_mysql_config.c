/* SPDX-License-Identifier: Apache-2.0 */
/* Settings of the MySQL driver; see driver_mysql_config.h. */
#include "services/store/driver_mysql_config.h"

#include <string.h>

#define AT(member) offsetof(struct driver_mysql_config, member)

static const struct conf_row rows[] = {
    {"mysql-hosts", CONF_LIST, "127.0.0.1:3306", 1, 16, NULL, NULL,
     "MySQL or MariaDB servers, the first that can be written is used", AT(hosts)},
    {"mysql-user", CONF_STR, "sluice", 1, 128, NULL, NULL, "user of the database", AT(user)},
    {"mysql-password", CONF_SECRET, "", 0, 1024, NULL, NULL, "password of that user", AT(password)},
    {"mysql-database", CONF_STR, "sluice", 1, 64, NULL, NULL,
     "name of the database; made if missing and allowed", AT(database)},
    {"mysql-tls-ca", CONF_STR, "", 0, 4095, "file", NULL,
     "PEM of the authority of the servers; empty: no TLS", AT(tls_ca)},
    {"mysql-tls-cert", CONF_STR, "", 0, 4095, "file", NULL, "PEM certificate to show to servers",
     AT(tls_cert)},
    {"mysql-tls-key", CONF_STR, "", 0, 4095, "file", NULL, "PEM key of that certificate",
     AT(tls_key)},
    {"mysql-tls-verify", CONF_BOOL, "on", 0, 0, NULL, NULL,
     "the server's certificate must bear its host name; its authority is checked always",
     AT(tls_verify)},
    {"mysql-connect-timeout", CONF_DURATION_MS, "3s", 1000, 60000, NULL, NULL,
     "for one attempt to connect to one server", AT(connect_timeout_ms)},
    {"mysql-timeout", CONF_DURATION_MS, "20s", 1000, 300000, NULL, NULL,
     "silence of the server after which a connection counts as lost; more than its semi-sync wait",
     AT(timeout_ms)},
    {"mysql-start-timeout", CONF_DURATION_MS, "30s", 0, 600000, NULL, NULL,
     "how long a start waits for a server", AT(start_timeout_ms)},
    {"mysql-connections", CONF_U64, "8", 1, 64, NULL, NULL, "for reading; one more is for writing",
     AT(connections)},
};

struct conf_table
driver_mysql_config_table(struct driver_mysql_config *config)
{
    memset(config, 0, sizeof(*config));
    return CONF_TABLE(rows, config);
}

/* The name becomes part of CREATE DATABASE, which takes no parameters. */
static bool
is_plain(const char *text)
{
    return text[strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-")] ==
           '\0';
}

void
driver_mysql_config_check(struct conf *conf, const struct driver_mysql_config *config, bool in_use)
{
    if (!is_plain(config->database))
        conf_mistake(conf, "mysql-database", "must be letters, digits, '-' and '_'");
    conf_check_addresses(conf, "mysql-hosts", &config->hosts);
    if ((config->tls_cert[0] != '\0') != (config->tls_key[0] != '\0'))
        conf_mistake(conf, "mysql-tls-cert", "certificate and key belong together");
    if (config->tls_cert[0] != '\0' && config->tls_ca[0] == '\0')
        conf_mistake(conf, "mysql-tls-ca", "must be given with mysql-tls-cert");
    if (!in_use)
        return;
    conf_check_file(conf, "mysql-tls-ca", config->tls_ca);
    conf_check_file(conf, "mysql-tls-cert", config->tls_cert);
    conf_check_file(conf, "mysql-tls-key", config->tls_key);
}
