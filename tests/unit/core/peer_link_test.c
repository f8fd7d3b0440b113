/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The core over real sockets: its link, two gateways and a store, each with common/peer and (the
 * gateways) a core client, all on one loop. Shows that the events are joined rightly: routes and
 * digests get across, publishes arrive where they are wanted, tokens are answered only after the
 * store has committed, also over a restart of the store.
 */
#include "services/core/peer_link.h"

#include "common/clock.h"
#include "common/loop.h"
#include "common/peer.h"
#include "proto/core_client.h"
#include "proto/publish_record.h"
#include "proto/shards.h"
#include "tests/unit/cunit_main.h"
#include <stdio.h>
#include <string.h>

enum { GATEWAYS = 2, STORE = 2, SPARE = 3, PROGRAMS = 4, PATIENCE_MS = 60000 };

struct program {
    struct peers *peers;
    struct core_client *client;
    struct peer *core;
    bool store, commit; /* commit: received frames are declared done at once */
    uint64_t frame;     /* newest received */
    unsigned received, answered, wanted, routes_done, ups;
    bool digest_valid;
    unsigned digest;
    const char *filter;
    uint8_t filter_flags;
};

static struct loop *loop;
static struct peer_link *core;
static struct program programs[PROGRAMS];

static enum err
c_append(void *arg, uint32_t index, uint8_t type, const struct slice *parts, size_t n, bool control,
         uint64_t *seq)
{
    struct program *p = arg;
    (void)index;
    return peer_append(p->core, control ? FEED_CONTROL : FEED_DATA, type, parts, n, seq);
}

static void
c_routes(void *arg, core_client_route_fn fn, void *fn_arg)
{
    struct program *p = arg;
    if (p->filter != NULL)
        fn(fn_arg, slice_cstr(p->filter), p->filter_flags);
}

static void
c_route_done(void *arg, uint64_t cookie, enum err err)
{
    struct program *p = arg;
    (void)cookie;
    CU_ASSERT_EQUAL(err, OK);
    p->routes_done++;
}

static void
c_token_done(void *arg, uint64_t a, uint64_t b, bool wanted)
{
    struct program *p = arg;
    (void)a;
    (void)b;
    p->answered++;
    p->wanted += wanted;
}

static void
c_digest_add(void *arg, struct slice filter)
{
    struct program *p = arg;
    (void)filter;
    p->digest++;
}

static void
c_digest_remove(void *arg, struct slice filter)
{
    struct program *p = arg;
    (void)filter;
    p->digest--;
}

static void
c_digest_apply(void *arg, uint64_t stamp)
{
    struct program *p = arg;
    core_client_digest_applied(p->client, stamp);
}

static void
c_digest_valid(void *arg, bool valid)
{
    struct program *p = arg;
    p->digest_valid = valid;
}

static void
c_hold(void *arg, bool on)
{
    (void)arg;
    (void)on;
}

static enum peer_keep
p_up(void *arg, struct peer *peer, const struct peer_info *info)
{
    struct program *p = arg;
    p->core = peer;
    p->ups++;
    core_client_up(p->client, 0, info->state);
    return PEER_DROP;
}

static void
p_down(void *arg, struct peer *peer, enum err why)
{
    struct program *p = arg;
    (void)peer;
    (void)why;
    core_client_down(p->client, 0);
}

static void
p_state(void *arg, struct peer *peer, uint32_t flags)
{
    struct program *p = arg;
    (void)peer;
    core_client_state(p->client, 0, flags);
}

static void
p_record(void *arg, struct peer *peer, uint8_t type, struct slice body, uint64_t seq)
{
    struct program *p = arg;
    (void)peer;
    (void)seq;
    if (core_client_record(p->client, 0, type, body) == ERR_UNSUPPORTED && type == FEED_PUBLISH)
        p->received++;
}

static void
p_frame_end(void *arg, struct peer *peer, uint64_t seq)
{
    struct program *p = arg;
    p->frame = seq;
    if (p->commit)
        peer_done(peer, seq);
}

static void
p_done(void *arg, struct peer *peer, uint64_t ticket)
{
    struct program *p = arg;
    (void)peer;
    core_client_done(p->client, 0, ticket);
}

static void
p_room(void *arg, struct peer *peer)
{
    struct program *p = arg;
    (void)peer;
    core_client_room(p->client, 0);
}

static void
program_start(unsigned index, const char *filter)
{
    static const struct core_client_io io = {c_append,       c_routes,       c_route_done,
                                             c_token_done,   c_digest_add,   c_digest_remove,
                                             c_digest_apply, c_digest_valid, c_hold};
    static const struct peers_events events = {.up = p_up,
                                               .down = p_down,
                                               .state = p_state,
                                               .record = p_record,
                                               .frame_end = p_frame_end,
                                               .done = p_done,
                                               .room = p_room};
    static const char *const names[PROGRAMS] = {"gateway-0", "gateway-1", "store-0", "store-1"};
    struct program *p = &programs[index];
    char address[32];
    struct peers_dial dial = {"core", address, false};
    struct peers_config config = {.service = index >= STORE ? "store" : "gateway",
                                  .name = names[index],
                                  .version = "0",
                                  .secret = slice_cstr("0123456789abcdef"),
                                  .feed_listen = "127.0.0.1:0",
                                  .dial = &dial,
                                  .n_dial = 1,
                                  .lease_ms = 2000,
                                  .heartbeat_ms = 200};
    struct core_client_config client = {.digests = index < STORE, .grace_ms = 600};
    const struct shard_claim claim = {.number = 0, .count = 1, .term = index};
    uint8_t blob[SHARDS_CLAIM_BYTES];
    if (index >= STORE)
        config.blob = slice_of(blob, shards_claim_encode(&claim, blob));
    *p = (struct program){.store = index >= STORE,
                          .commit = true,
                          .filter = filter,
                          .filter_flags = index >= STORE ? ROUTE_QOS1 : 0};
    snprintf(address, sizeof(address), "127.0.0.1:%u", peer_link_call_port(core));
    CU_ASSERT_EQUAL_FATAL(peers_new(loop, &config, &events, p, &p->peers), OK);
    client.origin = peers_incarnation(p->peers);
    client.ticket_base = client.origin & ~UINT64_C(0xffffffff);
    p->client = core_client_new(&client, &io, p);
    (void)core_client_core_add(p->client, slice_cstr("core"));
    core_client_tick(p->client, clock_monotonic_ms());
}

static void
program_stop(unsigned index)
{
    peers_free(programs[index].peers);
    core_client_free(programs[index].client);
    programs[index] = (struct program){0};
}

/* Turns the loop until the condition holds; false after PATIENCE_MS. */
#define UNTIL(condition)                                                                           \
    do {                                                                                           \
        uint64_t until_ = clock_monotonic_ms() + PATIENCE_MS;                                      \
        while (!(condition) && clock_monotonic_ms() < until_)                                      \
            turn();                                                                                \
        CU_ASSERT_TRUE_FATAL(condition);                                                           \
    } while (0)

static void
turn(void)
{
    unsigned i;
    loop_run_once(loop, true);
    for (i = 0; i < PROGRAMS; i++) {
        if (programs[i].client != NULL)
            core_client_tick(programs[i].client, clock_monotonic_ms());
    }
}

static void
publish(unsigned index, const char *topic, uint8_t qos, unsigned count)
{
    struct publish_record r = {
        .qos = qos, .topic = slice_cstr(topic), .payload = slice_cstr("payload")};
    uint8_t bytes[128];
    size_t len = publish_record_encode_head(&r, bytes);
    memcpy(bytes + len, "payload", 7);
    while (count-- != 0) {
        enum err err =
            core_client_publish(programs[index].client, slice_of(bytes, len + 7), count, 0);
        CU_ASSERT_EQUAL(err, OK);
    }
}

static void
setup(void)
{
    static struct core_config config;
    static char listen[] = "127.0.0.1:0", empty[] = "", secret[] = "0123456789abcdef",
                name[] = "core-0";
    config = (struct core_config){.call_listen = listen,
                                  .feed_listen = listen,
                                  .advertise = empty,
                                  .lease_ms = 2000,
                                  .stores = 1,
                                  .routes_max = 1000,
                                  .tokens_max = 100000,
                                  .digest_entries = 100,
                                  .store_park = 1 << 20,
                                  .max_record = 1 << 20};
    config.common.cluster_secret = secret;
    config.common.cluster_ca = config.common.cluster_cert = config.common.cluster_key = empty;
    config.common.instance = name;
    loop = loop_new();
    CU_ASSERT_EQUAL_FATAL(peer_link_new(loop, &config, &core), OK);
}

static void
teardown(void)
{
    unsigned i;
    for (i = 0; i < PROGRAMS; i++) {
        if (programs[i].peers != NULL)
            program_stop(i);
    }
    peer_link_free(core);
    loop_free(loop);
}

static void
publishes_cross_the_core_and_are_answered(void)
{
    setup();
    program_start(0, "a/#");
    program_start(1, "b/#");
    program_start(STORE, "c/#");
    UNTIL(router_is_serving(peer_link_router(core)));
    UNTIL(programs[0].digest_valid && programs[1].digest_valid);
    CU_ASSERT_EQUAL(programs[0].digest, 2); /* b/# and c/#, not its own */
    publish(0, "b/1", 1, 1000);
    publish(0, "b/1", 0, 10);
    publish(1, "a/1", 1, 1000);
    publish(1, "none", 1, 1);
    UNTIL(programs[0].answered == 1000 && programs[1].answered == 1001);
    UNTIL(programs[1].received == 1010 && programs[0].received == 1000);
    CU_ASSERT_EQUAL(programs[1].wanted, 1000);
    CU_ASSERT_EQUAL(programs[STORE].received, 0);
    programs[1].filter = "new";
    CU_ASSERT_EQUAL(core_client_route_add(programs[1].client, slice_cstr("new"), 0, 1,
                                          clock_monotonic_ms() + PATIENCE_MS),
                    OK);
    UNTIL(programs[1].routes_done == 1);
    CU_ASSERT_EQUAL(programs[0].digest, 3);
    teardown();
}

static void
store_answers_when_it_has_committed(void)
{
    uint64_t until;
    unsigned received;
    setup();
    program_start(0, NULL);
    program_start(STORE, "c/#");
    UNTIL(programs[0].digest_valid);
    programs[STORE].commit = false;
    publish(0, "c/1", 0, 5); /* QoS 0 is not for it */
    publish(0, "c/1", 1, 100);
    UNTIL(programs[STORE].received == 100);
    until = clock_monotonic_ms() + 100;
    while (clock_monotonic_ms() < until)
        turn();
    CU_ASSERT_EQUAL(programs[0].answered, 0);
    /* It dies before it has committed; what comes while it is away waits for it too. */
    program_stop(STORE);
    publish(0, "c/2", 1, 50);
    UNTIL(router_stats(peer_link_router(core)).stores_up == 0);
    publish(0, "c/2", 1, 50);
    until = clock_monotonic_ms() + 100;
    while (clock_monotonic_ms() < until)
        turn();
    CU_ASSERT_EQUAL(programs[0].answered, 0);
    program_start(STORE, "c/#");
    UNTIL(programs[STORE].received == 200);
    UNTIL(programs[0].answered == 200);
    received = programs[STORE].received;
    CU_ASSERT_EQUAL(received, 200);
    CU_ASSERT_TRUE(router_is_idle(peer_link_router(core)));
    teardown();
}

static void
a_store_that_takes_over_gets_what_the_former_one_had_not_committed(void)
{
    unsigned received;
    setup();
    program_start(0, NULL);
    program_start(STORE, "c/#");
    UNTIL(programs[0].digest_valid);
    programs[STORE].commit = false;
    publish(0, "c/1", 1, 100);
    UNTIL(programs[STORE].received == 100);
    CU_ASSERT_EQUAL(programs[0].answered, 0);
    program_start(SPARE, "c/#"); /* a later claim, while the former one is still there */
    publish(0, "c/2", 1, 50);
    UNTIL(programs[0].answered == 150);
    CU_ASSERT_EQUAL(programs[SPARE].received, 150);
    /* The former one comes back, and is not believed; nobody else noticed. */
    UNTIL(peer_link_stores_refused(core) != 0);
    received = programs[STORE].received;
    publish(0, "c/3", 1, 10);
    UNTIL(programs[0].answered == 160);
    CU_ASSERT_EQUAL(programs[SPARE].received, 160);
    CU_ASSERT_EQUAL(programs[STORE].received, received);
    CU_ASSERT_EQUAL(programs[0].ups, 1);
    /* Away, it is still the one that is waited for. */
    program_stop(SPARE);
    UNTIL(router_stats(peer_link_router(core)).stores_up == 0);
    publish(0, "c/4", 1, 10);
    program_start(SPARE, "c/#");
    UNTIL(programs[0].answered == 170);
    CU_ASSERT_TRUE(router_is_idle(peer_link_router(core)));
    teardown();
}

static void
gateway_that_is_gone_does_not_count(void)
{
    setup();
    program_start(0, NULL);
    program_start(1, "b");
    program_start(STORE, NULL);
    UNTIL(programs[0].digest_valid && programs[1].digest_valid);
    programs[1].commit = false;
    publish(0, "b", 1, 10);
    UNTIL(programs[1].received == 10);
    CU_ASSERT_EQUAL(programs[0].answered, 0);
    program_stop(1);
    UNTIL(programs[0].answered == 10);
    UNTIL(programs[0].digest == 0);
    CU_ASSERT_EQUAL(router_stats(peer_link_router(core)).routes, 0);
    teardown();
}

static const struct cunit_case cases[] = {
    CUNIT_CASE(publishes_cross_the_core_and_are_answered),
    CUNIT_CASE(store_answers_when_it_has_committed),
    CUNIT_CASE(a_store_that_takes_over_gets_what_the_former_one_had_not_committed),
    CUNIT_CASE(gateway_that_is_gone_does_not_count),
};
CUNIT_MAIN("peer_link", cases)
