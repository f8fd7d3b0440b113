/* SPDX-License-Identifier: Apache-2.0 */
/* A whole store with a made-up core and gateway on one loop, over real sockets on free ports. The
 * kit drives and remembers; what is right is asserted in the tests that include it. */
#ifndef SLUICE_TESTS_STORE_KIT_H
#define SLUICE_TESTS_STORE_KIT_H

#include "common/clock.h"
#include "common/cursor.h"
#include "common/log.h"
#include "common/loop.h"
#include "common/mem.h"
#include "common/peer.h"
#include "proto/calls.pb-c.h"
#include "proto/feed_records.h"
#include "proto/publish_record.h"
#include "proto/records.h"
#include "services/store/store.h"
#include "tests/unit/cunit_main.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define KIT_SECRET      "a secret of the tests"
#define KIT_PATIENCE_MS 60000u
#define KIT_SEEN_MAX    20000u

struct kit_seen {
    uint8_t type;
    uint8_t flags; /* of a delivery; reason of INBOUND_DONE and KICK */
    uint8_t id_count;
    uint32_t id; /* first subscription identifier */
    uint16_t packet_id;
    uint64_t conn;
    uint64_t seq;
    char payload[24];
};

struct kit_answer {
    bool done;
    enum err err;
    size_t len;
    uint8_t bytes[65536];
};

struct kit {
    struct loop *loop;
    char dir[64];
    char core_address[32];
    char store_call[32];
    char store_feed[32];
    char *cores[1];
    struct store_config config;
    struct store *store;
    /* the core */
    struct peers *core;
    struct peer *core_peer; /* the store, as the core sees it */
    bool core_silent;       /* answers no tokens */
    bool core_no_routes;    /* answers no routes */
    uint64_t core_done;     /* highest ticket the store is done with */
    unsigned routes, route_removes, resyncs;
    unsigned outbox_seen;
    uint8_t outbox_last[4096];
    size_t outbox_len;
    /* the gateway */
    struct peers *gateway;
    struct peer *gateway_peer;
    unsigned gateway_ups, core_ups;
    unsigned gateway_ups_wanted, core_ups_wanted;
    uint64_t gateway_done, gateway_sent;    /* tickets */
    void (*on_gateway_up)(struct kit *kit); /* announcements */
    struct kit_seen seen[KIT_SEEN_MAX];
    size_t seen_count;
    bool notes_access; /* also begin and end of what a new session is told about access */
    struct kit_answer answer;
};

static inline bool
kit_wait(struct kit *kit, bool (*done)(struct kit *kit))
{
    uint64_t end_ms = clock_monotonic_ms() + KIT_PATIENCE_MS;
    while (!done(kit)) {
        if (clock_monotonic_ms() > end_ms)
            return false;
        loop_run_once(kit->loop, true);
    }
    return true;
}

/* ---- the core */

static inline enum peer_keep
kit_core_up(void *arg, struct peer *peer, const struct peer_info *info)
{
    struct kit *kit = arg;
    (void)info;
    kit->core_peer = peer;
    kit->core_ups++;
    return PEER_DROP;
}

static inline void
kit_core_down(void *arg, struct peer *peer, enum err why)
{
    struct kit *kit = arg;
    (void)peer;
    (void)why;
    kit->core_peer = NULL;
}

static inline void
kit_core_token_done(struct kit *kit, uint64_t token)
{
    uint8_t body[RECORDS_TOKEN_DONE_BYTES];
    struct slice part = slice_of(body, records_token_done_encode(token, 1, body));
    CU_ASSERT_EQUAL(peer_append(kit->core_peer, FEED_CONTROL, FEED_TOKEN_DONE, &part, 1, NULL), OK);
}

static inline void
kit_core_record(void *arg, struct peer *peer, uint8_t type, struct slice body, uint64_t seq)
{
    struct kit *kit = arg;
    struct records_route_add add;
    struct publish_record record;
    (void)seq;
    if (type == FEED_ROUTE_ADD && records_route_add_decode(body, &add) == OK) {
        uint8_t ticket[8];
        struct slice part = slice_of(ticket, records_number_encode(add.ticket, ticket));
        kit->routes++;
        if (add.ticket != 0 && !kit->core_no_routes)
            CU_ASSERT_EQUAL(peer_append(peer, FEED_CONTROL, FEED_ROUTE_DONE, &part, 1, NULL), OK);
    } else if (type == FEED_ROUTE_REMOVE) {
        kit->route_removes++;
    } else if (type == FEED_RESYNC_END) {
        kit->resyncs++;
    } else if (type == FEED_PUBLISH && publish_record_decode(body, &record) == OK) {
        kit->outbox_seen++;
        kit->outbox_len = body.len < sizeof(kit->outbox_last) ? body.len : sizeof(kit->outbox_last);
        memcpy(kit->outbox_last, body.data, kit->outbox_len);
        if (record.token != 0 && !kit->core_silent)
            kit_core_token_done(kit, record.token);
    }
}

static inline void
kit_core_frame_end(void *arg, struct peer *peer, uint64_t seq)
{
    (void)arg;
    peer_done(peer, seq);
}

static inline void
kit_core_done(void *arg, struct peer *peer, uint64_t ticket)
{
    struct kit *kit = arg;
    (void)peer;
    kit->core_done = ticket;
}

/* ---- the gateway */

static inline enum peer_keep
kit_gateway_up(void *arg, struct peer *peer, const struct peer_info *info)
{
    struct kit *kit = arg;
    struct slice nothing = slice_of(NULL, 0);
    (void)info;
    kit->gateway_peer = peer;
    kit->gateway_ups++;
    if (kit->on_gateway_up != NULL)
        kit->on_gateway_up(kit);
    CU_ASSERT_EQUAL(peer_append(peer, FEED_CONTROL, FEED_RESYNC_END, &nothing, 1, NULL), OK);
    return PEER_KEEP;
}

static inline void
kit_gateway_down(void *arg, struct peer *peer, enum err why)
{
    struct kit *kit = arg;
    (void)peer;
    (void)why;
    kit->gateway_peer = NULL;
}

static inline struct kit_seen *
kit_note(struct kit *kit, uint8_t type)
{
    struct kit_seen *seen = &kit->seen[kit->seen_count % KIT_SEEN_MAX];
    kit->seen_count++;
    *seen = (struct kit_seen){.type = type};
    return seen;
}

static inline void
kit_note_deliver(struct kit *kit, struct slice body)
{
    struct records_deliver deliver;
    struct records_target target;
    struct publish_record record;
    if (records_deliver_decode(body, &deliver) != OK ||
        publish_record_decode(deliver.record, &record) != OK) {
        CU_FAIL("a delivery that cannot be decoded");
        return;
    }
    while (records_target_next(&deliver.targets, &target)) {
        struct kit_seen *seen = kit_note(kit, FEED_DELIVER);
        size_t len = record.payload.len < 23 ? record.payload.len : 23;
        seen->conn = target.conn;
        seen->seq = target.seq;
        seen->flags = target.flags;
        seen->id_count = target.id_count;
        seen->id = target.id_count != 0 ? records_target_id(&target, 0) : 0;
        if (len != 0)
            memcpy(seen->payload, record.payload.data, len);
    }
}

static inline void
kit_gateway_record(void *arg, struct peer *peer, uint8_t type, struct slice body, uint64_t seq)
{
    struct kit *kit = arg;
    struct records_session_kick kick;
    struct kit_seen *seen;
    (void)peer;
    (void)seq;
    switch (type) {
    case FEED_DELIVER:
        kit_note_deliver(kit, body);
        break;
    case FEED_QUEUE_RECORDED:
        seen = kit_note(kit, type);
        CU_ASSERT_EQUAL(records_queue_recorded_decode(body, &seen->conn, &seen->seq), OK);
        break;
    case FEED_INBOUND_DONE:
        seen = kit_note(kit, type);
        CU_ASSERT_EQUAL(
            records_inbound_done_decode(body, &seen->conn, &seen->packet_id, &seen->flags), OK);
        break;
    case FEED_INBOUND_RELEASED:
        seen = kit_note(kit, type);
        CU_ASSERT_EQUAL(records_inbound_released_decode(body, &seen->conn, &seen->packet_id), OK);
        break;
    case FEED_SESSION_KICK:
        seen = kit_note(kit, type);
        CU_ASSERT_EQUAL(records_session_kick_decode(body, &kick), OK);
        seen->conn = kick.conn;
        seen->flags = kick.reason;
        break;
    case FEED_USER_CHANGED:
        (void)kit_note(kit, type);
        break;
    case FEED_ROLE: {
        struct cursor c = cursor_of(body);
        uint8_t there = cursor_u8(&c);
        struct slice name = cursor_bytes16(&c), rules = cursor_rest(&c);
        seen = kit_note(kit, type);
        seen->flags = there;
        (void)str_format(seen->payload, sizeof(seen->payload), "%.*s=%.*s", (int)name.len,
                         (const char *)name.data, (int)rules.len, (const char *)rules.data);
        break;
    }
    case FEED_BAN:
        kit_note(kit, type)->flags = body.len > 0 ? body.data[0] : 0;
        break;
    case FEED_ACCESS_RESET:
    case FEED_ACCESS_END:
        if (kit->notes_access)
            (void)kit_note(kit, type);
        break;
    default:
        break;
    }
}

static inline void
kit_gateway_done(void *arg, struct peer *peer, uint64_t ticket)
{
    struct kit *kit = arg;
    (void)peer;
    kit->gateway_done = ticket;
}

/* ---- life */

static inline struct peers *
kit_peers(struct kit *kit, const char *service, const char *dial, const struct peers_events *events)
{
    struct peers_dial to = {"store", dial, false};
    struct peers_config config = {
        .service = service,
        .name = service,
        .version = "test",
        .secret = slice_cstr(KIT_SECRET),
        .call_listen = dial == NULL ? "127.0.0.1:0" : NULL,
        .feed_listen = "127.0.0.1:0",
        .dial = &to,
        .n_dial = dial != NULL ? 1 : 0,
        .lease_ms = 3000,
        .heartbeat_ms = 500,
    };
    struct peers *peers = NULL;
    CU_ASSERT_EQUAL_FATAL(peers_new(kit->loop, &config, events, kit, &peers), OK);
    return peers;
}

static inline void
kit_start_core(struct kit *kit)
{
    static const struct peers_events events = {
        .up = kit_core_up,
        .down = kit_core_down,
        .record = kit_core_record,
        .frame_end = kit_core_frame_end,
        .done = kit_core_done,
    };
    kit->core = kit_peers(kit, "core", NULL, &events);
    peers_set_state(kit->core, STATE_SERVING);
    (void)str_format(kit->core_address, sizeof(kit->core_address), "127.0.0.1:%u",
                     (unsigned)peers_call_port(kit->core));
    kit->cores[0] = kit->core_address;
}

static inline void
kit_start_gateway(struct kit *kit)
{
    static const struct peers_events events = {
        .up = kit_gateway_up,
        .down = kit_gateway_down,
        .record = kit_gateway_record,
        .frame_end = kit_core_frame_end,
        .done = kit_gateway_done,
    };
    kit->gateway = kit_peers(kit, "gateway", kit->store_call, &events);
}

static inline bool
kit_is_started(struct kit *kit)
{
    return kit->store->started;
}

static inline void
kit_start_store(struct kit *kit)
{
    CU_ASSERT_EQUAL_FATAL(store_new(&kit->config, kit->loop, &kit->store), OK);
    CU_ASSERT_TRUE_FATAL(kit_wait(kit, kit_is_started));
    (void)str_format(kit->store_call, sizeof(kit->store_call), "127.0.0.1:%u",
                     (unsigned)peers_call_port(kit->store->peers));
    (void)str_format(kit->store_feed, sizeof(kit->store_feed), "127.0.0.1:%u",
                     (unsigned)peers_feed_port(kit->store->peers));
    kit->config.call_listen = kit->store_call;
    kit->config.feed_listen = kit->store_feed;
}

static inline bool
kit_is_up(struct kit *kit)
{
    return kit->store->serving && kit->gateway_peer != NULL && kit->core_peer != NULL &&
           kit->gateway_ups >= kit->gateway_ups_wanted && kit->core_ups >= kit->core_ups_wanted &&
           (peer_state(kit->gateway_peer) & STATE_SERVING) != 0;
}

static inline struct kit *
kit_new(void)
{
    static char listen[] = "127.0.0.1:0";
    static char secret[] = KIT_SECRET;
    static char nothing[] = "";
    static char embedded[] = "embedded";
    static char bind[] = "127.0.0.1";
    struct kit *kit = mem_zalloc(sizeof(*kit));
    log_set_level(LOG_LEVEL_ERROR);
    kit->loop = loop_new();
    (void)str_format(kit->dir, sizeof(kit->dir), "/tmp/sluice-store-test-XXXXXX");
    CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(kit->dir));
    kit_start_core(kit);
    kit->config = (struct store_config){
        .common = {.http_bind = bind,
                   .cluster_secret = secret,
                   .cluster_ca = nothing,
                   .cluster_cert = nothing,
                   .cluster_key = nothing,
                   .instance = nothing},
        .call_listen = listen,
        .feed_listen = listen,
        .advertise = nothing,
        .cores = {kit->cores, 1},
        .driver = embedded,
        .driver_people = nothing,
        .driver_retained = nothing,
        .driver_sessions = nothing,
        .shard = nothing,
        .shards = 1,
        .data_dir = kit->dir,
        .data_max = 1u << 30,
        .lease_ms = 3000,
        .sessions_max = 100000,
        .subscriptions_max = 1000,
        .filters_max = 100000,
        .persistent_max = 100000,
        .queue_total_bytes = UINT64_MAX / 2,
        .retained_max = 100000,
        .retained_max_bytes = UINT64_MAX / 2,
        .queue_messages = 100000,
        .queue_bytes = 64u << 20,
        .max_inflight = 1000,
        .read_threads = 2,
        .verify_threads = 2,
        .audit_max = 100,
        .max_record = 1u << 20,
    };
    kit_start_store(kit);
    kit_start_gateway(kit);
    CU_ASSERT_TRUE_FATAL(kit_wait(kit, kit_is_up));
    return kit;
}

static inline void
kit_restart_store(struct kit *kit)
{
    kit->gateway_ups_wanted = kit->gateway_ups + 1;
    kit->core_ups_wanted = kit->core_ups + 1;
    store_free(kit->store);
    kit_start_store(kit);
    CU_ASSERT_TRUE_FATAL(kit_wait(kit, kit_is_up));
}

static inline void
kit_free(struct kit *kit)
{
    char command[128];
    peers_free(kit->gateway);
    store_free(kit->store);
    peers_free(kit->core);
    loop_free(kit->loop);
    (void)str_format(command, sizeof(command), "rm -rf '%s'", kit->dir);
    CU_ASSERT_EQUAL(system(command), 0);
    mem_free(kit);
}

/* ---- calls */

static inline void
kit_answered(void *arg, enum err err, struct slice reply)
{
    struct kit *kit = arg;
    kit->answer.done = true;
    kit->answer.err = err;
    kit->answer.len = reply.len < sizeof(kit->answer.bytes) ? reply.len : 0;
    if (kit->answer.len != 0)
        memcpy(kit->answer.bytes, reply.data, kit->answer.len);
}

static inline bool
kit_has_answer(struct kit *kit)
{
    return kit->answer.done;
}

/* Sends the call; the answer is in kit->answer. */
static inline enum err
kit_call(struct kit *kit, uint16_t method, const void *message)
{
    uint8_t bytes[65536];
    size_t len = protobuf_c_message_pack(message, bytes);
    uint32_t id;
    kit->answer.done = false;
    CU_ASSERT_EQUAL_FATAL(
        peer_call(kit->gateway_peer, method, slice_of(bytes, len), 15000, kit_answered, kit, &id),
        OK);
    CU_ASSERT_TRUE_FATAL(kit_wait(kit, kit_has_answer));
    return kit->answer.err;
}

static inline void
kit_send(struct kit *kit, uint8_t type, const void *body, size_t len)
{
    struct slice part = slice_of(body, len);
    CU_ASSERT_EQUAL_FATAL(
        peer_append(kit->gateway_peer, FEED_DATA, type, &part, 1, &kit->gateway_sent), OK);
}

static inline bool
kit_is_synced(struct kit *kit)
{
    return kit->gateway_done >= kit->gateway_sent;
}

/* Waits until the store is done with all that was sent. */
static inline void
kit_sync(struct kit *kit)
{
    CU_ASSERT_TRUE(kit_wait(kit, kit_is_synced));
}

#endif
