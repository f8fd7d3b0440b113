/* SPDX-License-Identifier: Apache-2.0 */
/* See gateway.h. */
#include "services/gateway/gateway.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "common/crypt.h"
#include "common/http.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/metrics.h"
#include "common/peer.h"
#include "services/gateway/drain.h"
#include "services/gateway/hub.h"
#include "services/gateway/listener.h"
#include "services/gateway/listener_unix.h"
#include "services/gateway/quotas.h"
#include "services/gateway/worker.h"

#define STEP_MS 50u
#define LEAVE_S 10u

struct gateway {
    const struct gateway_config *config;
    struct loop *loop; /* the hub's, on the main thread */
    struct metrics *metrics;
    struct hub *hub;
    struct http *http;
    struct worker *workers[WORKERS_MAX];
    unsigned count;
    unsigned started;
    struct quotas *quotas; /* shared by the workers */
    struct tokens_settings tokens;
    struct tls_settings tls;
    struct listener_unix unix_socket;
    struct address_range trusted[GATEWAY_TRUSTED_MAX];
    size_t trusted_count;
    struct loop_timer step;
    struct drain drain;
};

/* ---- probes */

static bool
is_ready(void *arg)
{
    const struct gateway *gateway = arg;
    for (unsigned w = 0; w < gateway->count; w++)
        if (worker_is_overloaded(gateway->workers[w]))
            return false; /* its clients are served; new ones do better elsewhere */
    return !drain_is_begun(&gateway->drain) && hub_is_ready(gateway->hub);
}

static uint64_t
connections(const struct gateway *gateway)
{
    uint64_t sum = 0;
    for (unsigned w = 0; w < gateway->count; w++)
        sum += worker_connection_count(gateway->workers[w]);
    return sum;
}

static uint64_t
count_connections(void *arg)
{
    return connections(arg);
}

static bool
is_healthy(void *arg, struct buf *json)
{
    const struct gateway *gateway = arg;
    buf_printf(json, ",\"connections\":%llu,\"workers\":%u,\"draining\":%s",
               (unsigned long long)connections(gateway), gateway->count,
               drain_is_begun(&gateway->drain) ? "true" : "false");
    return hub_health(gateway->hub, json);
}

static enum err
open_http(struct gateway *gateway)
{
    const struct conf_common *common = &gateway->config->common;
    if (common->http_port == 0)
        return OK;
    const struct http_config config = {.bind = common->http_bind,
                                       .port = (uint16_t)common->http_port,
                                       .program = "sluice-gateway",
                                       .version = SLUICE_VERSION,
                                       .metrics = gateway->metrics,
                                       .ready = is_ready,
                                       .health = is_healthy,
                                       .arg = gateway};
    enum err err = http_open(gateway->loop, &config, &gateway->http);
    if (err != OK)
        log_error("http_not_opened", LOG_STR("bind", common->http_bind),
                  LOG_U64("port", common->http_port), LOG_ERRNO(errno), LOG_END);
    return err;
}

/* ---- workers */

static unsigned
worker_count(const struct gateway_config *config)
{
    long processors = sysconf(_SC_NPROCESSORS_ONLN);
    unsigned count = config->workers != 0 ? (unsigned)config->workers
                     : processors > 0     ? (unsigned)processors
                                          : 1;
    return count > WORKERS_MAX ? WORKERS_MAX : count;
}

/* Of a number that is meant for all workers together: what each of them gets. */
static uint64_t
share_of(const struct gateway *gateway, uint64_t total)
{
    assert(gateway->count > 0);
    return (total + gateway->count - 1) / gateway->count;
}

static void
read_trusted(struct gateway *gateway)
{
    const struct conf_list *list = &gateway->config->proxy_trusted;
    for (size_t i = 0; i < list->count; i++)
        if (address_range_parse(slice_cstr(list->items[i]),
                                &gateway->trusted[gateway->trusted_count]) == OK)
            gateway->trusted_count++; /* others were refused with the settings */
}

static void
fill_options(const struct gateway *gateway, struct worker_options *options)
{
    const struct gateway_config *config = gateway->config;
    worker_options_init(options);
    options->max_packet_size = (uint32_t)config->max_packet_size;
    options->max_inflight = (uint32_t)config->max_inflight;
    options->max_queued = (uint32_t)config->max_queued;
    options->max_queued_bytes = config->max_queued_bytes;
    options->drop_oldest = config->queue_drop == GATEWAY_DROP_OLDEST;
    options->client_messages = config->client_messages;
    options->client_bytes = config->client_bytes;
    options->max_output = (uint32_t)config->max_output;
    options->receive_maximum = (uint32_t)config->receive_maximum;
    options->topic_alias_maximum = (uint32_t)config->topic_alias_maximum;
    options->topic_alias_outbound = (uint32_t)config->topic_alias_outbound;
    options->keep_alive_max_s = (uint32_t)config->keep_alive_max_s;
    options->session_expiry_max_s = (uint32_t)config->session_expiry_max_s;
    options->connect_timeout_ms = (uint32_t)config->connect_timeout_ms;
    options->quotas = gateway->quotas;
    options->memory_max = config->memory_max;
    options->shed_lag_ms = config->shed_lag_ms;
    options->max_filters = config->filters_max;
    options->websocket = (struct websocket_upgrade_options){
        .origins = config->ws_origins.items,
        .origin_count = config->ws_origins.count,
        .proxies = gateway->trusted,
        .proxy_count = config->ws_forwarded ? gateway->trusted_count : 0};
    options->allow_anonymous = config->allow_anonymous;
    options->deny_default = config->access_default == GATEWAY_ACCESS_DENY;
    options->anonymous_role = config->anonymous_role;
    options->token_disconnect = config->jwt_disconnect;
    options->max_subscriptions = (uint32_t)config->max_subscriptions;
    options->retain_available = config->retain_available;
    options->check_payload_format = config->check_payload_format;
    options->server_reference = config->server_reference;
    options->response_information = config->response_information;
    memcpy(options->listeners, config->listeners, sizeof(options->listeners));
    options->trusted = gateway->trusted;
    options->trusted_count = gateway->trusted_count;
    options->proxy_identity = config->proxy_identity;
}

/* Opens one port in every worker. */
static enum err
listen_on(struct gateway *gateway, enum listener_kind kind, uint64_t port)
{
    const struct gateway_config *config = gateway->config;
    uint16_t bound = (uint16_t)port;
    if (bound == 0)
        return OK;
    enum err err = listener_probe(config->mqtt_bind, bound);
    for (unsigned w = 0; w < gateway->count && err == OK; w++)
        err = worker_listen(gateway->workers[w], kind, config->mqtt_bind, bound, &bound);
    if (err != OK)
        log_error("listener_not_opened", LOG_STR("protocol", listener_transport(kind)->name),
                  LOG_STR("bind", config->mqtt_bind), LOG_U64("port", port), LOG_ERR(err),
                  LOG_ERRNO(errno), LOG_END);
    else
        log_info("listening", LOG_STR("protocol", listener_transport(kind)->name),
                 LOG_STR("bind", config->mqtt_bind), LOG_U64("port", bound), LOG_END);
    return err;
}

static enum err
listen_unix(struct gateway *gateway)
{
    const struct gateway_config *config = gateway->config;
    unsigned mode = 0;
    if (config->unix_path[0] == '\0' || !listener_unix_parse_mode(config->unix_mode, &mode))
        return OK;
    enum err err = listener_unix_open(config->unix_path, mode, &gateway->unix_socket);
    for (unsigned w = 0; w < gateway->count && err == OK; w++) {
        int copy = fcntl(gateway->unix_socket.fd, F_DUPFD_CLOEXEC, 0);
        err = copy >= 0 ? worker_listen_on(gateway->workers[w], LISTENER_UNIX, copy) : ERR_IO;
    }
    if (err != OK) {
        log_error("listener_not_opened", LOG_STR("protocol", "unix"),
                  LOG_STR("path", config->unix_path), LOG_ERR(err), LOG_ERRNO(errno), LOG_END);
        return err;
    }
    listener_unix_release(&gateway->unix_socket);
    log_info("listening", LOG_STR("protocol", "unix"), LOG_STR("path", config->unix_path), LOG_END);
    return OK;
}

static enum err
use_tls(struct gateway *gateway)
{
    const struct gateway_config *config = gateway->config;
    char reason[TLS_REASON_SIZE];
    uint64_t rate = share_of(gateway, config->tls_handshakes);
    gateway->tls = (struct tls_settings){.certs = config->tls_cert.items,
                                         .keys = config->tls_key.items,
                                         .count = config->tls_cert.count,
                                         .ca = config->tls_ca,
                                         .crl = config->tls_crl,
                                         .ciphers = config->tls_ciphers,
                                         .ciphersuites = config->tls_ciphersuites,
                                         .client_cert = config->tls_client_cert,
                                         .identity = config->tls_identity,
                                         .min_version = config->tls_min_version};
    crypt_random(gateway->tls.secret, sizeof(gateway->tls.secret));
    for (unsigned w = 0; w < gateway->count; w++) {
        enum err err = worker_use_tls(gateway->workers[w], &gateway->tls, (uint32_t)rate, reason);
        if (err == OK)
            continue;
        log_error("tls_not_usable", LOG_STR("reason", (const char *)reason), LOG_END);
        return err;
    }
    return OK;
}

static enum err
use_tokens(struct gateway *gateway)
{
    const struct gateway_config *config = gateway->config;
    char reason[TOKENS_REASON_SIZE];
    gateway->tokens = (struct tokens_settings){.files = config->jwt_key_file.items,
                                               .count = config->jwt_key_file.count,
                                               .user_claim = config->jwt_user_claim,
                                               .leeway_s = config->jwt_leeway_ms / 1000,
                                               .issuer = config->jwt_issuer,
                                               .audience = config->jwt_audience};
    for (unsigned w = 0; w < gateway->count && gateway->tokens.count > 0; w++) {
        enum err err = worker_use_tokens(gateway->workers[w], &gateway->tokens, reason);
        if (err == OK)
            continue;
        log_error("tokens_not_usable", LOG_STR("reason", (const char *)reason), LOG_END);
        return err;
    }
    return OK;
}

static enum err
listen_all(struct gateway *gateway)
{
    const struct gateway_config *config = gateway->config;
    enum err err = listen_on(gateway, LISTENER_MQTT, config->mqtt_port);
    if (err == OK)
        err = listen_on(gateway, LISTENER_WS, config->ws_port);
    if (err == OK)
        err = listen_unix(gateway);
    if (err != OK || (config->tls_port == 0 && config->wss_port == 0))
        return err;
    if (config->tls_cert.count == 0) {
        log_info("tls_is_off", LOG_STR("reason", "no tls-cert"), LOG_END);
        return OK;
    }
    err = use_tls(gateway);
    if (err == OK)
        err = listen_on(gateway, LISTENER_TLS, config->tls_port);
    return err == OK ? listen_on(gateway, LISTENER_WSS, config->wss_port) : err;
}

static enum err
build_workers(struct gateway *gateway)
{
    const struct gateway_config *config = gateway->config;
    struct worker_options options;
    struct mailbox *boxes[WORKERS_MAX];
    read_trusted(gateway);
    gateway->quotas =
        quotas_new(config->connections_max, config->address_connections, config->listeners);
    fill_options(gateway, &options);
    for (unsigned w = 0; w < gateway->count; w++) {
        gateway->workers[w] = worker_new((uint8_t)w, &options, gateway->metrics);
        boxes[w] = worker_mailbox(gateway->workers[w]);
        hub_set_worker(gateway->hub, w, boxes[w]);
    }
    for (unsigned w = 0; w < gateway->count; w++)
        worker_connect_to(gateway->workers[w], hub_mailbox(gateway->hub), boxes,
                          (uint8_t)gateway->count);
    enum err err = use_tokens(gateway);
    return err == OK ? listen_all(gateway) : err;
}

static enum err
start_workers(struct gateway *gateway)
{
    for (; gateway->started < gateway->count; gateway->started++) {
        enum err err = worker_start(gateway->workers[gateway->started]);
        if (err == OK)
            continue;
        log_error("worker_not_started", LOG_ERR(err), LOG_END);
        return err;
    }
    return OK;
}

/* ---- going down */

static void
on_step(void *arg)
{
    struct gateway *gateway = arg;
    enum drain_step step =
        drain_next(&gateway->drain, loop_now_ms(gateway->loop), connections(gateway),
                   hub_is_drained(gateway->hub), hub_is_quiet(gateway->hub));
    if (step == DRAIN_STEP_CLOSE) {
        log_info("closing_connections", LOG_U64("connections", connections(gateway)),
                 LOG_U64("spread_ms", gateway->drain.spread_ms), LOG_END);
        hub_drain(gateway->hub, gateway->drain.spread_ms);
    } else if (step == DRAIN_STEP_END) {
        loop_timer_stop(&gateway->step);
        loop_stop(gateway->loop);
    }
}

static void
on_stop_signal(void *arg)
{
    struct gateway *gateway = arg;
    drain_begin(&gateway->drain, loop_now_ms(gateway->loop));
    log_info("stopping", LOG_BOOL("at_once", gateway->drain.state == DRAIN_OVER),
             LOG_U64("connections", connections(gateway)), LOG_END);
    loop_timer_start(&gateway->step, STEP_MS, true);
    on_step(gateway);
}

static volatile sig_atomic_t exit_status;

static void
leave(int signo)
{
    (void)signo;
    _exit(exit_status);
}

/* A descriptor per connection: take as many as we are allowed to have. */
static void
raise_descriptors(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return;
    limit.rlim_cur = limit.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0)
        log_warn("descriptor_limit_not_raised", LOG_ERRNO(errno), LOG_END);
}

enum err
gateway_new(const struct gateway_config *config, struct gateway **out)
{
    struct gateway *gateway = mem_zalloc(sizeof(*gateway));
    raise_descriptors();
    gateway->config = config;
    gateway->loop = loop_new();
    gateway->metrics = metrics_new();
    metrics_add_process(gateway->metrics, "sluice-gateway", SLUICE_VERSION);
    gateway->count = worker_count(config);
    drain_init(&gateway->drain, config->drain_wait_ms, config->drain_rate);
    loop_timer_init(&gateway->step, gateway->loop, on_step, gateway);
    gateway->hub = hub_new(gateway->loop, config, gateway->count, gateway->metrics);
    hub_set_connections(gateway->hub, count_connections, gateway);
    enum err err = build_workers(gateway);
    if (err == OK) {
        err = hub_open(gateway->hub);
        if (err != OK)
            log_error("feed_not_opened", LOG_STR("address", config->feed_listen), LOG_ERR(err),
                      LOG_END);
    }
    if (err == OK)
        err = open_http(gateway);
    if (err == OK)
        err = start_workers(gateway);
    if (err != OK) {
        gateway_free(gateway);
        return err;
    }
    *out = gateway;
    return OK;
}

int
gateway_run(struct gateway *gateway)
{
    loop_on_signal(gateway->loop, SIGTERM, on_stop_signal, gateway);
    loop_on_signal(gateway->loop, SIGINT, on_stop_signal, gateway);
    (void)signal(SIGPIPE, SIG_IGN);
    loop_run(gateway->loop);
    log_info("stopped", LOG_END);
    /* Nothing is left that anybody waits for. nng_close of nng 1.5 may wait for ever for a pipe
     * that ends at the same moment: whoever told us to stop shall not. */
    exit_status = hub_is_stuck(gateway->hub) ? PEERS_STUCK_STATUS : 0;
    (void)signal(SIGALRM, leave);
    (void)alarm(LEAVE_S);
    return exit_status;
}

void
gateway_free(struct gateway *gateway)
{
    if (gateway == NULL)
        return;
    if (gateway->started > 0)
        hub_stop_workers(gateway->hub);
    for (unsigned w = 0; w < gateway->started; w++)
        worker_join(gateway->workers[w]);
    http_close(gateway->http);
    hub_close(gateway->hub);
    for (unsigned w = 0; w < gateway->count; w++)
        worker_free(gateway->workers[w]);
    listener_unix_remove(&gateway->unix_socket);
    loop_timer_fini(&gateway->step);
    quotas_free(gateway->quotas);
    hub_free(gateway->hub);
    loop_free(gateway->loop);
    metrics_free(gateway->metrics);
    mem_free(gateway);
}
