/* SPDX-License-Identifier: Apache-2.0 */
/* Groups: whose turn it is under each strategy, who is left out, resyncs. */
#include "services/core/groups.h"

#include "tests/unit/cunit_main.h"
#include <string.h>

enum { GATEWAY_A = 3, GATEWAY_B = 7, STORE = 9, PLACES = 16 };

static uint32_t closed; /* bit per place */

static bool
is_open(void *arg, uint32_t place)
{
    (void)arg;
    return (closed >> place & 1) == 0;
}

static bool
set(struct groups *groups, uint32_t place, const char *share, uint32_t count)
{
    struct groups_members members = {.count = count, .count_qos0 = count, .keeps = place == STORE};
    bool added = false;
    CU_ASSERT_EQUAL(groups_set(groups, place, slice_cstr(share), &members, &added), OK);
    return added;
}

static struct groups *
two_gateways(enum groups_strategy strategy)
{
    struct groups *groups = groups_new(100, strategy);
    closed = 0;
    CU_ASSERT_TRUE(set(groups, GATEWAY_A, "$share/g/t/+", 1));
    CU_ASSERT_TRUE(set(groups, GATEWAY_B, "$share/g/t/+", 3));
    return groups;
}

static uint32_t
choose(struct groups *groups, const char *share, const struct groups_ask *ask, uint32_t *pick,
       bool *wait)
{
    struct group *group = groups_get(groups, slice_cstr(share));
    CU_ASSERT_PTR_NOT_NULL_FATAL(group);
    return groups_choose(groups, group, ask, is_open, NULL, pick, wait);
}

/* How often each member of places below PLACES is chosen in n times. */
static void
count(struct groups *groups, struct groups_ask ask, unsigned n, unsigned counts[PLACES][4])
{
    memset(counts, 0, PLACES * sizeof(counts[0]));
    for (unsigned i = 0; i < n; i++) {
        uint32_t pick = 99;
        bool wait = true;
        ask.random = i * UINT64_C(0x9E3779B97F4A7C15) >> 20;
        uint32_t place = choose(groups, "$share/g/t/+", &ask, &pick, &wait);
        CU_ASSERT_FALSE(wait);
        CU_ASSERT_TRUE_FATAL(place < PLACES && pick < 4);
        counts[place][pick]++;
    }
}

static const struct groups_ask plain = {.qos = 1, .source = 0, .exclude = GROUPS_NO_PLACE};

static void
members_take_turns_however_they_are_spread(void)
{
    struct groups *groups = two_gateways(GROUPS_ROUND_ROBIN);
    unsigned counts[PLACES][4];
    count(groups, plain, 40, counts);
    CU_ASSERT_EQUAL(counts[GATEWAY_A][0], 10);
    for (unsigned i = 0; i < 3; i++)
        CU_ASSERT_EQUAL(counts[GATEWAY_B][i], 10);
    groups_free(groups);
}

static void
random_reaches_everybody(void)
{
    struct groups *groups = two_gateways(GROUPS_RANDOM);
    unsigned counts[PLACES][4];
    count(groups, plain, 400, counts);
    CU_ASSERT_TRUE(counts[GATEWAY_A][0] > 50);
    for (unsigned i = 0; i < 3; i++)
        CU_ASSERT_TRUE(counts[GATEWAY_B][i] > 50);
    groups_free(groups);
}

static void
sticky_stays_until_its_place_cannot(void)
{
    struct groups *groups = two_gateways(GROUPS_STICKY);
    unsigned counts[PLACES][4];
    count(groups, plain, 10, counts);
    CU_ASSERT_EQUAL(counts[GATEWAY_A][0], 10);
    closed = 1u << GATEWAY_A;
    count(groups, plain, 10, counts);
    CU_ASSERT_EQUAL(counts[GATEWAY_B][0] + counts[GATEWAY_B][1] + counts[GATEWAY_B][2], 10);
    CU_ASSERT_TRUE(counts[GATEWAY_B][0] == 10 || counts[GATEWAY_B][1] == 10 ||
                   counts[GATEWAY_B][2] == 10);
    groups_free(groups);
}

static void
hashes_always_choose_the_same(void)
{
    static const enum groups_strategy strategies[] = {GROUPS_HASH_CLIENT, GROUPS_HASH_TOPIC};
    for (unsigned s = 0; s < 2; s++) {
        struct groups *groups = two_gateways(strategies[s]);
        unsigned seen = 0;
        for (uint64_t key = 1; key < 40; key++) {
            struct groups_ask ask = plain;
            unsigned counts[PLACES][4], used = 0;
            ask.publisher = s == 0 ? key : 5;
            ask.topic = s == 0 ? 5 : key;
            count(groups, ask, 5, counts);
            for (unsigned p = 0; p < PLACES; p++) {
                for (unsigned i = 0; i < 4; i++) {
                    used += counts[p][i] == 5;
                    if (counts[p][i] == 5)
                        seen |= 1u << (p == GATEWAY_A ? 3 : i);
                }
            }
            CU_ASSERT_EQUAL(used, 1);
        }
        CU_ASSERT_EQUAL(seen, 15); /* different keys, different members */
        groups_free(groups);
    }
}

static void
local_prefers_the_source(void)
{
    struct groups *groups = two_gateways(GROUPS_LOCAL);
    struct groups_ask ask = plain;
    unsigned counts[PLACES][4];
    ask.source = GATEWAY_B;
    count(groups, ask, 9, counts);
    CU_ASSERT_TRUE(counts[GATEWAY_B][0] == 3 && counts[GATEWAY_B][1] == 3 &&
                   counts[GATEWAY_B][2] == 3);
    ask.source = 1; /* has none */
    count(groups, ask, 8, counts);
    CU_ASSERT_EQUAL(counts[GATEWAY_A][0], 2);
    groups_free(groups);
}

static void
who_hands_back_or_is_full_is_asked_last(void)
{
    struct groups *groups = two_gateways(GROUPS_ROUND_ROBIN);
    struct group *group = groups_get(groups, slice_cstr("$share/g/t/+"));
    struct groups_ask ask = plain;
    uint32_t pick;
    bool wait;
    groups_full(group, GATEWAY_A, 100);
    for (unsigned i = 0; i < 8; i++)
        CU_ASSERT_EQUAL(choose(groups, "$share/g/t/+", &ask, &pick, &wait), GATEWAY_B);
    ask.exclude = GATEWAY_B; /* then the full one is better than the one that gave it back */
    CU_ASSERT_EQUAL(choose(groups, "$share/g/t/+", &ask, &pick, &wait), GATEWAY_A);
    CU_ASSERT_TRUE(wait);
    ask.now_ms = 100;
    CU_ASSERT_EQUAL(choose(groups, "$share/g/t/+", &ask, &pick, &wait), GATEWAY_A);
    CU_ASSERT_FALSE(wait);
    CU_ASSERT_TRUE(groups_remove(groups, GATEWAY_A, slice_cstr("$share/g/t/+")));
    CU_ASSERT_EQUAL(choose(groups, "$share/g/t/+", &ask, &pick, &wait), GATEWAY_B);
    CU_ASSERT_TRUE(wait);
    groups_free(groups);
}

static void
a_sleeping_member_is_the_last_resort_and_not_for_qos_0(void)
{
    struct groups *groups = groups_new(100, GROUPS_ROUND_ROBIN);
    struct groups_ask ask = plain;
    uint32_t pick;
    bool wait;
    closed = 0;
    (void)set(groups, STORE, "$share/g/t", 0);
    CU_ASSERT_EQUAL(choose(groups, "$share/g/t", &ask, &pick, &wait), STORE);
    ask.qos = 0;
    CU_ASSERT_EQUAL(choose(groups, "$share/g/t", &ask, &pick, &wait), GROUPS_NO_PLACE);
    ask.qos = 2;
    (void)set(groups, GATEWAY_A, "$share/g/t", 1);
    CU_ASSERT_EQUAL(choose(groups, "$share/g/t", &ask, &pick, &wait), GATEWAY_A);
    (void)set(groups, GATEWAY_A, "$share/g/t", 0);
    CU_ASSERT_EQUAL(choose(groups, "$share/g/t", &ask, &pick, &wait), STORE);
    groups_free(groups);
}

static void
groups_are_told_apart_by_name_and_filter(void)
{
    struct groups *groups = groups_new(100, GROUPS_ROUND_ROBIN);
    struct group *const *hits;
    (void)set(groups, 1, "$share/a/t/+", 1);
    (void)set(groups, 1, "$share/b/t/+", 1);
    (void)set(groups, 1, "$share/a/t/#", 1);
    (void)set(groups, 1, "$share/a/u", 1);
    CU_ASSERT_FALSE(set(groups, 1, "$share/a/u", 2));
    CU_ASSERT_EQUAL(groups_match(groups, slice_cstr("t/x"), &hits), 3);
    CU_ASSERT_EQUAL(groups_match(groups, slice_cstr("u"), &hits), 1);
    CU_ASSERT_TRUE(slice_equal_cstr(group_share(hits[0]), "$share/a/u"));
    CU_ASSERT_EQUAL(groups_match(groups, slice_cstr("v"), &hits), 0);
    CU_ASSERT_FALSE(groups_remove(groups, 2, slice_cstr("$share/a/u")));
    CU_ASSERT_TRUE(groups_remove(groups, 1, slice_cstr("$share/b/t/+")));
    CU_ASSERT_PTR_NULL(groups_get(groups, slice_cstr("$share/b/t/+")));
    CU_ASSERT_EQUAL(groups_count(groups), 3);
    groups_free(groups);
}

static void
count_gone(void *arg, uint32_t place, struct slice filter)
{
    unsigned *gone = arg;
    (void)place;
    CU_ASSERT_TRUE(slice_equal_cstr(filter, "t/+") || slice_equal_cstr(filter, "u"));
    (*gone)++;
}

static void
resync_removes_what_is_not_told_again(void)
{
    struct groups *groups = two_gateways(GROUPS_ROUND_ROBIN);
    unsigned gone = 0, all = 0;
    (void)set(groups, GATEWAY_A, "$share/h/u", 1);
    groups_mark(groups, GATEWAY_A);
    (void)set(groups, GATEWAY_A, "$share/g/t/+", 2);
    groups_sweep(groups, GATEWAY_A, count_gone, &gone);
    CU_ASSERT_EQUAL(gone, 1);
    CU_ASSERT_PTR_NULL(groups_get(groups, slice_cstr("$share/h/u")));
    groups_each(groups, count_gone, &all);
    CU_ASSERT_EQUAL(all, 2);
    groups_remove_place(groups, GATEWAY_A, count_gone, &gone);
    groups_remove_place(groups, GATEWAY_B, count_gone, &gone);
    CU_ASSERT_EQUAL(gone, 3);
    CU_ASSERT_TRUE(groups_count(groups) == 0 && groups_places(groups) == 0);
    groups_free(groups);
}

static void
what_gateways_could_not_take_is_for_stores(void)
{
    struct groups *groups = two_gateways(GROUPS_ROUND_ROBIN);
    struct groups_ask ask = plain;
    uint32_t pick;
    bool wait;
    ask.only_stores = true;
    CU_ASSERT_EQUAL(choose(groups, "$share/g/t/+", &ask, &pick, &wait), GROUPS_NO_PLACE);
    (void)set(groups, STORE, "$share/g/t/+", 0);
    CU_ASSERT_EQUAL(choose(groups, "$share/g/t/+", &ask, &pick, &wait), STORE);
    groups_free(groups);
}

/* What stores are told next: the place if others are there, its negative if not, 0: nothing. */
static int
news(struct groups *groups)
{
    uint32_t place;
    struct slice share;
    bool others;
    if (!groups_news(groups, &place, &share, &others))
        return 0;
    CU_ASSERT_TRUE(slice_equal_cstr(share, "$share/g/t"));
    return others ? (int)place : -(int)place;
}

static void
stores_hear_whether_others_are_connected_when_it_changes(void)
{
    struct groups *groups = groups_new(100, GROUPS_ROUND_ROBIN);
    (void)set(groups, STORE, "$share/g/t", 1);
    CU_ASSERT_EQUAL(news(groups), -STORE);
    CU_ASSERT_EQUAL(news(groups), 0);
    (void)set(groups, GATEWAY_A, "$share/g/t", 0);
    CU_ASSERT_EQUAL(news(groups), 0);
    (void)set(groups, GATEWAY_A, "$share/g/t", 2);
    CU_ASSERT_EQUAL(news(groups), STORE);
    (void)set(groups, GATEWAY_B, "$share/g/t", 2);
    CU_ASSERT_TRUE(groups_remove(groups, GATEWAY_A, slice_cstr("$share/g/t")));
    CU_ASSERT_EQUAL(news(groups), 0);
    CU_ASSERT_TRUE(groups_remove(groups, GATEWAY_B, slice_cstr("$share/g/t")));
    CU_ASSERT_EQUAL(news(groups), -STORE);
    (void)set(groups, STORE, "$share/g/t", 0);
    CU_ASSERT_EQUAL(news(groups), 0);
    groups_mark(groups, STORE); /* it was away: told anew */
    (void)set(groups, STORE, "$share/g/t", 0);
    CU_ASSERT_EQUAL(news(groups), -STORE);
    (void)set(groups, GATEWAY_A, "$share/g/t", 1);
    CU_ASSERT_TRUE(groups_remove(groups, GATEWAY_A, slice_cstr("$share/g/t")));
    CU_ASSERT_TRUE(groups_remove(groups, STORE, slice_cstr("$share/g/t")));
    CU_ASSERT_EQUAL(news(groups), 0);
    groups_free(groups);
}

static const struct cunit_case cases[] = {
    CUNIT_CASE(what_gateways_could_not_take_is_for_stores),
    CUNIT_CASE(stores_hear_whether_others_are_connected_when_it_changes),
    CUNIT_CASE(members_take_turns_however_they_are_spread),
    CUNIT_CASE(random_reaches_everybody),
    CUNIT_CASE(sticky_stays_until_its_place_cannot),
    CUNIT_CASE(hashes_always_choose_the_same),
    CUNIT_CASE(local_prefers_the_source),
    CUNIT_CASE(who_hands_back_or_is_full_is_asked_last),
    CUNIT_CASE(a_sleeping_member_is_the_last_resort_and_not_for_qos_0),
    CUNIT_CASE(groups_are_told_apart_by_name_and_filter),
    CUNIT_CASE(resync_removes_what_is_not_told_again),
};
CUNIT_MAIN("groups", cases)
