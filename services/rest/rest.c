/* SPDX-License-Identifier: Apache-2.0 */
/* See rest.h. */
#include "services/rest/rest.h"

#include "common/clock.h"
#include "common/http.h"
#include "common/log.h"
#include "common/mem.h"
#include "services/rest/api.h"
#include "services/rest/front.h"
#include "services/rest/http_api.h"
#include "services/rest/https_cert.h"
#include "services/rest/seed_api.h"
#include "services/rest/static_files.h"

#include <signal.h>

struct rest {
    const struct rest_config *config;
    struct loop *loop;
    struct metrics *metrics;
    struct http *probes;
    struct upstream *upstream;
    struct caller_keys keys;
    struct on_user desk;
    struct seed_api seed;
    struct api api;
    struct front front;
    char *web_dir;
    struct https_cert *cert;
    struct http_api *plain, *secure;
};

static bool
on_ready(void *arg)
{
    const struct rest *rest = arg;
    return upstream_is_up(rest->upstream, UPSTREAM_STORE, 0);
}

static void
list_ends(const struct rest *rest, enum upstream_kind kind, const char *name, struct buf *json)
{
    buf_printf(json, ",\"%s\":[", name);
    for (size_t i = 0; i < upstream_count(rest->upstream, kind); i++) {
        buf_append_cstr(json, i == 0 ? "{\"address\":" : ",{\"address\":");
        http_json_string(json, slice_cstr(upstream_address(rest->upstream, kind, i)));
        buf_printf(json, ",\"up\":%s}", upstream_is_up(rest->upstream, kind, i) ? "true" : "false");
    }
    buf_append_cstr(json, "]");
}

static bool
on_health(void *arg, struct buf *json)
{
    const struct rest *rest = arg;
    bool up = on_ready(arg);
    buf_printf(json, ",\"store\":\"%s\"", up ? "up" : "down");
    list_ends(rest, UPSTREAM_STORE, "stores", json);
    list_ends(rest, UPSTREAM_CORE, "cores", json);
    return up;
}

static void
on_signal(void *arg)
{
    struct rest *rest = arg;
    loop_stop(rest->loop);
}

static enum err
failed(enum err err, const char *setting, uint64_t port)
{
    if (err != OK)
        log_error("cannot_start", LOG_STR("setting", setting), LOG_U64("port", port), LOG_ERR(err),
                  LOG_END);
    return err;
}

static enum err
open_probes(struct rest *rest)
{
    const struct conf_common *common = &rest->config->common;
    struct http_config http = {.bind = common->http_bind,
                               .port = (uint16_t)common->http_port,
                               .program = "sluice-rest",
                               .version = SLUICE_VERSION,
                               .metrics = rest->metrics,
                               .ready = on_ready,
                               .health = on_health,
                               .arg = rest};
    enum err err = common->http_port != 0 ? http_open(rest->loop, &http, &rest->probes) : OK;
    return failed(err, "http-port", common->http_port);
}

static enum err
open_listeners(struct rest *rest)
{
    const struct rest_config *config = rest->config;
    struct http_api_listen listen = {.bind = config->bind,
                                     .port = (uint16_t)config->port,
                                     .body_max = (size_t)config->body_max,
                                     .connections_max = (unsigned)config->connections_max,
                                     .serve = front_serve,
                                     .arg = &rest->front};
    enum err err = config->port != 0 ? http_api_open(&listen, &rest->plain) : OK;
    if (failed(err, "port", config->port) != OK || config->https_port == 0)
        return err;
    err = https_cert_open(rest->loop, config->https_cert, config->https_key, &rest->cert);
    if (failed(err, "https-cert", config->https_port) != OK)
        return err;
    listen.port = (uint16_t)config->https_port;
    listen.tls = true;
    return failed(http_api_open(&listen, &rest->secure), "https-port", config->https_port);
}

static void
build(struct rest *rest, const struct conf *conf)
{
    const struct rest_config *config = rest->config;
    struct slice secret = slice_cstr(config->common.cluster_secret);
    metrics_add_process(rest->metrics, "sluice-rest", SLUICE_VERSION);
    rest->keys = (struct caller_keys){.configured = config->api_key, .upstream = rest->upstream};
    caller_cookie_key(secret, rest->keys.cookie_key);
    rest->desk = (struct on_user){.conf = conf, .upstream = rest->upstream};
    cookie_key(secret, rest->desk.cookie_key);
    rest->seed = (struct seed_api){.desk = &rest->desk, .keys = &rest->keys};
    rest->api = (struct api){.config = config,
                             .conf = conf,
                             .upstream = rest->upstream,
                             .metrics = rest->metrics,
                             .keys = &rest->keys,
                             .started_ms = clock_monotonic_ms()};
    rest->api.callers = rate_new(config->rate_key, 1000, 2 * config->rate_key);
    rest->api.sign_ins = rate_new(config->rate_sign_in, 60000, config->rate_sign_in);
    api_init(&rest->api);
    rest->web_dir = static_files_directory(config->web_dir);
    rest->front =
        (struct front){.config = config,
                       .metrics = rest->metrics,
                       .seed = &rest->seed,
                       .api = &rest->api,
                       .addresses = rate_new(config->rate_address, 1000, 2 * config->rate_address),
                       .web_dir = rest->web_dir};
    if (rest->web_dir == NULL)
        log_warn("no_web_dir", LOG_STR("setting", "web-dir"), LOG_END);
}

static void
take_down(struct rest *rest)
{
    http_api_close(rest->plain);
    http_api_close(rest->secure);
    https_cert_close(rest->cert);
    api_fini(&rest->api);
    rate_free(rest->api.callers);
    rate_free(rest->api.sign_ins);
    rate_free(rest->front.addresses);
    mem_free(rest->web_dir);
    upstream_free(rest->upstream);
    http_close(rest->probes);
    loop_free(rest->loop);
    metrics_free(rest->metrics);
}

int
rest_run(const struct rest_config *config, const struct conf *conf)
{
    struct rest rest = {.config = config, .loop = loop_new(), .metrics = metrics_new()};
    int status = 2;
    loop_on_signal(rest.loop, SIGTERM, on_signal, &rest);
    loop_on_signal(rest.loop, SIGINT, on_signal, &rest);
    enum err err = failed(upstream_new(rest.loop, config, &rest.upstream), "stores", 0);
    if (err == OK)
        err = open_probes(&rest);
    if (err == OK) {
        build(&rest, conf);
        err = open_listeners(&rest);
    }
    if (err == OK) {
        log_info("started", LOG_STR("version", SLUICE_VERSION), LOG_U64("port", config->port),
                 LOG_U64("https_port", config->https_port), LOG_END);
        loop_run(rest.loop);
        log_info("stopping", LOG_END);
        status = 0;
    }
    /* Threads that wait for others get their answer before the library waits for the threads. */
    if (rest.upstream != NULL)
        upstream_close(rest.upstream);
    take_down(&rest);
    return status;
}
