/* SPDX-License-Identifier: Apache-2.0 */
/* The whole hub against a core and a store made of common/peer, and two workers made of mailboxes, all on
 * one loop, over loopback sockets on free ports. Everything is waited for by condition. */
#include "services/gateway/hub.h"
#include "tests/unit/cunit_main.h"

#include "common/clock.h"
#include "common/log.h"
#include "common/loop.h"
#include "common/mailbox.h"
#include "common/mem.h"
#include "common/metrics.h"
#include "common/peer.h"
#include "proto/calls.pb-c.h"
#include "proto/records.h"
#include "services/gateway/post_body.h"

#define POSTS   256
#define RECORDS 256
#define CONN(worker, slot) ((uint64_t)(worker) << 56 | UINT64_C(1) << 32 | (slot))

struct fake_worker {
    struct mailbox *mailbox;
    uint8_t index;
    bool acks; /* acknowledges places at once */
    struct post posts[POSTS];
    size_t count;
};

struct fake_record {
    uint8_t type;
    uint8_t *body;
    size_t len;
};

struct fake_peer {
    struct peers *peers;
    struct peer *gateway;
    struct fake_record records[RECORDS];
    size_t count;
    unsigned calls;
    bool is_core;
    bool marks_done;
    uint64_t seen;
};

static struct loop *loop;
static struct metrics *metrics;
static struct hub *hub;
static struct gateway_config config;
static struct fake_worker workers[2];
static struct fake_peer core, store;
static char *core_address, *store_address;

/* ---- fake workers */

static void
to_hub(uint8_t worker, struct post post)
{
    post.worker = worker;
    CU_ASSERT(mailbox_post(hub_mailbox(hub), &post) == OK);
}

static void
announce(struct fake_worker *worker, uint64_t store_index)
{
    const struct session_open_request open = {.conn = CONN(worker->index, 9), .client_id = slice_cstr("held")};
    struct session_announcement *one = session_announcement_new(session_open_request_new(&open), 77, 78, 5);
    to_hub(worker->index, (struct post){.kind = POST_ANNOUNCEMENT, .a = store_index, .body = one});
    to_hub(worker->index, (struct post){.kind = POST_ANNOUNCEMENT, .a = store_index});
}

static void
worker_takes(void *arg, void *item)
{
    struct fake_worker *worker = arg;
    struct post *post = item;
    if (post->kind == POST_ANNOUNCE)
        announce(worker, post->a);
    if (worker->acks && (post->kind == POST_PLACE_ADD || post->kind == POST_PLACE_REMOVE))
        to_hub(worker->index, (struct post){.kind = POST_PLACE_ACK, .a = post->a});
    if (worker->count < POSTS)
        worker->posts[worker->count++] = *post;
    else
        post_body_free(post);
}

static struct post *
got(unsigned worker, uint8_t kind)
{
    for (size_t i = 0; i < workers[worker].count; i++)
        if (workers[worker].posts[i].kind == kind)
            return &workers[worker].posts[i];
    return NULL;
}

static void
forget_posts(void)
{
    for (unsigned w = 0; w < 2; w++) {
        for (size_t i = 0; i < workers[w].count; i++)
            post_body_free(&workers[w].posts[i]);
        workers[w].count = 0;
    }
}

/* ---- fake core and store */

static enum peer_keep
fake_up(void *arg, struct peer *peer, const struct peer_info *info)
{
    struct fake_peer *fake = arg;
    (void)info;
    fake->gateway = peer;
    fake->seen = 0;
    if (fake->is_core) {
        uint8_t version[8];
        struct slice part = slice_of(version, records_number_encode(1, version));
        CU_ASSERT(peer_append(peer, FEED_CONTROL, FEED_DIGEST_RESET, &part, 1, NULL) == OK);
        CU_ASSERT(peer_append(peer, FEED_CONTROL, FEED_RESYNC_END, NULL, 0, NULL) == OK);
    }
    return PEER_DROP;
}

static void
fake_down(void *arg, struct peer *peer, enum err why)
{
    struct fake_peer *fake = arg;
    (void)peer;
    (void)why;
    fake->gateway = NULL;
}

static void
fake_takes(void *arg, struct peer *peer, uint8_t type, struct slice body, uint64_t seq)
{
    struct fake_peer *fake = arg;
    (void)peer;
    (void)seq;
    if (fake->count < RECORDS)
        fake->records[fake->count++] = (struct fake_record){type, mem_dup(body.data, body.len), body.len};
}

static void
fake_frame_end(void *arg, struct peer *peer, uint64_t seq)
{
    struct fake_peer *fake = arg;
    fake->seen = seq;
    if (fake->marks_done)
        peer_done(peer, seq);
}

static void
answer_open(struct fake_peer *fake, struct call_request request, struct slice body)
{
    uint8_t room[512];
    Sluice__SessionOpen *open = sluice__session_open__unpack(NULL, body.len, body.data);
    Sluice__SessionOpened opened;
    sluice__session_opened__init(&opened);
    CU_ASSERT_FATAL(open != NULL);
    opened.session = 1000 + open->conn % 1000;
    opened.epoch = 2;
    opened.client_id = open->client_id;
    size_t len = sluice__session_opened__pack(&opened, room);
    peers_reply(fake->peers, request, OK, slice_of(room, len));
    sluice__session_open__free_unpacked(open, NULL);
}

static void
fake_call(void *arg, struct peer *peer, struct call_request request, uint16_t method, struct slice body)
{
    struct fake_peer *fake = arg;
    (void)peer;
    fake->calls++;
    if (method == CALL_SESSION_OPEN) {
        answer_open(fake, request, body);
    } else if (method == CALL_SESSION_SUBSCRIBE) {
        uint8_t room[64];
        uint32_t reasons[1] = {1};
        Sluice__SessionSubscribed answer = SLUICE__SESSION_SUBSCRIBED__INIT;
        answer.n_reasons = 1;
        answer.reasons = reasons;
        peers_reply(fake->peers, request, OK, slice_of(room, sluice__session_subscribed__pack(&answer, room)));
    } else {
        peers_reply(fake->peers, request, ERR_DENIED, slice_of(NULL, 0));
    }
}

static uint16_t
fake_open(struct fake_peer *fake, bool is_core, uint16_t port)
{
    static const struct peers_events events = {.up = fake_up,
                                               .down = fake_down,
                                               .record = fake_takes,
                                               .frame_end = fake_frame_end,
                                               .call = fake_call};
    char listen[32];
    (void)str_format(listen, sizeof(listen), "127.0.0.1:%u", port);
    const struct peers_config peers = {.service = is_core ? "core" : "store",
                                       .name = is_core ? "core-1" : "store-1",
                                       .version = "1",
                                       .secret = slice_cstr("a secret of sixteen"),
                                       .call_listen = listen,
                                       .feed_listen = "127.0.0.1:0"};
    *fake = (struct fake_peer){.is_core = is_core, .marks_done = true};
    CU_ASSERT_FATAL(peers_new(loop, &peers, &events, fake, &fake->peers) == OK);
    peers_set_state(fake->peers, STATE_SERVING);
    return peers_call_port(fake->peers);
}

static void
fake_close(struct fake_peer *fake)
{
    peers_free(fake->peers);
    for (size_t i = 0; i < fake->count; i++)
        mem_free(fake->records[i].body);
    fake->count = 0;
    fake->peers = NULL;
    fake->gateway = NULL;
}

static const struct fake_record *
told(const struct fake_peer *fake, uint8_t type)
{
    for (size_t i = 0; i < fake->count; i++)
        if (fake->records[i].type == type)
            return &fake->records[i];
    return NULL;
}

/* ---- the stage */

#define WAIT_FOR(condition)                                                                                  \
    do {                                                                                                     \
        uint64_t until_ = clock_monotonic_ms() + 20000;                                                      \
        while (!(condition) && clock_monotonic_ms() < until_)                                                \
            loop_run_once(loop, true);                                                                       \
        CU_ASSERT_FATAL(condition);                                                                          \
    } while (0)

static char *
address_of(uint16_t port)
{
    char text[32];
    (void)str_format(text, sizeof(text), "127.0.0.1:%u", port);
    return mem_strdup(text);
}

static void
set_stage(void)
{
    log_set_level(LOG_LEVEL_ERROR);
    loop = loop_new();
    metrics = metrics_new();
    core_address = address_of(fake_open(&core, true, 0));
    store_address = address_of(fake_open(&store, false, 0));
    static char instance[] = "gw", secret[] = "a secret of sixteen", listen[] = "127.0.0.1:0", none[] = "";
    config = (struct gateway_config){.cores = {&core_address, 1},
                                     .stores = {&store_address, 1},
                                     .feed_listen = listen,
                                     .advertise = none,
                                     .lease_ms = 3000,
                                     .filters_max = 1000,
                                     .tokens_max = 1000,
                                     .tokens_size = 1048576,
                                     .max_packet_size = 1048576};
    config.common.instance = instance;
    config.common.cluster_secret = secret;
    config.common.cluster_ca = config.common.cluster_cert = config.common.cluster_key = none;
    hub = hub_new(loop, &config, 2, metrics);
    for (uint8_t w = 0; w < 2; w++) {
        workers[w] = (struct fake_worker){.index = w, .acks = true};
        workers[w].mailbox = mailbox_new(loop, sizeof(struct post), 1000, worker_takes, &workers[w]);
        hub_set_worker(hub, w, workers[w].mailbox);
    }
    CU_ASSERT_FATAL(hub_open(hub) == OK);
}

static void
set_ready_stage(void)
{
    set_stage();
    WAIT_FOR(hub_is_ready(hub) && got(0, POST_DIGEST_VALID) != NULL && got(1, POST_DIGEST_VALID) != NULL);
    forget_posts();
}

static void
clear_stage(void)
{
    hub_close(hub);
    forget_posts();
    for (unsigned w = 0; w < 2; w++)
        mailbox_free(workers[w].mailbox);
    hub_free(hub);
    if (core.peers != NULL)
        fake_close(&core);
    if (store.peers != NULL)
        fake_close(&store);
    loop_free(loop);
    metrics_free(metrics);
    mem_free(core_address);
    mem_free(store_address);
}

static size_t
encode_publish(uint8_t *out, uint64_t token, uint8_t qos, const char *topic)
{
    const struct publish_record record = {.origin = 99, .token = token, .floor = token != 0, .qos = qos, .topic = slice_cstr(topic)};
    return publish_record_encode_head(&record, out);
}

/* ---- cases */

static void
announcements_come_before_the_end_of_the_resync(void)
{
    set_ready_stage();
    WAIT_FOR(told(&store, FEED_RESYNC_END) != NULL);
    CU_ASSERT(store.count == 3);
    CU_ASSERT(store.records[0].type == FEED_SESSION_ANNOUNCE && store.records[1].type == FEED_SESSION_ANNOUNCE);
    CU_ASSERT(store.records[2].type == FEED_RESYNC_END);
    Sluice__SessionAnnounce *one =
        sluice__session_announce__unpack(NULL, store.records[0].len, store.records[0].body);
    CU_ASSERT_FATAL(one != NULL && one->open != NULL);
    CU_ASSERT(one->session == 77 && one->epoch == 78 && one->last_seq == 5 && one->open->client_id.len == 4);
    sluice__session_announce__free_unpacked(one, NULL);
    clear_stage();
}

static void
open_is_answered_by_the_store(void)
{
    set_ready_stage();
    const struct session_open_request request = {.client_id = slice_cstr("c"), .version = 5};
    to_hub(1, (struct post){.kind = POST_OPEN, .conn = CONN(1, 4), .body = session_open_request_new(&request)});
    WAIT_FOR(got(1, POST_OPENED) != NULL);
    const struct post *post = got(1, POST_OPENED);
    const struct session_opened *opened = post->body;
    CU_ASSERT(post->conn == CONN(1, 4) && opened->reason == 0 && opened->epoch == 2);
    CU_ASSERT(slice_equal_cstr(opened->client_id, "c"));
    CU_ASSERT_PTR_NULL(got(0, POST_OPENED));
    clear_stage();
}

static void
open_waits_for_a_store_that_is_away(void)
{
    set_ready_stage();
    uint16_t port = peers_call_port(store.peers);
    fake_close(&store);
    const struct session_open_request request = {.client_id = slice_cstr("c"), .version = 5};
    to_hub(0, (struct post){.kind = POST_OPEN, .conn = CONN(0, 4), .body = session_open_request_new(&request)});
    for (int i = 0; i < 5; i++)
        loop_run_once(loop, true);
    CU_ASSERT_PTR_NULL(got(0, POST_OPENED));
    (void)fake_open(&store, false, port);
    WAIT_FOR(got(0, POST_OPENED) != NULL);
    const struct session_opened *opened = got(0, POST_OPENED)->body;
    CU_ASSERT(opened->reason == 0 && opened->session == 1000 + CONN(0, 4) % 1000);
    clear_stage();
}

static void
subscribe_and_refused_call_are_answered(void)
{
    set_ready_stage();
    struct session_subscription one = {.filter = slice_cstr("a"), .qos = 1};
    const struct subscribe_request request = {.session = 1, .epoch = 1, .count = 1, .subscriptions = &one};
    to_hub(0, (struct post){.kind = POST_SUBSCRIBE, .conn = CONN(0, 1), .a = 5, .body = subscribe_request_new(&request)});
    to_hub(0, (struct post){.kind = POST_UNSUBSCRIBE, .conn = CONN(0, 1), .a = 6, .body = subscribe_request_new(&request)});
    WAIT_FOR(got(0, POST_SUBSCRIBED) != NULL && got(0, POST_UNSUBSCRIBED) != NULL);
    const struct subscribe_answer *answer = got(0, POST_SUBSCRIBED)->body;
    CU_ASSERT(got(0, POST_SUBSCRIBED)->a == 5 && answer->count == 1 && answer->reasons[0] == 1);
    CU_ASSERT(got(0, POST_UNSUBSCRIBED)->aux == ERR_DENIED && got(0, POST_UNSUBSCRIBED)->body == NULL);
    clear_stage();
}

static void
filter_is_ready_when_the_other_worker_and_the_core_have_it(void)
{
    set_ready_stage();
    workers[1].acks = false;
    to_hub(0, (struct post){.kind = POST_FILTER_ADD, .a = 8, .body = post_filter_new(slice_cstr("a/#"))});
    WAIT_FOR(told(&core, FEED_ROUTE_ADD) != NULL && got(1, POST_PLACE_ADD) != NULL);
    const struct post *place = got(1, POST_PLACE_ADD);
    CU_ASSERT(place->flags == 0 && slice_equal_cstr(post_filter_slice(place->body), "a/#"));
    CU_ASSERT_PTR_NULL(got(0, POST_PLACE_ADD));
    const struct fake_record *route = told(&core, FEED_ROUTE_ADD);
    CU_ASSERT(peer_append(core.gateway, FEED_CONTROL, FEED_ROUTE_DONE, &(struct slice){route->body, 8}, 1, NULL) == OK);
    for (int i = 0; i < 20; i++)
        loop_run_once(loop, true);
    CU_ASSERT_PTR_NULL(got(0, POST_FILTER_READY));
    to_hub(1, (struct post){.kind = POST_PLACE_ACK, .a = place->a});
    WAIT_FOR(got(0, POST_FILTER_READY) != NULL);
    CU_ASSERT(got(0, POST_FILTER_READY)->a == 8 && got(0, POST_FILTER_READY)->aux == OK);
    to_hub(0, (struct post){.kind = POST_FILTER_REMOVE, .body = post_filter_new(slice_cstr("a/#"))});
    WAIT_FOR(told(&core, FEED_ROUTE_REMOVE) != NULL && got(1, POST_PLACE_REMOVE) != NULL);
    clear_stage();
}

static void
message_goes_to_the_worker_that_wants_it_once(void)
{
    uint8_t bytes[100];
    set_ready_stage();
    to_hub(1, (struct post){.kind = POST_FILTER_ADD, .body = post_filter_new(slice_cstr("t/+"))});
    WAIT_FOR(told(&core, FEED_ROUTE_ADD) != NULL);
    for (unsigned i = 0; i < 2; i++) {
        struct slice part = slice_of(bytes, encode_publish(bytes, 5, 1, "t/1"));
        CU_ASSERT(peer_append(core.gateway, FEED_DATA, FEED_PUBLISH, &part, 1, NULL) == OK);
    }
    struct slice bad = slice_of(bytes, 20);
    CU_ASSERT(peer_append(core.gateway, FEED_DATA, FEED_PUBLISH, &bad, 1, NULL) == OK);
    struct slice last = slice_of(bytes, encode_publish(bytes, 6, 1, "t/2"));
    CU_ASSERT(peer_append(core.gateway, FEED_DATA, FEED_PUBLISH, &last, 1, NULL) == OK);
    size_t before = workers[1].count;
    WAIT_FOR(workers[1].count >= before + 2);
    const struct post *one = &workers[1].posts[before], *two = one + 1;
    CU_ASSERT(one->kind == POST_MESSAGE && slice_equal_cstr(message_topic(one->body), "t/1"));
    CU_ASSERT(two->kind == POST_MESSAGE && slice_equal_cstr(message_topic(two->body), "t/2"));
    CU_ASSERT_PTR_NULL(got(0, POST_MESSAGE));
    WAIT_FOR(peer_feed_stats(core.gateway)->used_bytes == 0);
    clear_stage();
}

static void
publish_is_answered_when_the_core_has_answered(void)
{
    uint8_t done[9];
    set_ready_stage();
    const struct publish_record record = {.qos = 1, .topic = slice_cstr("x"), .payload = slice_cstr("pay")};
    to_hub(0, (struct post){.kind = POST_PUBLISH, .conn = CONN(0, 2), .a = 44, .body = message_new(&record)});
    WAIT_FOR(told(&core, FEED_PUBLISH) != NULL);
    const struct fake_record *out = told(&core, FEED_PUBLISH);
    struct publish_record seen;
    CU_ASSERT_FATAL(publish_record_decode(slice_of(out->body, out->len), &seen) == OK);
    CU_ASSERT(seen.token == 1 && seen.qos == 1 && slice_equal_cstr(seen.payload, "pay"));
    struct slice part = slice_of(done, records_token_done_encode(seen.token, RECORDS_TOKEN_WANTED, done));
    CU_ASSERT(peer_append(core.gateway, FEED_CONTROL, FEED_TOKEN_DONE, &part, 1, NULL) == OK);
    WAIT_FOR(got(0, POST_TOKEN_DONE) != NULL);
    const struct post *post = got(0, POST_TOKEN_DONE);
    CU_ASSERT(post->conn == CONN(0, 2) && post->a == 44 && post->flags == 1);
    clear_stage();
}

static uint64_t
highest_ack(void)
{
    uint64_t highest = 0, version = 0;
    for (size_t i = 0; i < core.count; i++) {
        const struct fake_record *record = &core.records[i];
        if (record->type == FEED_DIGEST_ACK &&
            records_number_decode(slice_of(record->body, record->len), &version) == OK && version > highest)
            highest = version;
    }
    return highest;
}

static void
digest_is_acknowledged_when_every_worker_has_it(void)
{
    uint8_t version[8];
    set_ready_stage();
    workers[0].acks = false;
    struct slice parts[2] = {{version, records_digest_encode(2, version)}, slice_cstr("d/#")};
    CU_ASSERT(peer_append(core.gateway, FEED_CONTROL, FEED_DIGEST_ADD, parts, 2, NULL) == OK);
    WAIT_FOR(got(0, POST_PLACE_ADD) != NULL && got(1, POST_PLACE_ADD) != NULL);
    CU_ASSERT(got(0, POST_PLACE_ADD)->flags == PLACE_REMOTE);
    for (int i = 0; i < 20; i++)
        loop_run_once(loop, true);
    CU_ASSERT(highest_ack() < 2);
    to_hub(0, (struct post){.kind = POST_PLACE_ACK, .a = got(0, POST_PLACE_ADD)->a});
    WAIT_FOR(highest_ack() == 2);
    clear_stage();
}

static void
store_records_reach_the_worker_of_the_connection(void)
{
    uint8_t head[64], publish[100];
    const uint32_t ids[1] = {12};
    set_ready_stage();
    size_t len = records_deliver_encode(3, head);
    len += records_target_encode(CONN(0, 1), 7, 1, ids, 1, head + len);
    len += records_target_encode(CONN(1, 1), 8, 2 | DELIVER_DUP, NULL, 0, head + len);
    len += records_target_encode(CONN(40, 1), 9, 1, NULL, 0, head + len); /* no such worker */
    struct slice parts[2] = {{head, len}, {publish, encode_publish(publish, 0, 2, "q")}};
    CU_ASSERT(peer_append(store.gateway, FEED_DATA, FEED_DELIVER, parts, 2, NULL) == OK);
    const struct records_session_kick kick = {.conn = CONN(1, 3), .session = 5, .epoch = 6, .reason = 0x8E};
    uint8_t bytes[RECORDS_SESSION_KICK_BYTES];
    struct slice part = slice_of(bytes, records_session_kick_encode(&kick, bytes));
    CU_ASSERT(peer_append(store.gateway, FEED_CONTROL, FEED_SESSION_KICK, &part, 1, NULL) == OK);
    uint8_t done[RECORDS_INBOUND_DONE_BYTES];
    part = slice_of(done, records_inbound_done_encode(CONN(0, 1), 9, 0x10, done));
    CU_ASSERT(peer_append(store.gateway, FEED_CONTROL, FEED_INBOUND_DONE, &part, 1, NULL) == OK);
    part = slice_cstr("ann");
    CU_ASSERT(peer_append(store.gateway, FEED_CONTROL, FEED_USER_CHANGED, &part, 1, NULL) == OK);
    WAIT_FOR(got(0, POST_USER_CHANGED) != NULL && got(1, POST_USER_CHANGED) != NULL);
    const struct post *a = got(0, POST_DELIVER), *b = got(1, POST_DELIVER);
    CU_ASSERT_FATAL(a != NULL && b != NULL);
    const struct delivery *first = a->body, *second = b->body;
    CU_ASSERT(a->a == 7 && a->flags == 1 && first->identifier_count == 1 && first->identifiers[0] == 12);
    CU_ASSERT(b->a == 8 && b->flags == (2 | DELIVER_DUP) && second->identifier_count == 0);
    CU_ASSERT_PTR_EQUAL(first->message, second->message);
    CU_ASSERT(got(1, POST_KICK)->flags == 0x8E && got(1, POST_KICK)->a == 5 && got(1, POST_KICK)->b == 6);
    CU_ASSERT(got(0, POST_INBOUND_DONE)->aux == 9 && got(0, POST_INBOUND_DONE)->flags == 0x10);
    clear_stage();
}

static void
records_that_a_lost_store_had_not_finished_come_again_after_the_resync(void)
{
    set_ready_stage();
    uint16_t port = peers_call_port(store.peers);
    WAIT_FOR(told(&store, FEED_RESYNC_END) != NULL && hub_is_quiet(hub));
    store.marks_done = false;
    to_hub(0, (struct post){.kind = POST_QUEUE_ACK, .a = 1, .b = 2, .c = 3});
    WAIT_FOR(told(&store, FEED_QUEUE_ACK) != NULL);
    fake_close(&store);
    to_hub(0, (struct post){.kind = POST_CLOSE, .a = 4, .b = 5, .flags = CLOSE_WILL});
    (void)fake_open(&store, false, port);
    WAIT_FOR(told(&store, FEED_SESSION_CLOSE) != NULL);
    CU_ASSERT_EQUAL_FATAL(store.count, 5);
    CU_ASSERT(store.records[2].type == FEED_RESYNC_END);
    CU_ASSERT(store.records[3].type == FEED_QUEUE_ACK && store.records[4].type == FEED_SESSION_CLOSE);
    WAIT_FOR(hub_is_quiet(hub));
    clear_stage();
}

static const struct cunit_case cases[] = {
    CUNIT_CASE(announcements_come_before_the_end_of_the_resync),
    CUNIT_CASE(open_is_answered_by_the_store),
    CUNIT_CASE(open_waits_for_a_store_that_is_away),
    CUNIT_CASE(subscribe_and_refused_call_are_answered),
    CUNIT_CASE(filter_is_ready_when_the_other_worker_and_the_core_have_it),
    CUNIT_CASE(message_goes_to_the_worker_that_wants_it_once),
    CUNIT_CASE(publish_is_answered_when_the_core_has_answered),
    CUNIT_CASE(digest_is_acknowledged_when_every_worker_has_it),
    CUNIT_CASE(store_records_reach_the_worker_of_the_connection),
    CUNIT_CASE(records_that_a_lost_store_had_not_finished_come_again_after_the_resync),
};
CUNIT_MAIN("hub", cases)
