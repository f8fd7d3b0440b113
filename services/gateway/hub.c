/* SPDX-License-Identifier: Apache-2.0 */
/* The hall of the hub: builds its parts, hands the events of common/peer to the link they belong
 * to, and declares frames done. See hub.h and hub_state.h.
 *
 * When a frame is done: as soon as all that came of it is in the workers' mailboxes. While a
 * mailbox is full the posts stay in the post box and no frame is declared done, so that the windows
 * of the feeds bound what waits here and the senders slow down. */
#include "services/gateway/hub.h"

#include <signal.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/crypt.h"
#include "common/http.h"
#include "common/log.h"
#include "common/mailbox.h"
#include "common/mem.h"
#include "proto/feed_records.h"
#include "proto/shards.h"
#include "services/gateway/flaps.h"
#include "services/gateway/hub_admin.h"
#include "services/gateway/hub_metrics.h"
#include "services/gateway/hub_state.h"
#include "services/gateway/hub_sys.h"
#include "services/gateway/sign_in.h"

#define MAILBOX_POSTS          (1u << 16)
#define FILTERS_OF_HUB(config) ((size_t)(config)->filters_max)
#define RECORD_ROOM            (256u * 1024) /* beyond the largest packet: head and targets of a record */

/* ---- events of peers */

static struct hub_peer *
link_of(struct hub *hub, struct peer *peer)
{
    struct hub_peer *link = peer_user(peer);
    if (link != NULL)
        return link;
    link = mem_zalloc(sizeof(*link));
    link->peer = peer;
    link->is_core = slice_equal_cstr(slice_cstr(peer_service(peer)), "core");
    link->index = UINT32_MAX;
    link->next = hub->links;
    hub->links = link;
    peer_set_user(peer, link);
    return link;
}

static enum peer_keep
on_up(void *arg, struct peer *peer, const struct peer_info *info)
{
    struct hub *hub = arg;
    struct hub_peer *link = link_of(hub, peer);
    link->seen_seq = 0;
    log_info("peer_up", LOG_STR("service", info->service), LOG_STR("name", info->name),
             LOG_STR("version", info->version), LOG_HEX("incarnation", info->incarnation),
             LOG_BOOL("lapsed", info->lapsed), LOG_END);
    return link->is_core ? core_link_up(hub->core, link, info)
                         : store_link_up(hub->store, link, info);
}

static void
on_down(void *arg, struct peer *peer, enum err why)
{
    struct hub *hub = arg;
    struct hub_peer *link = link_of(hub, peer);
    log_warn("peer_down", LOG_STR("service", peer_service(peer)), LOG_STR("name", peer_name(peer)),
             LOG_ERR(why), LOG_END);
    if (link->is_core)
        core_link_down(hub->core, link);
    else
        store_link_down(hub->store, link);
}

static void
on_record(void *arg, struct peer *peer, uint8_t type, struct slice body, uint64_t seq)
{
    struct hub *hub = arg;
    struct hub_peer *link = link_of(hub, peer);
    (void)seq;
    if (link->is_core)
        core_link_record(hub->core, link, type, body);
    else if (link->index != UINT32_MAX) /* else it has no shard, or none any more */
        store_record_take(hub, link->index == SHARDS_PEOPLE, type, body);
}

static void
on_frame_end(void *arg, struct peer *peer, uint64_t seq)
{
    link_of(arg, peer)->seen_seq = seq;
}

static void
on_done(void *arg, struct peer *peer, uint64_t ticket)
{
    struct hub *hub = arg;
    struct hub_peer *link = link_of(hub, peer);
    if (link->is_core)
        core_link_done(hub->core, link, ticket);
    else
        store_link_done(hub->store, link, ticket);
}

static void
on_room(void *arg, struct peer *peer)
{
    struct hub *hub = arg;
    struct hub_peer *link = link_of(hub, peer);
    if (link->is_core)
        core_link_room(hub->core, link);
    else
        store_link_room(hub->store, link);
}

static void
on_state(void *arg, struct peer *peer, uint32_t flags)
{
    struct hub *hub = arg;
    struct hub_peer *link = link_of(hub, peer);
    log_info("peer_state", LOG_STR("service", peer_service(peer)), LOG_STR("name", peer_name(peer)),
             LOG_HEX("flags", flags), LOG_END);
    if (link->is_core)
        core_link_state(hub->core, link, flags);
    else
        store_link_state(hub->store, link, flags);
}

/* Connected clients are sent elsewhere at the usual pace, so that none waits for a gateway that
 * reaches nobody any more. */
static void
on_stuck(void *arg)
{
    struct hub *hub = arg;
    hub->stuck = true;
    (void)raise(SIGTERM);
}

/* ---- the turn and the tick */

static void
on_turn(void *arg)
{
    struct hub *hub = arg;
    core_link_turn(hub->core);
    store_link_turn(hub->store);
    if (!post_box_flush(hub->box))
        return; /* the tick comes back */
    for (struct hub_peer *link = hub->links; link != NULL; link = link->next) {
        if (link->seen_seq == 0)
            continue;
        peer_done(link->peer, link->seen_seq);
        link->seen_seq = 0;
    }
}

static void
on_tick(void *arg)
{
    struct hub *hub = arg;
    uint64_t now_ms = loop_now_ms(hub->loop);
    barrier_expire(hub->barrier, now_ms);
    core_link_tick(hub->core, now_ms);
    store_link_tick(hub->store, now_ms);
    hub_sys_tick(hub->sys, now_ms);
    hub_admin_tick(hub->admin, now_ms);
    /* What waits for a full mailbox is tried again more often than that. */
    loop_timer_start(&hub->tick, post_box_is_empty(hub->box) ? HUB_TICK_MS : 1, false);
}

/* ---- life */

static void
make_name(struct hub *hub)
{
    char host[64] = "gateway";
    if (hub->config->common.instance[0] != 0) {
        (void)str_format(hub->name, sizeof(hub->name), "%s", hub->config->common.instance);
        return;
    }
    (void)gethostname(host, sizeof(host) - 1);
    /* Several gateways may share a host: the port tells them apart. */
    (void)str_format(hub->name, sizeof(hub->name), "%s-%llu", host,
                     (unsigned long long)hub->config->mqtt_port);
}

struct hub *
hub_new(struct loop *loop, const struct gateway_config *config, unsigned workers,
        struct metrics *metrics)
{
    struct hub *hub = mem_zalloc(sizeof(*hub));
    hub->loop = loop;
    hub->config = config;
    hub->workers = workers;
    hub->metrics = metrics;
    hub->mailbox = mailbox_new(loop, sizeof(struct post), MAILBOX_POSTS, hub_post_take, hub);
    hub->box = post_box_new(workers, post_body_free);
    hub->filters = filters_new(FILTERS_OF_HUB(config));
    hub->shares = shares_new(workers);
    hub->barrier = barrier_new(workers, hub_post_change_done, hub);
    loop_timer_init(&hub->tick, loop, on_tick, hub);
    make_name(hub);
    hub_metrics_init(hub);
    return hub;
}

struct mailbox *
hub_mailbox(struct hub *hub)
{
    return hub->mailbox;
}

void
hub_set_worker(struct hub *hub, unsigned worker, struct mailbox *mailbox)
{
    post_box_set(hub->box, worker, mailbox);
}

static enum err
open_peers(struct hub *hub)
{
    static const struct peers_events events = {.up = on_up,
                                               .down = on_down,
                                               .record = on_record,
                                               .frame_end = on_frame_end,
                                               .done = on_done,
                                               .room = on_room,
                                               .state = on_state,
                                               .stuck = on_stuck};
    const struct gateway_config *config = hub->config;
    size_t n = config->cores.count + config->stores.count;
    struct peers_dial *dial = mem_zalloc_array(n, sizeof(*dial));
    for (size_t i = 0; i < config->cores.count; i++)
        dial[i] = (struct peers_dial){.service = "core", .address = config->cores.items[i]};
    for (size_t i = 0; i < config->stores.count; i++)
        dial[config->cores.count + i] =
            (struct peers_dial){.service = "store", .address = config->stores.items[i]};
    const struct peers_config peers = {
        .service = "gateway",
        .name = hub->name,
        .version = SLUICE_VERSION,
        .secret = slice_cstr(config->common.cluster_secret),
        .feed_listen = config->feed_listen,
        .advertise_host = config->advertise,
        .dial = dial,
        .n_dial = n,
        .lease_ms = (uint32_t)config->lease_ms,
        .heartbeat_ms = (uint32_t)(config->lease_ms / 3),
        .max_call_bytes = HUB_CALL_BYTES,
        .window = {.max_record = (size_t)config->max_packet_size + RECORD_ROOM},
        .tls_ca = config->common.cluster_ca,
        .tls_cert = config->common.cluster_cert,
        .tls_key = config->common.cluster_key,
    };
    enum err err = peers_new(hub->loop, &peers, &events, hub, &hub->peers);
    mem_free(dial);
    if (err == OK)
        peers_set_state(hub->peers, STATE_EXACT);
    return err;
}

static struct flaps *
open_flaps(const struct gateway_config *config)
{
    struct flaps_settings settings = {.count = config->flap_count,
                                      .window_ms = config->flap_window_ms,
                                      .ban_ms = config->flap_ban_ms};
    crypt_random(&settings.key, sizeof(settings.key));
    return flaps_new(&settings);
}

enum err
hub_open(struct hub *hub)
{
    /* Before the hook of peers: what a turn appends and declares done leaves with that turn. */
    enum err err;
    loop_on_turn(hub->loop, on_turn, hub);
    err = open_peers(hub);
    if (err != OK) {
        loop_on_turn_remove(hub->loop, on_turn, hub);
        return err;
    }
    hub->core = core_link_new(hub);
    hub->store = store_link_new(hub);
    hub->sign_in = sign_in_new(hub);
    hub->flaps = open_flaps(hub->config);
    hub->sys = hub_sys_new(hub);
    hub->admin = hub_admin_new(hub);
    hub->started_ms = clock_monotonic_ms();
    loop_timer_start(&hub->tick, HUB_TICK_MS, false);
    log_info("hub_open", LOG_STR("name", hub->name),
             LOG_HEX("incarnation", peers_incarnation(hub->peers)),
             LOG_U64("feed_port", peers_feed_port(hub->peers)), LOG_U64("workers", hub->workers),
             LOG_END);
    return OK;
}

void
hub_close(struct hub *hub)
{
    if (hub->peers == NULL)
        return;
    (void)mailbox_drain(hub->mailbox);
    loop_on_turn_remove(hub->loop, on_turn, hub);
    loop_timer_stop(&hub->tick);
    peers_free(hub->peers);
    hub->peers = NULL;
    for (unsigned w = 0; w < hub->workers; w++)
        post_box_set(hub->box, w, NULL);
}

void
hub_free(struct hub *hub)
{
    if (hub == NULL)
        return;
    hub_close(hub);
    mailbox_free(hub->mailbox);
    loop_timer_fini(&hub->tick);
    core_link_free(hub->core);
    store_link_free(hub->store);
    sign_in_free(hub->sign_in);
    flaps_free(hub->flaps);
    hub_sys_free(hub->sys);
    hub_admin_free(hub->admin);
    barrier_free(hub->barrier);
    filters_free(hub->filters);
    shares_free(hub->shares);
    post_box_free(hub->box);
    while (hub->links != NULL) {
        struct hub_peer *next = hub->links->next;
        mem_free(hub->links);
        hub->links = next;
    }
    mem_free(hub);
}

/* ---- going down, and probes */

void
hub_drain(struct hub *hub, uint32_t spread_ms)
{
    struct post post = {.kind = POST_DRAIN, .aux = spread_ms};
    hub_post_to_all(hub, &post);
    loop_again(hub->loop);
}

bool
hub_is_drained(const struct hub *hub)
{
    return hub->drained == hub_post_all_workers(hub);
}

bool
hub_is_stuck(const struct hub *hub)
{
    return hub->stuck;
}

bool
hub_is_quiet(const struct hub *hub)
{
    return mailbox_count(hub->mailbox) == 0 && post_box_is_empty(hub->box) &&
           store_link_is_quiet(hub->store);
}

void
hub_stop_workers(struct hub *hub)
{
    struct post post = {.kind = POST_STOP};
    hub_post_to_all(hub, &post);
    (void)post_box_flush(hub->box);
}

void
hub_set_connections(struct hub *hub, uint64_t (*fn)(void *arg), void *arg)
{
    hub->connections = fn;
    hub->connections_arg = arg;
}

bool
hub_is_ready(const struct hub *hub)
{
    return !hub_admin_is_emptying(hub->admin) && core_link_serving_count(hub->core) > 0 &&
           store_link_is_ready(hub->store);
}

static void
one_peer(void *arg, struct peer *peer)
{
    struct buf *json = arg;
    struct slice text = buf_slice(json);
    bool first = text.len > 0 && text.data[text.len - 1] == '[';
    buf_append_cstr(json, first ? "{\"service\":" : ",{\"service\":");
    http_json_string(json, slice_cstr(peer_service(peer)));
    buf_append_cstr(json, ",\"name\":");
    http_json_string(json, slice_cstr(peer_name(peer)));
    buf_printf(json, ",\"up\":%s,\"serving\":%s}", peer_is_up(peer) ? "true" : "false",
               peer_is_up(peer) && (peer_state(peer) & STATE_SERVING) != 0 ? "true" : "false");
}

static void
one_shard(const struct store_link *link, unsigned shard, struct buf *json)
{
    struct store_link_info info = store_link_info(link, shard);
    buf_printf(json, "%s{\"shard\":%u,\"store\":", shard == 0 ? "" : ",", shard);
    http_json_string(json, slice_cstr(info.name));
    buf_printf(json, ",\"serving\":%s,\"held_bytes\":%zu}", info.serving ? "true" : "false",
               info.held_bytes);
}

bool
hub_health(const struct hub *hub, struct buf *json)
{
    bool holds = hub->hold != 0 || hub->hold_stores != 0;
    buf_append_cstr(json, ",\"name\":");
    http_json_string(json, slice_cstr(hub->name));
    buf_append_cstr(json, ",\"peers\":[");
    peers_each(hub->peers, one_peer, json);
    buf_printf(json,
               "],\"filters\":%zu,\"publishes_open\":%zu,\"calls_waiting\":%zu,\"held_bytes\":%zu",
               filters_count(hub->filters), core_link_open_tokens(hub->core),
               store_link_pending_count(hub->store), store_link_held_bytes(hub->store));
    buf_append_cstr(json, ",\"shards\":[");
    for (unsigned i = 0; i < store_link_count(hub->store); i++)
        one_shard(hub->store, i, json);
    buf_printf(json, "],\"holding\":%s", holds ? "true" : "false");
    return hub_is_ready(hub) && !holds &&
           store_link_serving_count(hub->store) == store_link_count(hub->store);
}
