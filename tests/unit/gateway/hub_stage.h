/* SPDX-License-Identifier: Apache-2.0 */
/* The stage of hub_test.c: a core and a store made of common/peer, and two workers made of
 * mailboxes, all on the hub's loop. They answer what a real one would and note what they were told;
 * no case is here. */
#ifndef SLUICE_TESTS_UNIT_GATEWAY_HUB_STAGE_H
#define SLUICE_TESTS_UNIT_GATEWAY_HUB_STAGE_H

#include "services/gateway/hub.h"
#include "tests/unit/cunit_main.h"

#include "common/clock.h"
#include "common/log.h"
#include "common/loop.h"
#include "common/mailbox.h"
#include "common/mem.h"
#include "common/metrics.h"
#include "common/peer.h"
#include "proto/access.pb-c.h"
#include "proto/calls.pb-c.h"
#include "proto/records.h"
#include "proto/shards.h"
#include "services/gateway/post_access.h"
#include "services/gateway/post_body.h"

#include <string.h>

#define POSTS              256
#define RECORDS            256
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
    unsigned calls, ups;
    bool is_core;
    bool marks_done;
    uint64_t seen;
};

static struct loop *loop;
static struct metrics *metrics;
static struct hub *hub;
static struct gateway_config config;
static struct fake_worker workers[2];
static struct fake_peer core, store, other_store;
static char *core_addresses[2], *store_addresses[2]; /* the second core is never there */
static size_t core_count = 1, store_count = 1;       /* the second store is not there at first */
static uint16_t other_port;
static struct shard_claim claims[2]; /* of store and other_store */

/* What the store knows of people: one user, with any name. */
static struct people {
    const char *password;
    uint64_t revision;
    unsigned with_password, by_name; /* questions */
    bool is_gone, is_silent;
    struct call_request waiting; /* the one that was not answered */
} people;

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
    const struct session_open_request open = {.conn = CONN(worker->index, 9),
                                              .client_id = slice_cstr("held")};
    struct session_announcement *one =
        session_announcement_new(session_open_request_new(&open), 77, 78, 5);
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
    fake->ups++;
    fake->seen = 0;
    if (fake->is_core) {
        uint8_t version[8];
        struct slice part = slice_of(version, records_number_encode(1, version));
        CU_ASSERT(peer_append(peer, FEED_CONTROL, FEED_DIGEST_RESET, &part, 1, NULL) == OK);
        CU_ASSERT(peer_append(peer, FEED_CONTROL, FEED_RESYNC_END, NULL, 0, NULL) == OK);
    } else {
        CU_ASSERT(peer_append(peer, FEED_CONTROL, FEED_ACCESS_RESET, NULL, 0, NULL) == OK);
        CU_ASSERT(peer_append(peer, FEED_CONTROL, FEED_ACCESS_END, NULL, 0, NULL) == OK);
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
        fake->records[fake->count++] =
            (struct fake_record){type, mem_dup(body.data, body.len), body.len};
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
answer_sign_in(struct fake_peer *fake, struct call_request request, const Sluice__SignIn *ask)
{
    uint8_t room[512];
    Sluice__SignedIn answer = SLUICE__SIGNED_IN__INIT;
    Sluice__Access access = SLUICE__ACCESS__INIT;
    static char rules[] = "allow all #";
    answer.known = !people.is_gone;
    if (!ask->verified &&
        !slice_equal_cstr(slice_of(ask->password.data, ask->password.len), people.password))
        answer.reason = 0x86;
    access.rules = rules;
    access.revision = people.revision;
    if (answer.known)
        answer.access = &access;
    peers_reply(fake->peers, request, OK, slice_of(room, sluice__signed_in__pack(&answer, room)));
}

static void
take_sign_in(struct fake_peer *fake, struct call_request request, struct slice body)
{
    Sluice__SignIn *ask = sluice__sign_in__unpack(NULL, body.len, body.data);
    CU_ASSERT_FATAL(ask != NULL);
    (*(ask->verified ? &people.by_name : &people.with_password))++;
    if (people.is_silent)
        people.waiting = request;
    else
        answer_sign_in(fake, request, ask);
    sluice__sign_in__free_unpacked(ask, NULL);
}

static void
fake_call(void *arg, struct peer *peer, struct call_request request, uint16_t method,
          struct slice body)
{
    struct fake_peer *fake = arg;
    (void)peer;
    fake->calls++;
    if (method == CALL_SESSION_OPEN) {
        answer_open(fake, request, body);
    } else if (method == CALL_SIGN_IN) {
        take_sign_in(fake, request, body);
    } else if (method == CALL_SESSION_SUBSCRIBE) {
        uint8_t room[64];
        uint32_t reasons[1] = {1};
        Sluice__SessionSubscribed answer = SLUICE__SESSION_SUBSCRIBED__INIT;
        answer.n_reasons = 1;
        answer.reasons = reasons;
        peers_reply(fake->peers, request, OK,
                    slice_of(room, sluice__session_subscribed__pack(&answer, room)));
    } else {
        peers_reply(fake->peers, request, ERR_STALE, slice_of(NULL, 0));
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
    const struct shard_claim *claim = &claims[fake == &other_store];
    uint8_t blob[SHARDS_CLAIM_BYTES];
    char listen[32];
    (void)str_format(listen, sizeof(listen), "127.0.0.1:%u", port);
    const bool claims_one = !is_core && claim->count != 0;
    const struct peers_config peers = {
        .service = is_core ? "core" : "store",
        .name = is_core          ? "core-1"
                : fake == &store ? "store-1"
                                 : "store-2",
        .blob = slice_of(blob, claims_one ? shards_claim_encode(claim, blob) : 0),
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

#define WAIT_FOR(condition)                                                                        \
    do {                                                                                           \
        uint64_t until_ = clock_monotonic_ms() + 60000;                                            \
        while (!(condition) && clock_monotonic_ms() < until_)                                      \
            loop_run_once(loop, true);                                                             \
        CU_ASSERT_FATAL(condition);                                                                \
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
    people = (struct people){.password = "pw", .revision = 1};
    loop = loop_new();
    metrics = metrics_new();
    for (size_t i = core_count; i > 0; i--) {
        if (i < core_count)
            fake_close(&core);
        core_addresses[i - 1] = address_of(fake_open(&core, true, 0));
    }
    if (store_count == 2) {
        other_port = fake_open(&other_store, false, 0);
        store_addresses[1] = address_of(other_port);
        fake_close(&other_store);
    }
    store_addresses[0] = address_of(fake_open(&store, false, 0));
    static char instance[] = "gw", secret[] = "a secret of sixteen", listen[] = "127.0.0.1:0",
                none[] = "";
    config = (struct gateway_config){.cores = {core_addresses, core_count},
                                     .stores = {store_addresses, store_count},
                                     .feed_listen = listen,
                                     .advertise = none,
                                     .lease_ms = 3000,
                                     .filters_max = 1000,
                                     .tokens_max = 1000,
                                     .tokens_size = 1048576,
                                     .credential_cache = 10,
                                     .credential_cache_age_ms = 3600000,
                                     .max_packet_size = 1048576};
    config.common.instance = instance;
    config.common.cluster_secret = secret;
    config.common.cluster_ca = config.common.cluster_cert = config.common.cluster_key = none;
    hub = hub_new(loop, &config, 2, metrics);
    for (uint8_t w = 0; w < 2; w++) {
        workers[w] = (struct fake_worker){.index = w, .acks = true};
        workers[w].mailbox =
            mailbox_new(loop, sizeof(struct post), 1000, worker_takes, &workers[w]);
        hub_set_worker(hub, w, workers[w].mailbox);
    }
    CU_ASSERT_FATAL(hub_open(hub) == OK);
}

static void
set_ready_stage(void)
{
    set_stage();
    WAIT_FOR(hub_is_ready(hub) && got(0, POST_DIGEST_VALID) != NULL &&
             got(1, POST_DIGEST_VALID) != NULL);
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
    if (other_store.peers != NULL)
        fake_close(&other_store);
    memset(claims, 0, sizeof(claims));
    loop_free(loop);
    metrics_free(metrics);
    for (size_t i = 0; i < core_count; i++)
        mem_free(core_addresses[i]);
    core_count = 1;
    for (size_t i = 0; i < store_count; i++)
        mem_free(store_addresses[i]);
    store_count = 1;
}

static size_t
encode_publish(uint8_t *out, uint64_t token, uint8_t qos, const char *topic)
{
    const struct publish_record record = {
        .origin = 99, .token = token, .floor = token != 0, .qos = qos, .topic = slice_cstr(topic)};
    return publish_record_encode_head(&record, out);
}

#endif
