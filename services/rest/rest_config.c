/* SPDX-License-Identifier: Apache-2.0 */
/* See rest_config.h. */
#include "services/rest/rest_config.h"

#include <string.h>

#define ROW(name_, type_, fallback_, min_, max_, unit_, member_, help_)                            \
    {                                                                                              \
        name_, type_, fallback_, min_, max_, unit_, NULL, help_,                                   \
            offsetof(struct rest_config, member_)                                                  \
    }

static const struct conf_row rows[] = {
    CONF_COMMON_ROWS(struct rest_config, common, "9401"),
    ROW("bind", CONF_STR, "0.0.0.0", 1, 255, NULL, bind,
        "address of the REST API, IPv4 or IPv6 (:: takes both)"),
    ROW("port", CONF_U64, "8080", 0, 65535, NULL, port,
        "port of the REST API and the console; 0: none"),
    ROW("https-port", CONF_U64, "0", 0, 65535, NULL, https_port, "the same over TLS; 0: none"),
    ROW("https-cert", CONF_STR, "", 0, 4095, "file", https_cert,
        "PEM certificate with its chain; looked at every second"),
    ROW("https-key", CONF_STR, "", 0, 4095, "file", https_key, "PEM key of https-cert"),
    ROW("stores", CONF_LIST, "127.0.0.1:7301", 1, 64, NULL, stores,
        "call addresses of the stores, host:port; people live with the first"),
    ROW("cores", CONF_LIST, "", 0, 64, NULL, cores,
        "call addresses of the cores, host:port; what is known of gateways comes through them"),
    ROW("api-key", CONF_SECRET, NULL, 8, 256, "bytes", api_key,
        "a key that may do everything (X-API-Key or Authorization)"),
    ROW("web-dir", CONF_STR, "", 0, 4095, "directory", web_dir,
        "files of the console and of Swagger UI; empty: web beside the program's folder, or "
        "/usr/share/sluice/web"),
    ROW("cors-origins", CONF_LIST, "", 0, 64, NULL, cors_origins,
        "origins whose pages may use the API with a key: https://example.org"),
    ROW("console-ws", CONF_LIST, "", 0, 16, NULL, console_ws,
        "WebSocket addresses of gateways that the console may speak to beside this host: "
        "wss://mqtt.example.org"),
    ROW("behind-proxy", CONF_BOOL, "off", 0, 0, NULL, behind_proxy,
        "believe X-Forwarded-For and X-Forwarded-Proto"),
    ROW("body-max", CONF_SIZE, "2MiB", 1024, 16777216, "bytes", body_max,
        "longest request body (below /rest at most 64 KiB)"),
    ROW("deadline", CONF_DURATION_MS, "5s", 100, 60000, "ms", deadline_ms,
        "longest wait for an answer of another program"),
    ROW("lease", CONF_DURATION_MS, "3s", 300, 60000, "ms", lease_ms,
        "silence after which another program counts as gone"),
    ROW("connections-max", CONF_U64, "1024", 1, 100000, NULL, connections_max,
        "HTTP connections at once, each with a thread"),
    ROW("rate-address", CONF_U64, "1000", 0, 1000000, "per second", rate_address,
        "requests from one address, twice as many at once; 0: no limit"),
    ROW("rate-key", CONF_U64, "1000", 0, 1000000, "per second", rate_key,
        "requests of one key or signed-in user, twice as many at once; 0: no limit"),
    ROW("rate-sign-in", CONF_U64, "30", 0, 1000000, "per minute", rate_sign_in,
        "attempts to sign in from one address, and for one user; 0: no limit"),
    ROW("sign-in-life", CONF_DURATION_MS, "12h", 1000, UINT64_C(30) * 86400000, "ms", sign_in_ms,
        "how long a sign-in to the console lasts"),
};

/* What stands in a header must not end it. */
static void
check_words(struct conf *conf, const char *name, const struct conf_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        if (strpbrk(list->items[i], " ;,'\"\t\r\n") != NULL ||
            strstr(list->items[i], "://") == NULL)
            conf_mistake(conf, name, "%s is no address with a scheme", list->items[i]);
}

static void
check(struct conf *conf, void *arg)
{
    const struct rest_config *config = arg;
    conf_check_common(conf, &config->common);
    conf_check_bind(conf, "bind", config->bind);
    conf_check_addresses(conf, "stores", &config->stores);
    conf_check_addresses(conf, "cores", &config->cores);
    check_words(conf, "cors-origins", &config->cors_origins);
    check_words(conf, "console-ws", &config->console_ws);
    if (config->port == 0 && config->https_port == 0)
        conf_mistake(conf, "port", "port and https-port are both 0: nothing would be served");
    if (config->https_port == 0)
        return;
    if (config->https_cert[0] == 0 || config->https_key[0] == 0)
        conf_mistake(conf, "https-port", "needs https-cert and https-key");
    conf_check_file(conf, "https-cert", config->https_cert);
    conf_check_file(conf, "https-key", config->https_key);
}

enum conf_outcome
rest_config_load(struct rest_config *config, int argc, char *const *argv, struct conf **out)
{
    static const struct conf_program program = {"sluice-rest", "HTTP API and console of Sluice",
                                                SLUICE_VERSION};
    struct conf_table table = CONF_TABLE(rows, config);
    *config = (struct rest_config){0};
    return conf_load(&program, &table, 1, argc, argv, check, config, out);
}
