/* SPDX-License-Identifier: Apache-2.0 */
/* See hub_sys.h. */
#include "services/gateway/hub_sys.h"

#include "common/mem.h"
#include "proto/records.h"
#include "proto/rendezvous.h"
#include "services/gateway/balance.h"
#include "services/gateway/hub_state.h"
#include "services/gateway/sys_values.h"

#define REPORT_MS 1000u
#define SAID_MS   60000u

struct hub_sys {
    struct hub *hub;
    struct sys_values *values;
    struct balance balance;
    uint64_t said_ms; /* that clients are sent elsewhere */
    uint64_t begun_ms, report_ms;
    /* Of the workers, by name: the registry gives the same series to whoever asks. */
    struct metric_counter *received[3], *sent[3], *dropped[8];
    struct metric_counter *packets_in, *packets_out, *bytes_in, *bytes_out, *sockets, *connects;
    struct metric_gauge *clients[WORKERS_MAX], *subscriptions[WORKERS_MAX];
};

static struct metric_counter *
series(struct hub *hub, const char *name, const char *key, const char *value)
{
    const struct metric_label label = {key, value};
    return metrics_counter(hub->metrics, name, "", &label, key != NULL ? 1 : 0);
}

struct hub_sys *
hub_sys_new(struct hub *hub)
{
    static const char *const reasons[] = {"slow_reader", "queue_full", "packet_too_large",
                                          "expired",     "refused",    "client_gone"};
    static const char *const levels[] = {"0", "1", "2"};
    struct hub_sys *sys = mem_zalloc(sizeof(*sys));
    sys->hub = hub;
    sys->values = sys_values_new();
    sys->begun_ms = loop_now_ms(hub->loop);
    balance_init(&sys->balance, hub->config->balance_above, hub->config->balance_rate);
    for (size_t i = 0; i < 3; i++) {
        sys->received[i] = series(hub, "sluice_gateway_messages_received_total", "qos", levels[i]);
        sys->sent[i] = series(hub, "sluice_gateway_messages_sent_total", "qos", levels[i]);
    }
    for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++)
        sys->dropped[i] =
            series(hub, "sluice_gateway_messages_dropped_total", "reason", reasons[i]);
    sys->packets_in = series(hub, "sluice_gateway_packets_received_total", NULL, NULL);
    sys->packets_out = series(hub, "sluice_gateway_other_packets_sent_total", NULL, NULL);
    sys->bytes_in = series(hub, "sluice_gateway_bytes_received_total", NULL, NULL);
    sys->bytes_out = series(hub, "sluice_gateway_bytes_sent_total", NULL, NULL);
    sys->sockets = series(hub, "sluice_gateway_connections_accepted_total", NULL, NULL);
    sys->connects = series(hub, "sluice_gateway_connects_total", "result", "welcome");
    for (unsigned w = 0; w < hub->workers; w++) {
        char text[8];
        (void)str_format(text, sizeof(text), "%u", w);
        const struct metric_label label = {"worker", text};
        sys->clients[w] = metrics_gauge(hub->metrics, "sluice_gateway_clients", "", &label, 1);
        sys->subscriptions[w] =
            metrics_gauge(hub->metrics, "sluice_gateway_clean_subscriptions", "", &label, 1);
    }
    return sys;
}

void
hub_sys_free(struct hub_sys *sys)
{
    if (sys == NULL)
        return;
    sys_values_free(sys->values);
    mem_free(sys);
}

static void
count(const struct hub_sys *sys, uint64_t now_ms, struct records_counters *out)
{
    uint64_t *values = out->values;
    for (unsigned w = 0; w < sys->hub->workers; w++) {
        values[COUNTER_CLIENTS_CONNECTED] += (uint64_t)metric_gauge_get(sys->clients[w]);
        values[COUNTER_SUBSCRIPTIONS] += (uint64_t)metric_gauge_get(sys->subscriptions[w]);
    }
    for (size_t i = 0; i < 3; i++) {
        values[COUNTER_PUBLISH_RECEIVED] += metric_counter_get(sys->received[i]);
        values[COUNTER_PUBLISH_SENT] += metric_counter_get(sys->sent[i]);
    }
    for (size_t i = 0; i < sizeof(sys->dropped) / sizeof(sys->dropped[0]); i++)
        if (sys->dropped[i] != NULL)
            values[COUNTER_PUBLISH_DROPPED] += metric_counter_get(sys->dropped[i]);
    values[COUNTER_PUBLISH_DROPPED] += metric_counter_get(sys->hub->metric.dropped_qos0);
    values[COUNTER_PACKETS_RECEIVED] = metric_counter_get(sys->packets_in);
    values[COUNTER_PACKETS_SENT] =
        values[COUNTER_PUBLISH_SENT] + metric_counter_get(sys->packets_out);
    values[COUNTER_BYTES_RECEIVED] = metric_counter_get(sys->bytes_in);
    values[COUNTER_BYTES_SENT] = metric_counter_get(sys->bytes_out);
    values[COUNTER_SOCKETS] = metric_counter_get(sys->sockets);
    values[COUNTER_CONNECTS] = metric_counter_get(sys->connects);
    values[COUNTER_UPTIME_S] = (now_ms - sys->begun_ms) / 1000;
    out->incarnation = peers_incarnation(sys->hub->peers);
}

/* The core that all gateways choose as long as they see the same ones; NULL: none serves. */
static const struct hub_peer *
choose(const struct hub *hub)
{
    const struct hub_peer *members[RENDEZVOUS_MAX];
    struct rendezvous set;
    uint32_t n = 0;
    rendezvous_init(&set);
    for (const struct hub_peer *link = hub->links; link != NULL && n < RENDEZVOUS_MAX;
         link = link->next) {
        if (!link->is_core || !peer_is_up(link->peer) ||
            (peer_state(link->peer) & STATE_SERVING) == 0)
            continue;
        rendezvous_add(&set, n, slice_cstr(peer_name(link->peer)));
        members[n++] = link;
    }
    uint32_t chosen = rendezvous_choose(&set, rendezvous_key(slice_cstr("$SYS")));
    return chosen == RENDEZVOUS_NONE ? NULL : members[chosen];
}

/* Sends clients elsewhere if we hold far more than others do: of each worker its part. */
static void
shed(struct hub_sys *sys, uint64_t now_ms)
{
    struct hub *hub = sys->hub;
    uint64_t own = 0, n, left;
    for (unsigned w = 0; w < hub->workers; w++)
        own += (uint64_t)metric_gauge_get(sys->clients[w]);
    n = balance_next(&sys->balance, own, now_ms);
    if (n == 0)
        return;
    if (now_ms >= sys->said_ms + SAID_MS) {
        log_info("balancing", LOG_U64("clients", own), LOG_U64("of_all", sys->balance.clients),
                 LOG_U64("gateways", sys->balance.gateways), LOG_END);
        sys->said_ms = now_ms;
    }
    metric_counter_add(hub->metric.shed, n);
    left = n;
    for (unsigned w = 0; w < hub->workers && left > 0; w++) {
        uint64_t has = (uint64_t)metric_gauge_get(sys->clients[w]);
        uint64_t part = w + 1 == hub->workers ? left : (n * has + own - 1) / own;
        part = part < left ? part : left;
        hub_post_to(hub, w, &(struct post){.kind = POST_SHED, .aux = (uint32_t)part});
        left -= part;
    }
}

void
hub_sys_load(struct hub_sys *sys, struct slice body)
{
    struct records_load load;
    if (records_load_decode(body, &load) != OK) {
        metric_counter_add(sys->hub->metric.malformed, 1);
        return;
    }
    balance_told(&sys->balance, load.gateways, load.clients, loop_now_ms(sys->hub->loop));
}

void
hub_sys_tick(struct hub_sys *sys, uint64_t now_ms)
{
    const struct hub *hub = sys->hub;
    shed(sys, now_ms);
    if (now_ms < sys->report_ms)
        return;
    sys->report_ms = now_ms + REPORT_MS;
    struct records_counters report = {0};
    uint8_t bytes[RECORDS_COUNTERS_BYTES];
    count(sys, now_ms, &report);
    const struct hub_peer *chosen = choose(hub);
    for (const struct hub_peer *link = hub->links; link != NULL; link = link->next) {
        if (!link->is_core || !peer_is_up(link->peer))
            continue;
        report.flags = link == chosen ? COUNTERS_WANT_SYS : 0;
        struct slice part = slice_of(bytes, records_counters_encode(&report, bytes));
        (void)!peer_append(link->peer, FEED_CONTROL, FEED_COUNTERS, &part, 1, NULL);
    }
}

void
hub_sys_record(struct hub_sys *sys, struct slice body)
{
    struct hub *hub = sys->hub;
    struct message *message = NULL;
    if (message_from_record(body, &message) != OK) {
        metric_counter_add(hub->metric.malformed, 1);
        return;
    }
    if (sys_values_is_topic(message_topic(message))) {
        sys_values_put(sys->values, message);
        hub_post_message(hub, message, filters_match(hub->filters, message_topic(message)));
    } else {
        message_unref(message);
    }
}

bool
hub_sys_answer(struct hub_sys *sys, const struct post *post)
{
    const struct retained_request *request = post->body;
    struct message *found[SYS_VALUES_MAX];
    if (post->kind != POST_RETAINED_GET || !sys_values_is_topic(request->filter))
        return false;
    size_t n = sys_values_match(sys->values, request->filter, found);
    struct post answer = {.kind = POST_RETAINED,
                          .conn = post->conn,
                          .a = post->a,
                          .aux = OK,
                          .body = retained_answer_new(slice_of(NULL, 0), found, (uint32_t)n)};
    hub_post_to_conn(sys->hub, &answer);
    return true;
}
