/* SPDX-License-Identifier: Apache-2.0 */
/* See rest.h. */
#include "services/rest/rest.h"

#include "common/http.h"
#include "common/log.h"
#include "services/rest/http_api.h"

#include <signal.h>

struct rest {
    struct loop *loop;
    struct metrics *metrics;
    struct http *probes;
    struct on_user desk;
    struct http_api *api;
};

static bool
on_ready(void *arg)
{
    const struct rest *rest = arg;
    return store_link_is_up(rest->desk.store);
}

static bool
on_health(void *arg, struct buf *json)
{
    bool up = on_ready(arg);
    buf_printf(json, ",\"store\":\"%s\"", up ? "up" : "down");
    return up;
}

static void
on_signal(void *arg)
{
    struct rest *rest = arg;
    loop_stop(rest->loop);
}

static enum err
open_probes(struct rest *rest, const struct conf_common *common)
{
    struct http_config http = {.bind = common->http_bind,
                               .port = (uint16_t)common->http_port,
                               .program = "sluice-rest",
                               .version = SLUICE_VERSION,
                               .metrics = rest->metrics,
                               .ready = on_ready,
                               .health = on_health,
                               .arg = rest};
    return common->http_port != 0 ? http_open(rest->loop, &http, &rest->probes) : OK;
}

int
rest_run(const struct rest_config *config)
{
    struct rest rest = {.loop = loop_new(), .metrics = metrics_new()};
    int status = 2;
    metrics_add_process(rest.metrics, "sluice-rest", SLUICE_VERSION);
    cookie_key(slice_cstr(config->common.cluster_secret), rest.desk.cookie_key);
    loop_on_signal(rest.loop, SIGTERM, on_signal, &rest);
    loop_on_signal(rest.loop, SIGINT, on_signal, &rest);

    enum err err = open_probes(&rest, &config->common);
    if (err != OK)
        log_error("cannot_start", LOG_STR("setting", "http-port"),
                  LOG_U64("port", config->common.http_port), LOG_ERR(err), LOG_END);
    if (err == OK && (err = store_link_new(rest.loop, config, &rest.desk.store)) != OK)
        log_error("cannot_start", LOG_STR("setting", "stores"), LOG_ERR(err), LOG_END);
    if (err == OK && (err = http_api_open(config, &rest.desk, rest.metrics, &rest.api)) != OK)
        log_error("cannot_start", LOG_STR("setting", "port"), LOG_U64("port", config->port),
                  LOG_ERR(err), LOG_END);
    if (err == OK) {
        log_info("started", LOG_STR("version", SLUICE_VERSION), LOG_U64("port", config->port),
                 LOG_END);
        loop_run(rest.loop);
        log_info("stopping", LOG_END);
        status = 0;
        /* Threads that wait for the store get their answer before ulfius waits for the threads. */
        store_link_close(rest.desk.store);
    }
    http_api_close(rest.api);
    store_link_free(rest.desk.store);
    http_close(rest.probes);
    loop_free(rest.loop);
    metrics_free(rest.metrics);
    return status;
}
