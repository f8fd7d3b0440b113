/* SPDX-License-Identifier: Apache-2.0 */
/* The settings of the gateway: defaults, and rules between settings. */
#include "services/gateway/gateway_config.h"
#include "tests/unit/cunit_main.h"

#include <string.h>

#define SECRET "--cluster-secret=0123456789abcdef"

static enum conf_outcome
load(struct gateway_config *config, struct conf **conf, int argc, char *argument)
{
    static char name[] = "sluice-gateway", secret[] = SECRET;
    char *argv[] = {name, secret, argument, NULL};
    return gateway_config_load(config, argc, argv, conf);
}

static void
defaults_serve_one_machine(void)
{
    struct gateway_config config;
    struct conf *conf = NULL;
    CU_ASSERT_FATAL(load(&config, &conf, 2, NULL) == CONF_RUN);
    CU_ASSERT(config.mqtt_port == 18883 && !config.allow_anonymous &&
              config.max_packet_size == 1179648);
    CU_ASSERT(config.cores.count == 1 && config.stores.count == 1 && config.lease_ms == 3000);
    CU_ASSERT_STRING_EQUAL(config.cores.items[0], "127.0.0.1:7201");
    CU_ASSERT_STRING_EQUAL(config.stores.items[0], "127.0.0.1:7301");
    conf_free(conf);
}

static void
mistakes_name_their_setting(void)
{
    static char bad[][48] = {
        "--cores=core-1",           "--cores=:7201",     "--stores=a:1,a:1",
        "--cluster-ca=/x.pem",      "--workers=33",      "--mqtt-port=70000",
        "--cores=a:1,b:1,a:1",      "--ws-proxy=on",     "--proxy-trusted=10.0.0.0/33",
        "--proxy-trusted=balancer", "--ws-forwarded=on", "--unix-mode=0666x",
        "--unix-mode=4755"};
    static const char *const names[] = {
        "cores",        "cores",     "stores",   "cluster-ca",    "workers",
        "mqtt-port",    "cores",     "ws-proxy", "proxy-trusted", "proxy-trusted",
        "ws-forwarded", "unix-mode", "unix-mode"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        struct gateway_config config;
        struct conf *conf = NULL;
        CU_ASSERT(load(&config, &conf, 3, bad[i]) == CONF_BAD);
        CU_ASSERT(strstr(conf_mistakes(conf), names[i]) != NULL);
        conf_free(conf);
    }
}

static const struct cunit_case cases[] = {
    CUNIT_CASE(defaults_serve_one_machine),
    CUNIT_CASE(mistakes_name_their_setting),
};
CUNIT_MAIN("gateway_config", cases)
