/* SPDX-License-Identifier: Apache-2.0 */
/* The router against a fake transport: when it serves, what goes where, what stalls it, what it
 * answers. Faults in combination are cluster_sim_test.c's. */
#include "services/core/router.h"

#include "common/buf.h"
#include "proto/feed_records.h"
#include "proto/publish_record.h"
#include "proto/records.h"
#include "tests/unit/cunit_main.h"
#include <string.h>

enum { PLACES = 8, LEASE = 100, SYS_INTERVAL = 10000 };

static struct {
    uint64_t ticket;
    unsigned publishes, resets, digest_ends, sys;
    uint64_t version;
    unsigned tokens, wanted, routes;
    uint64_t finished;
    bool full;
} at[PLACES];
static bool serving;
static unsigned drops;
static struct router *router;

static enum err
f_append(void *arg, uint32_t place, uint8_t type, const struct slice *parts, size_t n,
         enum feed_class class, uint64_t *ticket)
{
    (void)arg;
    (void)n;
    if (at[place].full && !feed_class_is_control(class))
        return ERR_BUSY;
    at[place].ticket++;
    if (ticket != NULL)
        *ticket = at[place].ticket;
    if (type == FEED_PUBLISH)
        at[place].publishes++;
    else if (type == FEED_SYS)
        at[place].sys++;
    else if (type == FEED_DIGEST_RESET)
        at[place].resets++;
    else if (type == FEED_RESYNC_END)
        at[place].digest_ends++;
    else if (type == FEED_ROUTE_DONE)
        at[place].routes += (unsigned)(parts[0].len / 8);
    if (type == FEED_DIGEST_RESET || type == FEED_DIGEST_ADD || type == FEED_DIGEST_REMOVE) {
        struct slice version = slice_sub(parts[0], 0, 8);
        CU_ASSERT_EQUAL(records_number_decode(version, &at[place].version), OK);
    }
    if (type == FEED_TOKEN_DONE) {
        size_t count, i;
        CU_ASSERT_EQUAL_FATAL(records_token_done_count(parts[0], &count), OK);
        for (i = 0; i < count; i++) {
            uint64_t token;
            uint8_t flags;
            records_token_done_get(parts[0], i, &token, &flags);
            at[place].tokens++;
            at[place].wanted += flags;
        }
    }
    return OK;
}

static void
f_finished(void *arg, uint32_t place, uint64_t seq)
{
    (void)arg;
    at[place].finished = seq;
}

static void
f_serving(void *arg, bool on)
{
    (void)arg;
    serving = on;
}

static void
f_drop(void *arg, uint32_t place, enum err why)
{
    (void)arg;
    (void)place;
    (void)why;
    drops++;
}

static void
record(uint32_t place, uint8_t type, const void *data, size_t len)
{
    CU_ASSERT_EQUAL(router_record(router, place, type, slice_of(data, len)), OK);
}

static void
route(uint32_t place, const char *filter, uint8_t flags, uint64_t ticket)
{
    uint8_t bytes[64];
    size_t len = records_route_add_encode(ticket, flags, bytes);
    memcpy(bytes + len, filter, strlen(filter));
    record(place, FEED_ROUTE_ADD, bytes, len + strlen(filter));
}

static void
ack(uint32_t place)
{
    uint8_t bytes[8];
    (void)records_number_encode(at[place].version, bytes);
    record(place, FEED_DIGEST_ACK, bytes, 8);
}

static enum err
publish(uint32_t place, const char *topic, uint8_t qos, bool retain, uint64_t token)
{
    struct publish_record r = {
        .qos = qos, .retain = retain, .token = token, .topic = slice_cstr(topic)};
    uint8_t bytes[128];
    size_t len = publish_record_encode_head(&r, bytes);
    return router_record(router, place, FEED_PUBLISH, slice_of(bytes, len));
}

/* Gateways 0 and 1, store 2; serving unless told otherwise. */
static void
setup(bool serve)
{
    static const struct router_io io = {f_append, f_finished, f_serving, f_drop, NULL};
    struct router_config config = {.lease_ms = LEASE,
                                   .stores = 1,
                                   .tokens_max = 1000,
                                   .digest_entries = 4,
                                   .store_park_bytes = 1000,
                                   .sys_interval_ms = SYS_INTERVAL,
                                   .input_bytes = 2000};
    uint32_t i;
    memset(at, 0, sizeof(at));
    serving = false;
    drops = 0;
    router = router_new(&config, &io, NULL);
    router_tick(router, 1000);
    CU_ASSERT_EQUAL(router_place(router, slice_cstr("g0")), 0);
    CU_ASSERT_EQUAL(router_place(router, slice_cstr("g1")), 1);
    CU_ASSERT_EQUAL(router_store(router, 0, 1, slice_cstr("s0")), 2);
    CU_ASSERT_EQUAL(router_place(router, slice_cstr("g1")), 1);
    if (!serve)
        return;
    for (i = 0; i < 3; i++) {
        router_up(router, i);
        record(i, FEED_RESYNC_END, NULL, 0);
    }
    ack(0);
    ack(1);
    router_tick(router, 1000 + LEASE);
    CU_ASSERT_TRUE_FATAL(serving);
}

static void
core_serves_after_a_lease_with_everybody_ready(void)
{
    setup(false);
    router_up(router, 0);
    CU_ASSERT_TRUE(at[0].resets == 1 && at[0].digest_ends == 1);
    router_tick(router, 1000 + LEASE - 1);
    CU_ASSERT_STRING_EQUAL(router_obstacle(router), "listening for one lease");
    router_tick(router, 1000 + LEASE);
    CU_ASSERT_STRING_EQUAL(router_obstacle(router), "waiting for stores");
    router_up(router, 2);
    route(2, "s/#", ROUTE_QOS1, 0);
    route(2, "t", ROUTE_QOS1, 9);
    record(2, FEED_RESYNC_END, NULL, 0);
    router_tick(router, 1000 + LEASE);
    CU_ASSERT_STRING_EQUAL(router_obstacle(router), "waiting for the end of a resync");
    record(0, FEED_RESYNC_END, NULL, 0);
    router_tick(router, 1000 + LEASE);
    CU_ASSERT_STRING_EQUAL(router_obstacle(router), "waiting for a digest to be acknowledged");
    router_turn(router);
    CU_ASSERT_EQUAL(at[2].routes, 0);
    ack(0);
    router_turn(router);
    CU_ASSERT_EQUAL(at[2].routes, 0); /* not before we serve */
    CU_ASSERT_EQUAL(publish(0, "t", 1, false, 1), OK);
    router_frame_end(router, 0, 5);
    CU_ASSERT_TRUE(at[2].publishes == 0 && at[0].finished == 0);
    router_tick(router, 1000 + LEASE);
    CU_ASSERT_TRUE(serving);
    router_turn(router);
    CU_ASSERT_EQUAL(at[2].routes, 1);
    CU_ASSERT_TRUE(at[2].publishes == 1 && at[0].finished == 5);
    router_free(router);
}

static void
route_is_answered_when_every_other_gateway_has_its_digest(void)
{
    setup(true);
    route(0, "a", 0, 7);
    router_turn(router);
    CU_ASSERT_EQUAL(at[0].routes, 0);
    ack(1);
    router_turn(router);
    CU_ASSERT_EQUAL(at[0].routes, 1);
    route(0, "b", 0, 8);
    router_down(router, 1); /* its lease ended: it does not count */
    router_turn(router);
    CU_ASSERT_EQUAL(at[0].routes, 2);
    CU_ASSERT_EQUAL(router_stats(router).tickets_open, 0);
    router_free(router);
}

static void
publish_skips_its_own_gateway_but_not_a_store(void)
{
    setup(true);
    route(0, "#", 0, 0);
    route(1, "#", 0, 0);
    route(2, "#", ROUTE_QOS1, 0);
    CU_ASSERT_EQUAL(publish(0, "x", 1, false, 1), OK);
    CU_ASSERT_TRUE(at[0].publishes == 0 && at[1].publishes == 1 && at[2].publishes == 1);
    CU_ASSERT_EQUAL(publish(0, "x", 0, false, 0), OK);
    CU_ASSERT_TRUE(at[1].publishes == 2 && at[2].publishes == 1);
    CU_ASSERT_EQUAL(publish(2, "x", 1, false, 1), OK);
    CU_ASSERT_TRUE(at[0].publishes == 1 && at[1].publishes == 3 && at[2].publishes == 2);
    router_turn(router);
    CU_ASSERT_TRUE(at[0].tokens == 0 && at[2].tokens == 0);
    router_done(router, 0, at[0].ticket);
    router_done(router, 1, at[1].ticket);
    router_done(router, 2, at[2].ticket);
    router_turn(router);
    CU_ASSERT_TRUE(at[0].tokens == 1 && at[0].wanted == 1 && at[2].tokens == 1);
    router_free(router);
}

static void
unwanted_publish_is_answered_at_once(void)
{
    setup(true);
    CU_ASSERT_EQUAL(publish(0, "x", 1, false, 1), OK);
    router_turn(router);
    CU_ASSERT_TRUE(at[0].tokens == 1 && at[0].wanted == 0);
    router_free(router);
}

static void
retained_publish_goes_to_its_store_at_any_qos(void)
{
    setup(true);
    CU_ASSERT_EQUAL(publish(0, "x", 0, true, 0), OK);
    CU_ASSERT_EQUAL(at[2].publishes, 1);
    route(2, "x", ROUTE_QOS1, 0);
    CU_ASSERT_EQUAL(publish(0, "x", 1, true, 1), OK);
    CU_ASSERT_EQUAL(at[2].publishes, 2); /* once, though wanted twice */
    router_free(router);
}

static void
full_gateway_stalls_and_its_end_releases(void)
{
    setup(true);
    route(1, "x", 0, 0);
    at[1].full = true;
    CU_ASSERT_EQUAL(publish(0, "x", 1, false, 1), OK); /* parked */
    router_frame_end(router, 0, 1);
    CU_ASSERT_EQUAL(at[0].finished, 1);
    CU_ASSERT_EQUAL(publish(0, "x", 1, false, 2), OK); /* waits in the input */
    CU_ASSERT_EQUAL(publish(2, "y", 1, false, 1), OK);
    router_frame_end(router, 0, 2);
    router_turn(router);
    CU_ASSERT_EQUAL(at[0].finished, 1);
    CU_ASSERT_TRUE(router_stats(router).stalled);
    at[1].full = false;
    router_room(router, 1);
    router_turn(router);
    CU_ASSERT_TRUE(at[1].publishes == 2 && at[0].finished == 2);
    at[1].full = true;
    CU_ASSERT_EQUAL(publish(0, "x", 1, false, 3), OK);
    router_turn(router);
    CU_ASSERT_EQUAL(at[0].tokens, 0);
    router_down(router, 1);
    router_turn(router);
    CU_ASSERT_EQUAL(at[0].tokens, 3); /* gone: nobody waits for it */
    CU_ASSERT_FALSE(router_stats(router).stalled);
    router_free(router);
}

static void
store_that_is_away_delays_only_what_it_wants(void)
{
    unsigned i;
    setup(true);
    route(2, "s", ROUTE_QOS1, 0);
    router_down(router, 2);
    for (i = 1; i <= 5; i++)
        CU_ASSERT_EQUAL(publish(0, "s", 1, false, i), OK);
    CU_ASSERT_EQUAL(publish(0, "other", 1, false, 6), OK);
    router_turn(router);
    CU_ASSERT_EQUAL(at[0].tokens, 1);
    router_up(router, 2);
    router_turn(router);
    CU_ASSERT_EQUAL(at[2].publishes, 5);
    router_done(router, 2, at[2].ticket - 1);
    router_turn(router);
    CU_ASSERT_EQUAL(at[0].tokens, 5);
    router_done(router, 2, at[2].ticket);
    router_turn(router);
    CU_ASSERT_EQUAL(at[0].tokens, 6);
    router_free(router);
}

static void
full_park_of_a_store_stalls_and_input_is_bounded(void)
{
    uint64_t token = 0;
    enum err err = OK;
    setup(true);
    route(2, "s", ROUTE_QOS1, 0);
    router_down(router, 2);
    while (err == OK && token < 1000)
        err = publish(0, "s", 1, false, ++token);
    CU_ASSERT_EQUAL(err, ERR_BUSY);
    CU_ASSERT_TRUE(token > 20 && token < 60);
    CU_ASSERT_TRUE(router_stats(router).parked_bytes < 1200);
    router_up(router, 2);
    router_turn(router);
    router_turn(router);
    CU_ASSERT_EQUAL(at[2].publishes, token - 1);
    router_free(router);
}

static void
flush_waits_for_what_was_taken_before(void)
{
    uint8_t number[8];
    setup(true);
    route(1, "x", 0, 0);
    CU_ASSERT_EQUAL(publish(2, "x", 0, false, 0), OK);
    (void)records_number_encode(99, number);
    record(0, FEED_FLUSH, number, 8);
    router_turn(router);
    CU_ASSERT_EQUAL(at[0].tokens, 0);
    router_done(router, 1, at[1].ticket);
    router_turn(router);
    CU_ASSERT_EQUAL(at[0].tokens, 1);
    record(0, FEED_FLUSH, number, 8);
    router_turn(router);
    CU_ASSERT_EQUAL(at[0].tokens, 2);
    router_free(router);
}

static void
forgotten_store_makes_sources_send_again(void)
{
    setup(true);
    route(2, "s", ROUTE_QOS1, 0);
    CU_ASSERT_EQUAL(publish(0, "s", 1, false, 1), OK);
    router_gone(router, 2);
    CU_ASSERT_EQUAL(drops, 2); /* the gateways, whose tokens nobody will answer */
    router_turn(router);
    CU_ASSERT_EQUAL(at[0].tokens, 0);
    CU_ASSERT_EQUAL(router_stats(router).tokens_open, 0);
    router_free(router);
}

static void
answers_of_a_former_session_are_dropped(void)
{
    setup(true);
    route(1, "x", 0, 0);
    CU_ASSERT_EQUAL(publish(0, "x", 1, false, 1), OK);
    router_down(router, 0);
    router_up(router, 0);
    router_done(router, 1, at[1].ticket);
    router_turn(router);
    CU_ASSERT_EQUAL(at[0].tokens, 0);
    router_free(router);
}

static void
nonsense_is_counted_and_dropped(void)
{
    static const uint8_t junk[60] = {0xff};
    unsigned type;
    size_t len;
    setup(true);
    for (type = 0; type < 256; type++) {
        for (len = 0; len < sizeof(junk); len += 7) {
            if (type != FEED_RESYNC_END && type != FEED_FLUSH)
                (void)!router_record(router, 0, (uint8_t)type, slice_of(junk, len));
        }
    }
    CU_ASSERT_TRUE(router_stats(router).malformed > 10 && router_stats(router).unknown > 100);
    CU_ASSERT_EQUAL(router_record(router, 0, FEED_DIGEST_ACK, slice_of(junk, 8)), ERR_MALFORMED);
    router_free(router);
}

static void
digest_is_lengthened_when_filters_are_gone(void)
{
    static const char *const filters[] = {"a/1", "b/2", "c/3", "d/4", "e/5", "f/6"};
    unsigned i;
    setup(true);
    for (i = 0; i < 6; i++)
        route(1, filters[i], 0, 0);
    CU_ASSERT_EQUAL(router_stats(router).digest_entries, 1); /* "#" */
    CU_ASSERT_TRUE(at[0].resets >= 2);
    for (i = 1; i < 6; i++)
        record(1, FEED_ROUTE_REMOVE, filters[i], 3);
    router_tick(router, 5000);
    CU_ASSERT_EQUAL(router_stats(router).digest_entries, 1);
    i = at[0].resets;
    router_tick(router, 5001);
    CU_ASSERT_EQUAL(at[0].resets, i); /* once */
    router_free(router);
}

static void
gateway_that_asks_gets_the_totals_at_once_and_then_by_the_interval(void)
{
    static const uint8_t wants[] = {0, 0, 0, 0, 0, 0, 0, 7, COUNTERS_WANT_SYS};
    static const uint8_t reports[] = {0, 0, 0, 0, 0, 0, 0, 8, 0};
    setup(true);
    record(0, FEED_COUNTERS, reports, sizeof(reports));
    record(1, FEED_COUNTERS, wants, sizeof(wants));
    record(2, FEED_COUNTERS, wants, sizeof(wants)); /* a store never gets them */
    CU_ASSERT_TRUE(at[0].sys == 0 && at[1].sys > 20 && at[2].sys == 0);
    unsigned topics = at[1].sys;
    record(1, FEED_COUNTERS, wants, sizeof(wants));
    CU_ASSERT_EQUAL(at[1].sys, topics);
    router_tick(router, 1000 + SYS_INTERVAL - 1);
    CU_ASSERT_EQUAL(at[1].sys, topics);
    router_tick(router, 1000 + SYS_INTERVAL);
    CU_ASSERT_EQUAL(at[1].sys, 2 * topics);
    record(1, FEED_COUNTERS, reports, sizeof(reports)); /* it has chosen another core */
    router_tick(router, 1000 + LEASE + 3 * SYS_INTERVAL);
    CU_ASSERT_EQUAL(at[1].sys, 2 * topics);
    CU_ASSERT_EQUAL(router_record(router, 1, FEED_COUNTERS, slice_of(wants, 8)), ERR_MALFORMED);
    router_free(router);
}

static const struct cunit_case cases[] = {
    CUNIT_CASE(core_serves_after_a_lease_with_everybody_ready),
    CUNIT_CASE(route_is_answered_when_every_other_gateway_has_its_digest),
    CUNIT_CASE(publish_skips_its_own_gateway_but_not_a_store),
    CUNIT_CASE(unwanted_publish_is_answered_at_once),
    CUNIT_CASE(retained_publish_goes_to_its_store_at_any_qos),
    CUNIT_CASE(full_gateway_stalls_and_its_end_releases),
    CUNIT_CASE(store_that_is_away_delays_only_what_it_wants),
    CUNIT_CASE(full_park_of_a_store_stalls_and_input_is_bounded),
    CUNIT_CASE(flush_waits_for_what_was_taken_before),
    CUNIT_CASE(forgotten_store_makes_sources_send_again),
    CUNIT_CASE(answers_of_a_former_session_are_dropped),
    CUNIT_CASE(nonsense_is_counted_and_dropped),
    CUNIT_CASE(digest_is_lengthened_when_filters_are_gone),
    CUNIT_CASE(gateway_that_asks_gets_the_totals_at_once_and_then_by_the_interval),
};
CUNIT_MAIN("router", cases)
