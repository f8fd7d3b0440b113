/* SPDX-License-Identifier: Apache-2.0 */
/* Joins the parts of sluice-core; shows them in probes and metrics. */
#include "services/core/core.h"

#include "common/clock.h"
#include "common/http.h"
#include "common/log.h"
#include "common/loop.h"
#include "common/mem.h"
#include "common/metrics.h"
#include "common/peer.h"
#include "services/core/peer_link.h"
#include <errno.h>
#include <signal.h>

enum { HEALTH_PLACES = 200, RETIRE_POLL_MS = 20, RETIRE_LEAST_MS = 100 };

struct core {
    const struct core_config *config;
    struct loop *loop;
    struct metrics *metrics;
    struct http *http;
    struct peer_link *link;
    struct metric_histogram *lag;
    struct loop_timer retire;
    uint64_t retire_since_ms;
};

static bool
is_ready(void *arg)
{
    struct core *core = arg;
    return router_is_serving(peer_link_router(core->link));
}

struct health {
    struct buf *json;
    size_t count;
};

static void
health_place(void *arg, const struct router_place_info *info)
{
    struct health *health = arg;
    if (health->count >= HEALTH_PLACES)
        return;
    buf_append_cstr(health->json, health->count++ == 0 ? "{\"service\":" : ",{\"service\":");
    buf_append_cstr(health->json,
                    info->kind == ROUTER_GATEWAY ? "\"gateway\",\"name\":" : "\"store\",\"name\":");
    http_json_string(health->json, slice_cstr(info->name));
    buf_printf(health->json,
               ",\"up\":%s,\"resyncing\":%s,\"routes\":%zu,\"digest\":%zu,\"digestBehind\":%llu,"
               "\"parkedBytes\":%zu,\"inputBytes\":%zu,\"tokens\":%zu}",
               info->up ? "true" : "false", info->resyncing ? "true" : "false", info->routes,
               info->digest_entries, (unsigned long long)info->digest_behind, info->parked_bytes,
               info->input_bytes, info->tokens);
}

static bool
health(void *arg, struct buf *json)
{
    struct core *core = arg;
    struct router *router = peer_link_router(core->link);
    struct router_stats stats = router_stats(router);
    struct health state = {json, 0};
    buf_printf(json, ",\"serving\":%s,\"obstacle\":", stats.serving ? "true" : "false");
    http_json_string(json, slice_cstr(router_obstacle(router)));
    buf_printf(json, ",\"stalled\":%s,\"routes\":%zu,\"tokensOpen\":%zu,\"peers\":[",
               stats.stalled ? "true" : "false", stats.routes, stats.tokens_open);
    router_places(router, health_place, &state);
    buf_append_cstr(json, "]");
    return stats.serving && !stats.stalled && stats.stores_up >= router_stores_wanted(router);
}

static void
put(struct buf *out, const char *name, bool counter, const char *help, uint64_t value)
{
    metrics_put(out, name, counter ? "counter" : "gauge", help, (double)value);
}

static void
scrape(void *arg, struct buf *out)
{
    struct core *core = arg;
    struct router_stats s = router_stats(peer_link_router(core->link));
    const struct peers_stats *p = peer_link_stats(core->link);
    put(out, "sluice_core_publishes_total", true, "Publishes routed.", s.publishes);
    put(out, "sluice_core_records_out_total", true,
        "Copies of publishes sent to gateways and stores.", s.records_out);
    put(out, "sluice_core_unwanted_total", true, "Publishes that nobody elsewhere wanted.",
        s.unwanted);
    put(out, "sluice_core_tokens_answered_total", true, "Publishes acknowledged to their source.",
        s.tokens_answered);
    put(out, "sluice_core_malformed_total", true, "Records dropped because they were malformed.",
        s.malformed);
    put(out, "sluice_core_unknown_total", true, "Records of a type we do not know.", s.unknown);
    put(out, "sluice_core_undeliverable_total", true, "Copies that a feed refused for good.",
        s.undeliverable);
    put(out, "sluice_core_routes_refused_total", true, "Routes beyond routes-max.",
        s.refused_routes);
    put(out, "sluice_core_stalls_total", true, "Times that sources had to wait.", s.stalls);
    put(out, "sluice_core_shared_total", true, "Copies of publishes for shared subscriptions.",
        s.shared);
    put(out, "sluice_core_shared_returned_total", true,
        "Messages for shared subscriptions that a gateway or store handed back.",
        s.shared_returned);
    put(out, "sluice_core_shared_rehomed_total", true,
        "Messages for shared subscriptions taken from a gateway that was gone.", s.shared_rehomed);
    put(out, "sluice_core_shared_nobody_total", true,
        "Messages that no member of a shared subscription could take.", s.shared_nobody);
    put(out, "sluice_core_shared_unkept_total", true,
        "Messages for shared subscriptions given away without a copy, shared-keep being full.",
        s.shared_unkept);
    put(out, "sluice_core_shared_asked_total", true,
        "QoS 2 messages for shared subscriptions that were sent again: all places were asked for "
        "them.",
        s.shared_asked);
    put(out, "sluice_core_shared_found_total", true, "Of those: a place had it.", s.shared_found);
    put(out, "sluice_core_shared_doubtful_total", true,
        "Of those: a gateway that is gone may have given it to a member, so nobody else got it.",
        s.shared_doubtful);
    put(out, "sluice_core_shared_unasked_total", true,
        "QoS 2 messages for shared subscriptions sent again that came when too many were asked "
        "for.",
        s.shared_unasked);
    put(out, "sluice_core_shared_asking", false, "Messages that places are being asked for.",
        s.asking);
    put(out, "sluice_core_shared_groups", false, "Shared subscriptions.", s.groups);
    put(out, "sluice_core_shared_kept_bytes", false,
        "Copies of what members of shared subscriptions have not acknowledged.", s.kept_bytes);
    put(out, "sluice_core_stalled", false, "1 while sources wait.", s.stalled);
    put(out, "sluice_core_serving", false, "1 while publishes are taken.", s.serving);
    put(out, "sluice_core_tokens_open", false, "Publishes waiting for their destinations.",
        s.tokens_open);
    put(out, "sluice_core_tickets_open", false, "Routes waiting for digests.", s.tickets_open);
    put(out, "sluice_core_filters", false, "Different filters.", s.filters);
    put(out, "sluice_core_routes", false, "Pairs of filter and place.", s.routes);
    put(out, "sluice_core_digest_entries", false, "Entries of all gateways' digests.",
        s.digest_entries);
    put(out, "sluice_core_parked_bytes", false, "Bytes waiting for destinations.", s.parked_bytes);
    put(out, "sluice_core_input_bytes", false, "Bytes of sources waiting to be routed.",
        s.input_bytes);
    put(out, "sluice_core_gateways_up", false, "Gateways in session.", s.gateways_up);
    put(out, "sluice_core_stores_up", false, "Stores in session.", s.stores_up);
    put(out, "sluice_core_stores_refused_total", true,
        "Stores that were not believed which shard they are.",
        peer_link_stores_refused(core->link));
    put(out, "sluice_core_frames_refused_total", true, "Frames of strangers or old sessions.",
        p->frames_refused);
    put(out, "sluice_core_hellos_refused_total", true, "Hellos refused.", p->hellos_refused);
    put(out, "sluice_core_leases_ended_total", true, "Peers that fell silent.", p->leases_ended);
    put(out, "sluice_core_loop_lag_us", false, "How late the loop is, worst of the last moments.",
        loop_lag_us(core->loop));
}

static void
on_lag(void *arg, uint64_t lag_us)
{
    struct core *core = arg;
    metric_histogram_observe(core->lag, lag_us);
}

static void
on_retire_poll(void *arg)
{
    struct core *core = arg;
    uint64_t waited = clock_monotonic_ms() - core->retire_since_ms;
    if (waited >= core->config->retire_ms ||
        (waited >= RETIRE_LEAST_MS && router_is_idle(peer_link_router(core->link))))
        loop_stop(core->loop);
}

/* The sources learn with the next frame that we no longer serve, and move to other cores; what is
 * on its way gets a moment to be answered. Whatever is not, they send again elsewhere. */
static void
on_stop(void *arg)
{
    struct core *core = arg;
    if (core->retire_since_ms != 0) {
        loop_stop(core->loop);
        return;
    }
    core->retire_since_ms = clock_monotonic_ms();
    router_retire(peer_link_router(core->link));
    loop_timer_start(&core->retire, RETIRE_POLL_MS, true);
}

static enum err
http_start(struct core *core)
{
    const struct conf_common *common = &core->config->common;
    struct http_config config = {.bind = common->http_bind,
                                 .port = (uint16_t)common->http_port,
                                 .program = "sluice-core",
                                 .version = SLUICE_VERSION,
                                 .metrics = core->metrics,
                                 .ready = is_ready,
                                 .health = health,
                                 .arg = core};
    enum err err;
    if (common->http_port == 0)
        return OK;
    err = http_open(core->loop, &config, &core->http);
    if (err != OK)
        log_error("http_not_opened", LOG_STR("bind", slice_cstr(common->http_bind)),
                  LOG_U64("port", common->http_port), LOG_ERRNO(errno), LOG_ERR(err), LOG_END);
    return err;
}

enum err
core_new(const struct core_config *config, struct core **out)
{
    struct core *core = mem_zalloc(sizeof(*core));
    enum err err;
    core->config = config;
    core->loop = loop_new();
    core->metrics = metrics_new();
    metrics_add_process(core->metrics, "sluice-core", SLUICE_VERSION);
    metrics_on_scrape(core->metrics, scrape, core);
    core->lag = metrics_histogram(core->metrics, "sluice_core_loop_lag_seconds",
                                  "How late a timer of the loop fires.", NULL, 0, metrics_bounds_us,
                                  metrics_bounds_us_count, METRICS_US);
    loop_timer_init(&core->retire, core->loop, on_retire_poll, core);
    err = peer_link_new(core->loop, config, &core->link);
    if (err != OK)
        log_error("sockets_not_opened", LOG_STR("call", slice_cstr(config->call_listen)),
                  LOG_STR("feed", slice_cstr(config->feed_listen)), LOG_ERR(err), LOG_END);
    else
        err = http_start(core);
    if (err == OK)
        peer_link_set_metrics(core->link, core->metrics);
    if (err != OK) {
        core_free(core);
        return err;
    }
    loop_measure_lag(core->loop, on_lag, core);
    loop_on_signal(core->loop, SIGTERM, on_stop, core);
    loop_on_signal(core->loop, SIGINT, on_stop, core);
    log_info("started", LOG_HEX("incarnation", peer_link_incarnation(core->link)),
             LOG_U64("call_port", peer_link_call_port(core->link)),
             LOG_U64("feed_port", peer_link_feed_port(core->link)),
             LOG_U64("http_port", core->http != NULL ? http_port(core->http) : 0), LOG_END);
    *out = core;
    return OK;
}

void
core_run(struct core *core)
{
    loop_run(core->loop);
    log_info("stopped", LOG_END);
}

void
core_free(struct core *core)
{
    if (core == NULL)
        return;
    if (core->http != NULL)
        http_close(core->http);
    loop_timer_fini(&core->retire);
    peer_link_free(core->link);
    metrics_free(core->metrics);
    loop_free(core->loop);
    mem_free(core);
}
