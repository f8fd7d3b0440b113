/* SPDX-License-Identifier: Apache-2.0 */
/* Subscriptions of persistent sessions: matching, overlaps, no-local, routes. */
#include "services/store/subscriptions.h"
#include "services/store/subscriptions_share.h"

#include "common/clock.h"
#include "proto/topic.h"
#include "services/store/sessions.h"
#include "tests/unit/cunit_main.h"

#include <stdlib.h>
#include <string.h>

static struct sessions *sessions;
static struct subscriptions *subs;

static struct session *
make(const char *name)
{
    struct session *session = NULL;
    CU_ASSERT_EQUAL_FATAL(
        sessions_add(sessions, slice_cstr(name), sessions_next_number(sessions), &session), OK);
    session_make_lasting(session, 1);
    return session;
}

static void
begin(void)
{
    sessions = sessions_new(1, 1000);
    subs = subscriptions_new(1000);
}

static void
end(void)
{
    subscriptions_free(subs);
    sessions_free(sessions);
}

static enum subscription_change
put(struct session *session, const char *filter, uint8_t qos, uint32_t id, bool no_local)
{
    struct subscription_options options = {.identifier = id, .qos = qos, .no_local = no_local};
    enum subscription_change change = SUBSCRIPTION_ROUTE_SAME;
    bool is_new;
    CU_ASSERT_EQUAL(
        subscriptions_put(subs, session, slice_cstr(filter), &options, &is_new, &change), OK);
    return change;
}

static void
overlapping_subscriptions_are_one_delivery_with_the_highest_qos_and_all_identifiers(void)
{
    struct subscription_hit *hits;
    struct session *a;
    struct session *b;
    uint32_t ids[255];
    begin();
    a = make("a");
    b = make("b");
    (void)put(a, "x/+", 0, 3, false);
    (void)put(a, "x/#", 2, 4, false);
    (void)put(a, "x/y", 1, 0, false);
    (void)put(b, "x/y", 1, 9, false);
    CU_ASSERT_EQUAL(subscriptions_match(subs, slice_cstr("x/y"), 0, &hits), 2);
    if (hits[0].session == b)
        hits[0] = hits[1];
    CU_ASSERT_PTR_EQUAL(hits[0].session, a);
    CU_ASSERT_EQUAL(hits[0].qos, 2);
    CU_ASSERT_EQUAL_FATAL(hits[0].id_count, 2);
    subscriptions_hit_ids(subs, &hits[0], ids);
    CU_ASSERT_EQUAL(ids[0] + ids[1], 7);
    end();
}

static void
no_local_leaves_out_what_the_session_published_itself(void)
{
    struct subscription_hit *hits;
    struct session *a;
    begin();
    a = make("a");
    (void)put(a, "x", 1, 0, true);
    CU_ASSERT_EQUAL(subscriptions_match(subs, slice_cstr("x"), a->number, &hits), 0);
    CU_ASSERT_EQUAL(subscriptions_match(subs, slice_cstr("x"), a->number + 1, &hits), 1);
    end();
}

static void
count_route(void *arg, struct slice filter)
{
    (void)filter;
    ++*(unsigned *)arg;
}

static void
a_route_is_wanted_from_the_first_to_the_last_subscription_above_qos_0(void)
{
    struct session *a;
    struct session *b;
    enum subscription_change change;
    unsigned routes = 0;
    begin();
    a = make("a");
    b = make("b");
    CU_ASSERT_EQUAL(put(a, "x", 0, 0, false), SUBSCRIPTION_ROUTE_SAME);
    CU_ASSERT_EQUAL(put(a, "x", 1, 0, false), SUBSCRIPTION_ROUTE_ADD);
    CU_ASSERT_EQUAL(put(b, "x", 2, 0, false), SUBSCRIPTION_ROUTE_SAME);
    CU_ASSERT_EQUAL(put(a, "x", 0, 0, false), SUBSCRIPTION_ROUTE_SAME);
    subscriptions_each_route(subs, count_route, &routes);
    CU_ASSERT_EQUAL(routes, 1);
    CU_ASSERT_EQUAL(subscriptions_remove(subs, b, slice_cstr("x"), &change), OK);
    CU_ASSERT_EQUAL(change, SUBSCRIPTION_ROUTE_REMOVE);
    CU_ASSERT_FALSE(subscriptions_has_route(subs, slice_cstr("x")));
    CU_ASSERT_EQUAL(subscriptions_remove(subs, b, slice_cstr("x"), &change), ERR_NOT_FOUND);
    (void)put(b, "x", 1, 0, false);
    (void)put(b, "y", 1, 0, false);
    routes = 0;
    subscriptions_remove_all(subs, b, count_route, &routes);
    CU_ASSERT_EQUAL(routes, 2);
    CU_ASSERT_EQUAL(subscriptions_count(subs), 1);
    CU_ASSERT_EQUAL(subscriptions_filter_count(subs), 1);
    end();
}

#define PEOPLE  30u
#define FILTERS 12u

static void
any_set_of_subscriptions_agrees_with_a_plain_list(void)
{
    static const char *const filters[FILTERS] = {"a", "a/b", "a/+",   "a/#", "+/b", "#",
                                                 "b", "+",   "a/b/c", "+/+", "b/#", "a/+/c"};
    static const char *const topics[] = {"a", "b", "a/b", "a/c", "b/b", "a/b/c", "$a/b"};
    unsigned seed = (unsigned)clock_monotonic_us();
    int want[PEOPLE][FILTERS]; /* QoS, -1: none */
    struct session *people[PEOPLE];
    unsigned round;
    unsigned i;
    unsigned f;
    memset(want, -1, sizeof(want));
    printf("seed %u ", seed);
    srand(seed);
    begin();
    for (i = 0; i < PEOPLE; i++) {
        char name[8] = {'c', (char)('A' + (char)i), 0};
        people[i] = make(name);
    }
    for (round = 0; round < 2000; round++) {
        const char *topic = topics[(unsigned)rand() % 7];
        struct subscription_hit *hits;
        size_t count;
        size_t expected = 0;
        i = (unsigned)rand() % PEOPLE;
        f = (unsigned)rand() % FILTERS;
        if (rand() % 2 == 0) {
            want[i][f] = rand() % 3;
            (void)put(people[i], filters[f], (uint8_t)want[i][f], f + 1, false);
        } else {
            enum subscription_change change;
            enum err err = subscriptions_remove(subs, people[i], slice_cstr(filters[f]), &change);
            CU_ASSERT_EQUAL_FATAL(err, want[i][f] >= 0 ? OK : ERR_NOT_FOUND);
            want[i][f] = -1;
        }
        count = subscriptions_match(subs, slice_cstr(topic), 0, &hits);
        for (i = 0; i < PEOPLE; i++) {
            int best = -1;
            unsigned ids = 0;
            size_t h;
            for (f = 0; f < FILTERS; f++) {
                if (want[i][f] >= 0 && topic_matches(slice_cstr(filters[f]), slice_cstr(topic))) {
                    best = want[i][f] > best ? want[i][f] : best;
                    ids++;
                }
            }
            if (best < 0)
                continue;
            expected++;
            for (h = 0; h < count && hits[h].session != people[i]; h++) {
            }
            CU_ASSERT_FATAL(h < count);
            CU_ASSERT_EQUAL_FATAL(hits[h].qos, best);
            CU_ASSERT_EQUAL_FATAL(hits[h].id_count, ids);
        }
        CU_ASSERT_EQUAL_FATAL(count, expected);
    }
    end();
}

static const char share[] = "$share/g/t";

static void
count_share(void *arg, struct slice filter)
{
    unsigned *changes = arg;
    CU_ASSERT_TRUE(slice_equal_cstr(filter, share));
    (*changes)++;
}

/* Connects it, or not. Returns how many shares changed. */
static unsigned
wake(struct session *session, bool on)
{
    unsigned changes = 0;
    session->state = on ? SESSION_CONNECTED : SESSION_DISCONNECTED;
    subscriptions_share_wake(subs, session, count_share, &changes);
    return changes;
}

static bool
is_not(void *arg, const struct session *session)
{
    return session != arg;
}

static const struct session *
pick(uint32_t number, struct session *full)
{
    const struct subscription_hit *hit =
        subscriptions_share_pick(subs, slice_cstr(share), number, is_not, full);
    return hit != NULL ? hit->session : NULL;
}

static void
one_member_of_a_share_is_picked_connected_ones_first(void)
{
    struct session *a, *b, *c;
    enum subscription_change change;
    begin();
    a = make("a");
    b = make("b");
    c = make("c");
    CU_ASSERT_PTR_NULL(pick(0, NULL));
    CU_ASSERT_EQUAL(put(a, share, 1, 0, false), SUBSCRIPTION_ROUTE_ADD);
    (void)put(b, share, 2, 9, false);
    (void)put(c, share, 0, 0, false); /* its gateway's matter */
    CU_ASSERT_EQUAL(subscriptions_share_awake(subs, slice_cstr(share)), 0);
    CU_ASSERT_PTR_EQUAL(pick(0, NULL), a); /* all sleep */
    CU_ASSERT_PTR_EQUAL(pick(1, NULL), b);
    CU_ASSERT_PTR_EQUAL(pick(2, NULL), a);
    CU_ASSERT_PTR_EQUAL(pick(0, a), b); /* whoever has room */
    CU_ASSERT_EQUAL(wake(b, true), 1);
    CU_ASSERT_EQUAL(wake(b, true), 0);
    CU_ASSERT_EQUAL(wake(c, true), 0);
    CU_ASSERT_EQUAL(subscriptions_share_awake(subs, slice_cstr(share)), 1);
    for (uint32_t i = 0; i < 4; i++)
        CU_ASSERT_PTR_EQUAL(pick(i, NULL), b);
    CU_ASSERT_PTR_EQUAL(pick(0, b), b); /* full, but the only one that is awake */
    CU_ASSERT_EQUAL(wake(a, true), 1);
    CU_ASSERT_EQUAL(wake(b, false), 1);
    CU_ASSERT_PTR_EQUAL(pick(1, NULL), a);
    CU_ASSERT_EQUAL(subscriptions_remove(subs, a, slice_cstr(share), &change), OK);
    CU_ASSERT_EQUAL(subscriptions_share_awake(subs, slice_cstr(share)), 0);
    CU_ASSERT_PTR_EQUAL(pick(3, NULL), b);
    end();
}

static void
a_pick_carries_the_mark_of_its_share_before_the_identifier(void)
{
    struct subscription_hit *hit;
    uint32_t ids[255];
    struct session *a;
    begin();
    a = make("a");
    (void)put(a, share, 2, 9, false);
    hit = subscriptions_share_pick(subs, slice_cstr(share), 0, is_not, NULL);
    CU_ASSERT_TRUE_FATAL(hit != NULL && hit->id_count == 2 && hit->qos == 2);
    subscriptions_hit_ids(subs, hit, ids);
    CU_ASSERT_EQUAL(ids[0], subscriptions_share_mark(slice_cstr(share)));
    CU_ASSERT_TRUE((ids[0] & SUBSCRIPTIONS_SHARE_MARK) != 0);
    CU_ASSERT_EQUAL(ids[1], 9);
    end();
}

static const struct cunit_case cases[] = {
    CUNIT_CASE(one_member_of_a_share_is_picked_connected_ones_first),
    CUNIT_CASE(a_pick_carries_the_mark_of_its_share_before_the_identifier),
    CUNIT_CASE(overlapping_subscriptions_are_one_delivery_with_the_highest_qos_and_all_identifiers),
    CUNIT_CASE(no_local_leaves_out_what_the_session_published_itself),
    CUNIT_CASE(a_route_is_wanted_from_the_first_to_the_last_subscription_above_qos_0),
    CUNIT_CASE(any_set_of_subscriptions_agrees_with_a_plain_list),
};
CUNIT_MAIN("subscriptions", cases)
