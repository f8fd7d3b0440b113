/* SPDX-License-Identifier: Apache-2.0 */
/* The core client against scripted cores: what is sent where and when, what is kept, what is
 * answered. Together with real routers and random faults it is tested in
 * tests/unit/core/cluster_sim_test.c. */
#include "proto/core_client.h"

#include "common/clock.h"
#include "proto/publish_record.h"
#include "proto/records.h"
#include "tests/unit/cunit_main.h"
#include <stdio.h>
#include <string.h>

enum { CORES = 2, SENT_MAX = 4096 };

struct sent {
    uint8_t type;
    uint64_t number; /* token, ticket or version */
    uint64_t floor;
    char text[24]; /* topic or filter */
};

static struct {
    struct sent sent[SENT_MAX];
    unsigned count;
    uint64_t seq;
    bool full;
} core[CORES];
static struct core_client *client;
static uint64_t answers[SENT_MAX];
static unsigned answer_count, wanted_count, route_ok, route_timeout, adds, removes, holds, releases;
static bool valid;
static uint64_t stamp;
static bool count_only;

static enum err
f_append(void *arg, uint32_t index, uint8_t type, const struct slice *parts, size_t n, bool control,
         uint64_t *seq)
{
    struct sent *s = &core[index].sent[core[index].count % SENT_MAX];
    (void)arg;
    if (core[index].full)
        return ERR_BUSY;
    (void)control;
    core[index].count++;
    core[index].seq++;
    if (seq != NULL)
        *seq = core[index].seq;
    if (count_only)
        return OK;
    *s = (struct sent){.type = type};
    if (type == FEED_PUBLISH) {
        uint8_t all[256];
        struct publish_record r;
        size_t len = 0, i;
        for (i = 0; i < n; i++) {
            memcpy(all + len, parts[i].data, parts[i].len);
            len += parts[i].len;
        }
        CU_ASSERT_EQUAL_FATAL(publish_record_decode(slice_of(all, len), &r), OK);
        CU_ASSERT_EQUAL(r.origin, 42);
        s->number = r.token;
        s->floor = r.floor;
        snprintf(s->text, sizeof(s->text), "%.*s", (int)r.topic.len, r.topic.data);
    } else if (n != 0 && parts[0].len >= 8) {
        CU_ASSERT_EQUAL(records_number_decode(slice_sub(parts[0], 0, 8), &s->number), OK);
        if (n == 2)
            snprintf(s->text, sizeof(s->text), "%.*s", (int)parts[1].len, parts[1].data);
    }
    return OK;
}

static void
f_routes(void *arg, core_client_route_fn fn, void *fn_arg)
{
    (void)arg;
    fn(fn_arg, slice_cstr("mine/1"), 0);
    fn(fn_arg, slice_cstr("mine/2"), ROUTE_QOS1);
}

static void
f_route_done(void *arg, uint64_t cookie, enum err err)
{
    (void)arg;
    (void)cookie;
    route_ok += err == OK;
    route_timeout += err == ERR_TIMEOUT;
}

static void
f_token_done(void *arg, uint64_t a, uint64_t b, bool wanted)
{
    (void)arg;
    if (!count_only)
        CU_ASSERT_EQUAL(b, a + 1000);
    answers[answer_count++ % SENT_MAX] = a;
    wanted_count += wanted;
}

static void
f_digest_add(void *arg, struct slice filter)
{
    (void)arg;
    (void)filter;
    adds++;
}

static void
f_digest_remove(void *arg, struct slice filter)
{
    (void)arg;
    (void)filter;
    removes++;
}

static void
f_digest_apply(void *arg, uint64_t s)
{
    (void)arg;
    stamp = s;
}

static void
f_digest_valid(void *arg, bool on)
{
    (void)arg;
    valid = on;
}

static void
f_hold(void *arg, bool on)
{
    (void)arg;
    holds += on;
    releases += !on;
}

static void
setup(uint32_t tokens_max, size_t bytes_max)
{
    static const struct core_client_io io = {f_append,       f_routes,       f_route_done,
                                             f_token_done,   f_digest_add,   f_digest_remove,
                                             f_digest_apply, f_digest_valid, f_hold};
    struct core_client_config config = {.origin = 42,
                                        .ticket_base = 1000,
                                        .digests = true,
                                        .tokens_max = tokens_max,
                                        .bytes_max = bytes_max,
                                        .tickets_max = 100,
                                        .digest_max = 4,
                                        .flush_ms = 500,
                                        .grace_ms = 300};
    memset(core, 0, sizeof(core));
    answer_count = wanted_count = route_ok = route_timeout = 0;
    adds = removes = holds = releases = 0;
    valid = count_only = false;
    stamp = 0;
    client = core_client_new(&config, &io, NULL);
    CU_ASSERT_EQUAL(core_client_core_add(client, slice_cstr("a:1")), 0);
    CU_ASSERT_EQUAL(core_client_core_add(client, slice_cstr("b:1")), 1);
    core_client_tick(client, 1000);
}

static enum err
publish(const char *topic, uint8_t qos, uint64_t a)
{
    struct publish_record r = {.qos = qos, .topic = slice_cstr(topic)};
    uint8_t bytes[128];
    size_t len = publish_record_encode_head(&r, bytes);
    return core_client_publish(client, slice_of(bytes, len), a, a + 1000);
}

static void
done(uint32_t index, uint64_t token)
{
    uint8_t bytes[RECORDS_TOKEN_DONE_BYTES];
    size_t len = records_token_done_encode(token, 1, bytes);
    CU_ASSERT_EQUAL(core_client_record(client, index, FEED_TOKEN_DONE, slice_of(bytes, len)), OK);
}

static void
number_record(uint32_t index, uint8_t type, uint64_t number, const char *tail)
{
    uint8_t bytes[64];
    size_t len = records_number_encode(number, bytes);
    memcpy(bytes + len, tail, strlen(tail));
    len = type == FEED_RESYNC_END ? 0 : len + strlen(tail);
    CU_ASSERT_EQUAL(core_client_record(client, index, type, slice_of(bytes, len)), OK);
}

static unsigned
count(uint32_t index, uint8_t type)
{
    unsigned n = 0, i;
    for (i = 0; i < core[index].count; i++)
        n += core[index].sent[i].type == type;
    return n;
}

/* The n-th record of a type, NULL if there are fewer. */
static const struct sent *
nth(uint32_t index, uint8_t type, unsigned n)
{
    unsigned i;
    for (i = 0; i < core[index].count; i++) {
        if (core[index].sent[i].type == type && n-- == 0)
            return &core[index].sent[i];
    }
    return NULL;
}

static void
routes_are_told_at_up(void)
{
    setup(0, 0);
    core_client_up(client, 0, 0);
    CU_ASSERT_EQUAL(core[0].count, 3);
    CU_ASSERT_TRUE(core[0].sent[0].type == FEED_ROUTE_ADD && core[0].sent[0].number == 0);
    CU_ASSERT_STRING_EQUAL(core[0].sent[1].text, "mine/2");
    CU_ASSERT_EQUAL(core[0].sent[2].type, FEED_RESYNC_END);
    core_client_free(client);
}

static void
a_core_that_served_without_our_routes_is_told_apart(void)
{
    setup(0, 0);
    CU_ASSERT_FALSE(core_client_up(client, 0, STATE_SERVING)); /* nothing was promised before */
    CU_ASSERT_FALSE(core_client_up(client, 1, STATE_SERVING));
    core_client_down(client, 1);
    CU_ASSERT_FALSE(core_client_up(client, 1, 0)); /* nobody published through it meanwhile */
    core_client_down(client, 1);
    CU_ASSERT_TRUE(core_client_up(client, 1, STATE_SERVING));
    core_client_free(client);
    setup(0, 0);
    CU_ASSERT_FALSE(core_client_up(client, 0, STATE_SERVING));
    CU_ASSERT_EQUAL(core_client_route_add(client, slice_cstr("new"), 0, 7, 5000), OK);
    core_client_tick(client, 1400); /* the other one's grace is over */
    number_record(0, FEED_ROUTE_DONE, 1001, "");
    CU_ASSERT_EQUAL(route_ok, 1);
    CU_ASSERT_TRUE(core_client_up(client, 1, STATE_SERVING)); /* met late */
    core_client_free(client);
}

static void
publishes_wait_for_a_core_that_serves(void)
{
    setup(0, 0);
    CU_ASSERT_EQUAL(publish("t", 1, 1), OK);
    CU_ASSERT_EQUAL(publish("t", 0, 0), ERR_UNAVAILABLE);
    core_client_up(client, 0, 0);
    CU_ASSERT_EQUAL(publish("t", 1, 2), OK);
    CU_ASSERT_EQUAL(count(0, FEED_PUBLISH), 0);
    core_client_state(client, 0, STATE_SERVING);
    CU_ASSERT_EQUAL(count(0, FEED_PUBLISH), 2);
    CU_ASSERT_TRUE(nth(0, FEED_PUBLISH, 0)->number == 1 && nth(0, FEED_PUBLISH, 1)->number == 2);
    CU_ASSERT_EQUAL(publish("t", 0, 0), OK);
    CU_ASSERT_EQUAL(nth(0, FEED_PUBLISH, 2)->number, 0);
    core_client_free(client);
}

static void
answer_comes_once_and_moves_the_floor(void)
{
    setup(0, 0);
    core_client_up(client, 0, STATE_SERVING);
    (void)!publish("t", 1, 1);
    (void)!publish("t", 1, 2);
    (void)!publish("t", 1, 3);
    done(0, 2);
    done(0, 2);
    done(0, 77);
    done(1, 1); /* not the core that has it */
    CU_ASSERT_TRUE(answer_count == 1 && answers[0] == 2 && wanted_count == 1);
    (void)!publish("t", 1, 4);
    CU_ASSERT_EQUAL(nth(0, FEED_PUBLISH, 3)->floor, 1);
    done(0, 1);
    (void)!publish("t", 1, 5);
    CU_ASSERT_EQUAL(nth(0, FEED_PUBLISH, 4)->floor, 3);
    CU_ASSERT_EQUAL(core_client_stats(client).tokens_open, 3);
    CU_ASSERT_EQUAL(core_client_record(client, 0, FEED_TOKEN_DONE, slice_of("x", 1)),
                    ERR_MALFORMED);
    CU_ASSERT_EQUAL(core_client_record(client, 0, FEED_PUBLISH, slice_of("x", 1)), ERR_UNSUPPORTED);
    core_client_free(client);
}

static void
lost_core_means_sent_again_in_order(void)
{
    unsigned i;
    setup(0, 0);
    core_client_up(client, 0, STATE_SERVING);
    for (i = 1; i <= 10; i++)
        (void)!publish("t", 1, i);
    done(0, 4);
    core_client_down(client, 0);
    (void)!publish("t", 1, 11);
    core[0].count = 0;
    core_client_up(client, 0, 0); /* a new incarnation: not serving yet */
    CU_ASSERT_EQUAL(count(0, FEED_PUBLISH), 0);
    core_client_state(client, 0, STATE_SERVING);
    CU_ASSERT_EQUAL_FATAL(count(0, FEED_PUBLISH), 10);
    for (i = 0; i < 10; i++)
        CU_ASSERT_EQUAL(nth(0, FEED_PUBLISH, i)->number, i + 1 + (i >= 3));
    for (i = 1; i <= 11; i++)
        done(0, i);
    CU_ASSERT_EQUAL(answer_count, 11);
    CU_ASSERT_EQUAL(core_client_stats(client).bytes_kept, 0);
    CU_ASSERT_EQUAL(core_client_stats(client).resent, 9);
    core_client_free(client);
}

static void
lost_core_hands_its_topics_to_the_other(void)
{
    char topic[16];
    unsigned i, a, b;
    setup(0, 0);
    core_client_up(client, 0, STATE_SERVING);
    core_client_up(client, 1, STATE_SERVING);
    done(0, nth(0, FEED_FLUSH, 0)->number);
    for (i = 0; i < 100; i++) {
        snprintf(topic, sizeof(topic), "t/%u", i);
        (void)!publish(topic, 1, i);
    }
    a = count(0, FEED_PUBLISH);
    b = count(1, FEED_PUBLISH);
    CU_ASSERT_TRUE(a + b == 100 && a > 25 && b > 25);
    core_client_down(client, 0);
    CU_ASSERT_EQUAL(count(1, FEED_PUBLISH), 100);
    for (i = b; i + 1 < 100; i++)
        CU_ASSERT_TRUE(nth(1, FEED_PUBLISH, i)->number < nth(1, FEED_PUBLISH, i + 1)->number);
    CU_ASSERT_EQUAL(count(1, FEED_FLUSH), 0); /* nothing moves away from it */
    core_client_free(client);
}

static void
moved_topics_are_held_until_the_former_core_is_flushed(void)
{
    char topic[16];
    unsigned i, before;
    setup(0, 0);
    core_client_up(client, 0, STATE_SERVING);
    (void)!publish("t/1", 1, 1);
    core_client_up(client, 1, STATE_SERVING);
    CU_ASSERT_EQUAL_FATAL(count(0, FEED_FLUSH), 1);
    for (i = 0; i < 100; i++) {
        snprintf(topic, sizeof(topic), "t/%u", i);
        (void)!publish(topic, i % 2 == 0 ? 1 : 0, i);
    }
    before = count(0, FEED_PUBLISH);
    CU_ASSERT_EQUAL(count(1, FEED_PUBLISH), 0);
    CU_ASSERT_TRUE(before > 20 && before < 80); /* those that stay are not held */
    done(0, nth(0, FEED_FLUSH, 0)->number);
    CU_ASSERT_EQUAL(count(0, FEED_PUBLISH), before);
    CU_ASSERT_EQUAL(count(1, FEED_PUBLISH), 101 - before);
    CU_ASSERT_EQUAL(core_client_stats(client).unsent, 0);
    core_client_free(client);
}

static void
flush_that_is_never_answered_times_out(void)
{
    setup(0, 0);
    core_client_up(client, 0, STATE_SERVING);
    core_client_up(client, 1, STATE_SERVING);
    core_client_state(client, 0, 0); /* and again, while we flush: everything is held */
    CU_ASSERT_EQUAL(count(0, FEED_FLUSH), 2);
    (void)!publish("t", 1, 1);
    done(0, nth(0, FEED_FLUSH, 0)->number); /* the first no longer counts */
    CU_ASSERT_EQUAL(count(1, FEED_PUBLISH), 0);
    core_client_tick(client, 1499);
    CU_ASSERT_EQUAL(count(1, FEED_PUBLISH), 0);
    core_client_tick(client, 1500);
    CU_ASSERT_EQUAL(count(1, FEED_PUBLISH), 1);
    CU_ASSERT_EQUAL(core_client_stats(client).flush_timeouts, 1);
    core_client_free(client);
}

static void
era_rises_when_a_core_may_still_pass_on_what_it_got(void)
{
    setup(0, 0);
    core_client_up(client, 0, STATE_SERVING);
    (void)!publish("t", 0, 1);
    CU_ASSERT_EQUAL(nth(0, FEED_PUBLISH, 0)->floor, 0);
    core_client_up(client, 1, 0);
    core_client_down(client, 1); /* it was given nothing */
    CU_ASSERT_EQUAL(core_client_stats(client).era, 0);
    core_client_down(client, 0);
    core_client_up(client, 1, STATE_SERVING);
    (void)!publish("t", 0, 2);
    CU_ASSERT_EQUAL(nth(1, FEED_PUBLISH, 0)->floor, 1);
    (void)!publish("t", 1, 3); /* has a token: its floor is the floor */
    CU_ASSERT_EQUAL(nth(1, FEED_PUBLISH, 1)->floor, 1);
    CU_ASSERT_EQUAL(nth(1, FEED_PUBLISH, 1)->number, 1);
    core_client_state(client, 1, 0); /* it retires, is flushed, and goes */
    done(1, nth(1, FEED_FLUSH, 0)->number);
    core_client_down(client, 1);
    CU_ASSERT_EQUAL(core_client_stats(client).era, 1);
    core_client_up(client, 1, STATE_SERVING);
    core_client_state(client, 1, 0); /* the same, and it goes without an answer */
    core_client_down(client, 1);
    CU_ASSERT_EQUAL(core_client_stats(client).era, 2);
    core_client_up(client, 1, STATE_SERVING);
    core_client_state(client, 1, 0);
    core_client_tick(client, 5000); /* never answered */
    CU_ASSERT_EQUAL(core_client_stats(client).flush_timeouts, 1);
    CU_ASSERT_EQUAL(core_client_stats(client).era, 3);
    core_client_free(client);
}

static void
full_feed_keeps_order_and_room_goes_on(void)
{
    unsigned i;
    setup(0, 0);
    core_client_up(client, 0, STATE_SERVING);
    core[0].full = true;
    for (i = 1; i <= 5; i++)
        CU_ASSERT_EQUAL(publish("t", i == 3 ? 0 : 1, i), OK);
    core_client_route_remove(client, slice_cstr("gone"));
    CU_ASSERT_EQUAL(core_client_stats(client).unsent, 4);
    core[0].full = false;
    core_client_room(client, 0);
    CU_ASSERT_EQUAL(count(0, FEED_PUBLISH), 5);
    CU_ASSERT_EQUAL(count(0, FEED_ROUTE_REMOVE), 1);
    CU_ASSERT_TRUE(nth(0, FEED_PUBLISH, 1)->number == 2 && nth(0, FEED_PUBLISH, 2)->number == 0 &&
                   nth(0, FEED_PUBLISH, 3)->number == 3);
    CU_ASSERT_EQUAL(core_client_stats(client).unsent, 0);
    core_client_free(client);
}

static void
bounds_hold_early_and_refuse_at_the_end(void)
{
    unsigned i;
    setup(16, 0);
    for (i = 1; i <= 16; i++)
        CU_ASSERT_EQUAL(publish("t", 1, i), OK);
    CU_ASSERT_EQUAL(holds, 1);
    CU_ASSERT_EQUAL(publish("t", 1, 17), ERR_BUSY);
    core_client_up(client, 0, STATE_SERVING);
    for (i = 2; i <= 16; i++)
        done(0, i);
    CU_ASSERT_EQUAL(publish("t", 1, 17), ERR_BUSY); /* token 1 is still open */
    done(0, 1);
    CU_ASSERT_EQUAL(releases, 1);
    CU_ASSERT_EQUAL(publish("t", 1, 17), OK);
    core_client_free(client);
    setup(0, 1000);
    for (i = 0; publish("t", 1, i) == OK; i++)
        ;
    CU_ASSERT_TRUE(i > 4 && i < 20 && core_client_stats(client).bytes_kept <= 1000);
    CU_ASSERT_EQUAL(core_client_publish(client, slice_of("short", 5), 0, 0), ERR_MALFORMED);
    core_client_free(client);
}

static void
owner_may_number_publishes_with_gaps(void)
{
    struct publish_record r = {.qos = 1, .topic = slice_cstr("t")};
    uint8_t bytes[64];
    struct slice record = slice_of(bytes, publish_record_encode_head(&r, bytes));
    setup(0, 0);
    core_client_up(client, 0, STATE_SERVING);
    CU_ASSERT_EQUAL(core_client_publish_numbered(client, 5000000, record, 1, 1001), OK);
    CU_ASSERT_EQUAL(core_client_publish_numbered(client, 5000000, record, 1, 1001), ERR_INVALID);
    CU_ASSERT_EQUAL(core_client_publish_numbered(client, 5000300, record, 2, 1002), OK);
    CU_ASSERT_EQUAL(core_client_publish_numbered(client, 5000000 + (1u << 20), record, 3, 1003),
                    ERR_BUSY);
    CU_ASSERT_EQUAL(nth(0, FEED_PUBLISH, 1)->floor, 5000000);
    done(0, 5000300);
    done(0, 5000000);
    CU_ASSERT_EQUAL(answer_count, 2);
    CU_ASSERT_EQUAL(core_client_publish_numbered(client, 5000000 + (1u << 20), record, 3, 1003),
                    OK);
    CU_ASSERT_EQUAL(nth(0, FEED_PUBLISH, 2)->floor, 5000000 + (1u << 20));
    core_client_free(client);
}

static void
route_done(uint32_t index, uint64_t ticket)
{
    number_record(index, FEED_ROUTE_DONE, ticket, "");
}

static void
ticket_needs_every_core(void)
{
    setup(0, 0);
    core_client_up(client, 0, STATE_SERVING);
    core_client_up(client, 1, STATE_SERVING);
    CU_ASSERT_EQUAL(core_client_route_add(client, slice_cstr("f"), 0, 1, 9000), OK);
    route_done(0, 1001);
    route_done(0, 1001);
    CU_ASSERT_EQUAL(route_ok, 0);
    route_done(1, 1001);
    CU_ASSERT_EQUAL(route_ok, 1);
    route_done(1, 1001);
    CU_ASSERT_EQUAL(route_ok, 1);
    core_client_free(client);
}

static void
core_that_does_not_serve_must_only_have_taken_the_route(void)
{
    setup(0, 0);
    core_client_up(client, 0, STATE_SERVING);
    core_client_up(client, 1, 0);
    CU_ASSERT_EQUAL(core_client_route_add(client, slice_cstr("f"), 0, 1, 9000), OK);
    route_done(0, 1001);
    CU_ASSERT_EQUAL(route_ok, 0);
    core_client_done(client, 1, core[1].seq - 1);
    CU_ASSERT_EQUAL(route_ok, 0);
    core_client_done(client, 1, core[1].seq);
    CU_ASSERT_EQUAL(route_ok, 1);
    /* Taken by both, but nobody serves: no answer. */
    core_client_state(client, 0, 0);
    CU_ASSERT_EQUAL(core_client_route_add(client, slice_cstr("g"), 0, 1, 9000), OK);
    core_client_done(client, 0, core[0].seq);
    core_client_done(client, 1, core[1].seq);
    CU_ASSERT_EQUAL(route_ok, 1);
    core_client_free(client);
}

static void
core_that_is_away_delays_tickets_for_its_grace(void)
{
    setup(0, 0);
    core_client_up(client, 0, STATE_SERVING);
    CU_ASSERT_EQUAL(core_client_route_add(client, slice_cstr("f"), 0, 1, 9000), OK);
    route_done(0, 1001);
    core_client_tick(client, 1299);
    CU_ASSERT_EQUAL(route_ok, 0);
    core_client_tick(client, 1300);
    CU_ASSERT_EQUAL(route_ok, 1);
    core_client_free(client);
}

static void
ticket_survives_a_restart_of_the_core_and_times_out(void)
{
    unsigned i;
    setup(0, 0);
    core_client_tick(client, 1500); /* core 1 never comes */
    CU_ASSERT_EQUAL(core_client_route_add(client, slice_cstr("f"), 0, 1, 3000), OK);
    core_client_up(client, 0, 0);
    CU_ASSERT_EQUAL(nth(0, FEED_ROUTE_ADD, 2)->number, 1001);
    core_client_down(client, 0);
    core_client_up(client, 0, STATE_SERVING);
    CU_ASSERT_EQUAL(nth(0, FEED_ROUTE_ADD, 5)->number, 1001);
    route_done(0, 1001);
    CU_ASSERT_EQUAL(route_ok, 1);
    CU_ASSERT_EQUAL(core_client_route_add(client, slice_cstr("f"), 0, 1, 3000), OK);
    core_client_tick(client, 2999);
    CU_ASSERT_EQUAL(route_timeout, 0);
    core_client_tick(client, 3000);
    CU_ASSERT_EQUAL(route_timeout, 1);
    route_done(0, 1002);
    CU_ASSERT_EQUAL(route_ok, 1);
    for (i = 0; i < 100; i++)
        CU_ASSERT_EQUAL(core_client_route_add(client, slice_cstr("f"), 0, 1, 9000), OK);
    CU_ASSERT_EQUAL(core_client_route_add(client, slice_cstr("f"), 0, 1, 9000), ERR_BUSY);
    core_client_free(client);
}

static void
digest_is_valid_once_it_is_whole(void)
{
    setup(0, 0);
    core_client_up(client, 0, STATE_SERVING);
    number_record(0, FEED_DIGEST_RESET, 1, "");
    number_record(0, FEED_DIGEST_ADD, 1, "a");
    CU_ASSERT_TRUE(!valid && adds == 1 && stamp == 0);
    number_record(0, FEED_RESYNC_END, 0, "");
    CU_ASSERT_TRUE(valid && stamp == 1);
    CU_ASSERT_EQUAL(count(0, FEED_DIGEST_ACK), 0);
    number_record(0, FEED_DIGEST_ADD, 2, "b");
    number_record(0, FEED_DIGEST_ADD, 3, "c");
    CU_ASSERT_EQUAL(stamp, 1); /* one under way at a time */
    core_client_digest_applied(client, 1);
    CU_ASSERT_EQUAL(nth(0, FEED_DIGEST_ACK, 0)->number, 1);
    CU_ASSERT_EQUAL(stamp, 2);
    core_client_digest_applied(client, 1);
    CU_ASSERT_EQUAL(count(0, FEED_DIGEST_ACK), 1);
    core_client_digest_applied(client, 2);
    CU_ASSERT_EQUAL(nth(0, FEED_DIGEST_ACK, 1)->number, 3);
    core_client_state(client, 0, 0);
    CU_ASSERT_FALSE(valid);
    core_client_free(client);
}

static void
new_digest_replaces_the_old_one_without_a_gap(void)
{
    setup(0, 0);
    core_client_up(client, 0, STATE_SERVING);
    number_record(0, FEED_DIGEST_RESET, 1, "");
    number_record(0, FEED_DIGEST_ADD, 1, "a");
    number_record(0, FEED_DIGEST_ADD, 1, "b");
    number_record(0, FEED_RESYNC_END, 0, "");
    number_record(0, FEED_DIGEST_RESET, 2, "");
    number_record(0, FEED_DIGEST_ADD, 2, "b");
    CU_ASSERT_TRUE(valid && adds == 2 && removes == 0);
    number_record(0, FEED_RESYNC_END, 0, "");
    CU_ASSERT_TRUE(valid && adds == 2 && removes == 1);
    core_client_free(client);
}

static void
digests_of_cores_are_merged(void)
{
    unsigned i;
    setup(0, 0);
    for (i = 0; i < CORES; i++) {
        core_client_up(client, i, STATE_SERVING);
        number_record(i, FEED_DIGEST_RESET, 1, "");
        number_record(i, FEED_DIGEST_ADD, 1, "a");
        number_record(i, FEED_RESYNC_END, 0, "");
    }
    CU_ASSERT_EQUAL(adds, 1);
    number_record(0, FEED_DIGEST_REMOVE, 2, "a");
    CU_ASSERT_EQUAL(removes, 0);
    core_client_down(client, 0);
    CU_ASSERT_TRUE(valid);
    number_record(1, FEED_DIGEST_REMOVE, 2, "a");
    CU_ASSERT_EQUAL(removes, 1);
    number_record(1, FEED_DIGEST_ADD, 3, "b");
    core_client_down(client, 1);
    CU_ASSERT_TRUE(!valid && removes == 1); /* kept until there is a valid one */
    core_client_up(client, 0, STATE_SERVING);
    number_record(0, FEED_DIGEST_RESET, 1, "");
    number_record(0, FEED_RESYNC_END, 0, "");
    CU_ASSERT_TRUE(valid && removes == 2);
    core_client_free(client);
}

static void
digest_that_is_too_long_is_not_valid(void)
{
    char name[8];
    unsigned i;
    setup(0, 0);
    core_client_up(client, 0, STATE_SERVING);
    number_record(0, FEED_DIGEST_RESET, 1, "");
    for (i = 0; i < 20; i++) {
        snprintf(name, sizeof(name), "f%u", i);
        number_record(0, FEED_DIGEST_ADD, 1, name);
    }
    number_record(0, FEED_RESYNC_END, 0, "");
    CU_ASSERT_TRUE(!valid && adds < 10);
    core_client_free(client);
}

static void
half_a_million_publishes_a_second_are_possible(void)
{
    struct publish_record r = {.qos = 1, .topic = slice_cstr("bench/topic/1")};
    uint8_t bytes[256] = {0}, answer[9 * 64];
    size_t len, at, i, k, total = 400000;
    uint64_t start, us;
    setup(0, 0);
    core_client_up(client, 0, STATE_SERVING);
    count_only = true;
    len = publish_record_encode_head(&r, bytes) + 100;
    start = clock_monotonic_us();
    for (i = 0; i < total; i += 64) {
        for (k = 0, at = 0; k < 64; k++) {
            (void)!core_client_publish(client, slice_of(bytes, len), i + k, 0);
            at += records_token_done_encode(i + k + 1, 0, answer + at);
        }
        (void)!core_client_record(client, 0, FEED_TOKEN_DONE, slice_of(answer, at));
    }
    us = clock_monotonic_us() - start;
    printf(" %.1f million/s ", (double)total / (double)(us + 1));
    CU_ASSERT_EQUAL(answer_count, total);
    CU_ASSERT_EQUAL(core_client_stats(client).tokens_open, 0);
    core_client_free(client);
}

static const struct cunit_case cases[] = {
    CUNIT_CASE(routes_are_told_at_up),
    CUNIT_CASE(a_core_that_served_without_our_routes_is_told_apart),
    CUNIT_CASE(publishes_wait_for_a_core_that_serves),
    CUNIT_CASE(answer_comes_once_and_moves_the_floor),
    CUNIT_CASE(lost_core_means_sent_again_in_order),
    CUNIT_CASE(lost_core_hands_its_topics_to_the_other),
    CUNIT_CASE(moved_topics_are_held_until_the_former_core_is_flushed),
    CUNIT_CASE(flush_that_is_never_answered_times_out),
    CUNIT_CASE(era_rises_when_a_core_may_still_pass_on_what_it_got),
    CUNIT_CASE(full_feed_keeps_order_and_room_goes_on),
    CUNIT_CASE(bounds_hold_early_and_refuse_at_the_end),
    CUNIT_CASE(owner_may_number_publishes_with_gaps),
    CUNIT_CASE(ticket_needs_every_core),
    CUNIT_CASE(core_that_does_not_serve_must_only_have_taken_the_route),
    CUNIT_CASE(core_that_is_away_delays_tickets_for_its_grace),
    CUNIT_CASE(ticket_survives_a_restart_of_the_core_and_times_out),
    CUNIT_CASE(digest_is_valid_once_it_is_whole),
    CUNIT_CASE(new_digest_replaces_the_old_one_without_a_gap),
    CUNIT_CASE(digests_of_cores_are_merged),
    CUNIT_CASE(digest_that_is_too_long_is_not_valid),
    CUNIT_CASE(half_a_million_publishes_a_second_are_possible),
};
CUNIT_MAIN("core_client", cases)
