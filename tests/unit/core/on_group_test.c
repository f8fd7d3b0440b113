/* SPDX-License-Identifier: Apache-2.0 */
/* Shared subscriptions through the router: one place for each message, copies until a member has
 * it, and what becomes of it when a place hands it back or is gone. */
#include "common/buf.h"
#include "proto/feed_records.h"
#include "proto/publish_record.h"
#include "proto/records.h"
#include "services/core/router.h"
#include "tests/unit/cunit_main.h"
#include <string.h>

enum { PLACES = 4, LEASE = 100 };

static struct {
    uint64_t ticket, version;
    unsigned shared, tokens, wanted, routes;
    struct records_shared last; /* its slices are in bytes */
    uint8_t bytes[512];
    bool full;
} at[PLACES];
static struct router *router;
static char gave[256]; /* what the watcher was told */

static void
take_shared(uint32_t place, const struct slice *parts, size_t n)
{
    size_t len = 0;
    for (size_t i = 0; i < n; i++) {
        memcpy(at[place].bytes + len, parts[i].data, parts[i].len);
        len += parts[i].len;
    }
    CU_ASSERT_EQUAL(records_shared_publish_decode(slice_of(at[place].bytes, len), &at[place].last),
                    OK);
    at[place].shared++;
}

static enum err
f_append(void *arg, uint32_t place, uint8_t type, const struct slice *parts, size_t n,
         enum feed_class class, uint64_t *ticket)
{
    (void)arg;
    if (at[place].full && !feed_class_is_control(class))
        return ERR_BUSY;
    at[place].ticket++;
    if (ticket != NULL)
        *ticket = at[place].ticket;
    if (type == FEED_SHARED_PUBLISH)
        take_shared(place, parts, n);
    if (type == FEED_ROUTE_DONE)
        at[place].routes++;
    if (type == FEED_DIGEST_RESET || type == FEED_DIGEST_ADD || type == FEED_DIGEST_REMOVE) {
        CU_ASSERT_EQUAL(records_number_decode(slice_sub(parts[0], 0, 8), &at[place].version), OK);
    }
    if (type == FEED_TOKEN_DONE) {
        uint64_t token;
        uint8_t flags;
        records_token_done_get(parts[0], 0, &token, &flags);
        at[place].tokens++;
        at[place].wanted += flags;
    }
    return OK;
}

static void
f_finished(void *arg, uint32_t place, uint64_t seq)
{
    (void)arg;
    (void)place;
    (void)seq;
}

static void
f_serving(void *arg, bool on)
{
    (void)arg;
    (void)on;
}

static void
f_drop(void *arg, uint32_t place, enum err why)
{
    (void)arg;
    (void)place;
    (void)why;
}

static void
f_gave(void *arg, struct slice topic, struct slice share, uint32_t place)
{
    size_t len = strlen(gave);
    (void)arg;
    (void)str_format(gave + len, sizeof(gave) - len, "%.*s %.*s %d;", (int)topic.len,
                     (const char *)topic.data, (int)share.len, (const char *)share.data,
                     place == ROUTER_NO_PLACE ? -1 : (int)place);
}

static void
record(uint32_t place, uint8_t type, const void *data, size_t len)
{
    CU_ASSERT_EQUAL(router_record(router, place, type, slice_of(data, len)), OK);
}

static void
share(uint32_t place, uint32_t members, uint64_t ticket)
{
    static const char text[] = "$share/g/t";
    uint8_t bytes[64];
    size_t len = records_route_add_encode(ticket, records_route_shared(0, members, members), bytes);
    memcpy(bytes + len, text, sizeof(text) - 1);
    record(place, FEED_ROUTE_ADD, bytes, len + sizeof(text) - 1);
}

static void
ack(uint32_t place)
{
    uint8_t bytes[8];
    (void)records_number_encode(at[place].version, bytes);
    record(place, FEED_DIGEST_ACK, bytes, 8);
}

static void
publish(uint32_t place, uint8_t qos, uint64_t token)
{
    struct publish_record r = {.qos = qos, .token = token, .origin = 77, .topic = slice_cstr("t")};
    uint8_t bytes[128];
    record(place, FEED_PUBLISH, bytes, publish_record_encode_head(&r, bytes));
}

/* Hands the last one of the place back under a token of its own. */
static void
give_back(uint32_t place, uint8_t flags, uint64_t token)
{
    struct records_shared back = at[place].last;
    uint8_t bytes[512], copy[256];
    size_t len;
    back.flags = flags;
    memcpy(copy, back.record.data, back.record.len);
    publish_record_set_numbers(copy, 1000 + place, token, 0);
    len = records_shared_return_encode(&back, bytes);
    memcpy(bytes + len, back.share.data, back.share.len);
    len += back.share.len;
    memcpy(bytes + len, copy, back.record.len);
    record(place, FEED_SHARED_RETURN, bytes, len + back.record.len);
}

/* Gateways 0, 1 and 2, store 3, serving. */
static void
setup(void)
{
    static const struct router_io io = {f_append, f_finished, f_serving, f_drop, f_gave};
    struct router_config config = {.lease_ms = LEASE, .stores = 1, .tokens_max = 1000};
    static const char *const names[] = {"g0", "g1", "g2", "s0"};
    memset(at, 0, sizeof(at));
    router = router_new(&config, &io, NULL);
    router_tick(router, 1000);
    for (uint32_t i = 0; i < PLACES; i++) {
        CU_ASSERT_EQUAL(i < 3 ? router_place(router, slice_cstr(names[i]))
                              : router_store(router, 0, 1, slice_cstr(names[i])),
                        i);
        router_up(router, i);
        record(i, FEED_RESYNC_END, NULL, 0);
    }
    for (uint32_t i = 0; i < 3; i++)
        ack(i);
    router_tick(router, 1000 + LEASE);
    CU_ASSERT_TRUE_FATAL(router_is_serving(router));
}

static void
the_asker_too_must_have_a_digest_that_covers_a_share(void)
{
    setup();
    share(0, 1, 7);
    for (uint32_t i = 1; i < 3; i++)
        ack(i);
    router_turn(router);
    CU_ASSERT_EQUAL(at[0].routes, 0);
    ack(0);
    router_turn(router);
    CU_ASSERT_EQUAL(at[0].routes, 1);
    router_free(router);
}

static void
each_message_goes_to_one_place_also_to_its_source(void)
{
    setup();
    share(0, 1, 0);
    share(1, 1, 0);
    for (uint64_t i = 1; i <= 10; i++)
        publish(0, 1, i);
    CU_ASSERT_TRUE(at[0].shared == 5 && at[1].shared == 5 && at[2].shared == 0);
    publish(0, 0, 0);
    CU_ASSERT_EQUAL(at[0].shared + at[1].shared, 11);
    CU_ASSERT_EQUAL(router_stats(router).kept, 10); /* not of QoS 0 */
    router_free(router);
}

static void
a_copy_is_kept_until_a_member_has_the_message(void)
{
    uint8_t number[8];
    setup();
    share(1, 1, 0);
    publish(0, 1, 5);
    router_done(router, 1, at[1].ticket);
    router_turn(router);
    CU_ASSERT_TRUE(at[0].tokens == 1 && at[0].wanted == 1); /* in memory there: acknowledged */
    CU_ASSERT_EQUAL(router_stats(router).kept, 1);
    buf_store_u64(number, at[1].last.number);
    record(2, FEED_SHARED_DONE, number, 8); /* not its own */
    CU_ASSERT_EQUAL(router_stats(router).kept, 1);
    record(1, FEED_SHARED_DONE, number, 8);
    CU_ASSERT_TRUE(router_stats(router).kept == 0 && router_stats(router).kept_bytes == 0);
    router_free(router);
}

static void
what_a_lost_gateway_had_goes_to_another(void)
{
    setup();
    share(1, 1, 0);
    publish(0, 1, 5);
    publish(0, 2, 6);
    router_done(router, 1, at[1].ticket - 1); /* token 5 is answered, 6 is not */
    router_turn(router);
    CU_ASSERT_EQUAL(at[0].tokens, 1);
    share(2, 1, 0);
    router_down(router, 1);
    router_turn(router);
    CU_ASSERT_EQUAL(at[2].shared, 2);
    CU_ASSERT_EQUAL(at[0].tokens, 1); /* 6 waits for its new place */
    router_done(router, 2, at[2].ticket);
    router_turn(router);
    CU_ASSERT_EQUAL(at[0].tokens, 2);
    CU_ASSERT_EQUAL(router_stats(router).shared_rehomed, 2);
    router_free(router);
}

static uint64_t
last_token(uint32_t place)
{
    struct publish_record r;
    CU_ASSERT_EQUAL(publish_record_decode(at[place].last.record, &r), OK);
    CU_ASSERT_EQUAL(r.origin, r.token != 0 ? 77 : 0);
    return r.token;
}

/* Its source, unanswered, may have sent the same through another core. */
static void
what_a_lost_gateway_had_unanswered_keeps_its_token_for_a_store(void)
{
    for (int answered = 0; answered < 2; answered++) {
        setup();
        share(1, 1, 0);
        publish(0, 2, 6);
        if (answered)
            router_done(router, 1, at[1].ticket);
        share(2, 1, 0);
        router_down(router, 1);
        CU_ASSERT_EQUAL(last_token(2), 0); /* a gateway may have had it, and lost its client */
        share(3, 1, 0);
        router_down(router, 2);
        CU_ASSERT_EQUAL(at[3].shared, 1);
        CU_ASSERT_EQUAL(last_token(3), answered ? 0 : 6);
        router_free(router);
    }
}

static void
what_waited_for_a_full_gateway_that_is_gone_goes_to_another(void)
{
    setup();
    share(1, 1, 0);
    at[1].full = true;
    publish(0, 1, 5);
    CU_ASSERT_EQUAL(at[1].shared, 0);
    share(2, 1, 0);
    router_down(router, 1);
    CU_ASSERT_EQUAL(at[2].shared, 1);
    router_done(router, 2, at[2].ticket);
    router_turn(router);
    CU_ASSERT_EQUAL(at[0].tokens, 1);
    router_free(router);
}

static void
what_is_handed_back_goes_to_another_and_is_answered_then(void)
{
    setup();
    share(1, 1, 0);
    publish(0, 1, 5);
    share(2, 1, 0);
    give_back(1, 0, 21);
    CU_ASSERT_EQUAL(at[2].shared, 1);
    CU_ASSERT_EQUAL(at[2].last.hops, 1);
    CU_ASSERT_EQUAL(router_stats(router).kept, 1); /* the first copy is gone */
    router_turn(router);
    CU_ASSERT_EQUAL(at[1].tokens, 0);
    router_done(router, 2, at[2].ticket);
    router_turn(router);
    CU_ASSERT_TRUE(at[1].tokens == 1 && at[1].wanted == 1);
    router_free(router);
}

static void
what_nobody_can_take_ends(void)
{
    unsigned hops = 0;
    setup();
    share(1, 1, 0);
    publish(0, 1, 5);
    for (uint64_t token = 21; token < 40; token++) {
        unsigned before = at[1].shared;
        give_back(1, SHARED_FULL, token);
        if (at[1].shared == before)
            break;
        hops++;
    }
    CU_ASSERT_EQUAL(hops, SHARED_HOPS_MAX);
    CU_ASSERT_EQUAL(router_stats(router).shared_nobody, 1);
    CU_ASSERT_EQUAL(router_stats(router).kept, 0);
    router_turn(router);
    CU_ASSERT_TRUE(at[1].tokens > 0); /* also the last one is answered */
    router_free(router);
}

static void
who_watches_is_told_who_was_picked(void)
{
    setup();
    share(1, 1, 0);
    gave[0] = '\0';
    publish(0, 1, 1);
    CU_ASSERT_STRING_EQUAL(gave, "");
    router_watch(router, true);
    publish(0, 1, 2);
    CU_ASSERT_STRING_EQUAL(gave, "t $share/g/t 1;");
    for (uint64_t token = 21; token < 60 && router_stats(router).shared_nobody == 0; token++) {
        gave[0] = '\0';
        give_back(1, SHARED_FULL, token);
    }
    CU_ASSERT_STRING_EQUAL(gave, "t $share/g/t -1;");
    router_watch(router, false);
    publish(0, 1, 3);
    CU_ASSERT_STRING_EQUAL(gave, "t $share/g/t -1;");
    router_free(router);
}

static void
malformed_returns_are_refused(void)
{
    static const uint8_t junk[40] = {0};
    setup();
    CU_ASSERT_EQUAL(router_record(router, 1, FEED_SHARED_RETURN, slice_of(junk, sizeof(junk))),
                    ERR_MALFORMED);
    CU_ASSERT_EQUAL(router_record(router, 1, FEED_SHARED_DONE, slice_of(junk, 7)), ERR_MALFORMED);
    CU_ASSERT_EQUAL(router_record(router, 1, FEED_SHARED_DONE, slice_of(junk, 0)), ERR_MALFORMED);
    router_free(router);
}

static const struct cunit_case cases[] = {
    CUNIT_CASE(the_asker_too_must_have_a_digest_that_covers_a_share),
    CUNIT_CASE(each_message_goes_to_one_place_also_to_its_source),
    CUNIT_CASE(a_copy_is_kept_until_a_member_has_the_message),
    CUNIT_CASE(what_a_lost_gateway_had_goes_to_another),
    CUNIT_CASE(what_a_lost_gateway_had_unanswered_keeps_its_token_for_a_store),
    CUNIT_CASE(what_waited_for_a_full_gateway_that_is_gone_goes_to_another),
    CUNIT_CASE(what_is_handed_back_goes_to_another_and_is_answered_then),
    CUNIT_CASE(what_nobody_can_take_ends),
    CUNIT_CASE(who_watches_is_told_who_was_picked),
    CUNIT_CASE(malformed_returns_are_refused),
};
CUNIT_MAIN("on_group", cases)
