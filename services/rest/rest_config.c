/* SPDX-License-Identifier: Apache-2.0 */
/* See rest_config.h. */
#include "services/rest/rest_config.h"

#define ROW(name_, type_, fallback_, min_, max_, unit_, member_, help_)                            \
    {                                                                                              \
        name_, type_, fallback_, min_, max_, unit_, NULL, help_,                                   \
            offsetof(struct rest_config, member_)                                                  \
    }

static const struct conf_row rows[] = {
    CONF_COMMON_ROWS(struct rest_config, common, "9401"),
    ROW("bind", CONF_STR, "0.0.0.0", 1, 255, NULL, bind, "IPv4 address of the REST API"),
    ROW("port", CONF_U64, "8080", 1, 65535, NULL, port, "port of the REST API"),
    ROW("stores", CONF_LIST, "127.0.0.1:7301", 1, 1, NULL, stores,
        "call address of the store, host:port"),
    ROW("api-key", CONF_SECRET, NULL, 8, 256, "bytes", api_key,
        "the key that requests must carry (X-API-Key or Authorization)"),
    ROW("body-max", CONF_SIZE, "65536", 1024, 16777216, "bytes", body_max, "longest request body"),
    ROW("deadline", CONF_DURATION_MS, "5s", 100, 60000, "ms", deadline_ms,
        "longest wait for an answer of the store"),
    ROW("lease", CONF_DURATION_MS, "3s", 300, 60000, "ms", lease_ms,
        "silence after which the store counts as gone"),
};

static void
check(struct conf *conf, void *arg)
{
    const struct rest_config *config = arg;
    conf_check_common(conf, &config->common);
    conf_check_addresses(conf, "stores", &config->stores);
}

enum conf_outcome
rest_config_load(struct rest_config *config, int argc, char *const *argv, struct conf **out)
{
    static const struct conf_program program = {"sluice-rest", "HTTP API of Sluice: users",
                                                SLUICE_VERSION};
    struct conf_table table = CONF_TABLE(rows, config);
    *config = (struct rest_config){0};
    return conf_load(&program, &table, 1, argc, argv, check, config, out);
}
