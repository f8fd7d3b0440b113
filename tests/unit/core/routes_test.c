/* SPDX-License-Identifier: Apache-2.0 */
/* Routes: who wants a topic, each place once, resyncs without a gap. */
#include "services/core/routes.h"

#include "proto/feed_records.h"
#include "proto/topic.h"
#include "tests/unit/cunit_main.h"
#include <stdio.h>
#include <string.h>

static bool
add(struct routes *routes, uint32_t place, const char *filter, uint8_t flags)
{
    bool added = false;
    CU_ASSERT_EQUAL(routes_add(routes, place, slice_cstr(filter), flags, &added), OK);
    return added;
}

static uint64_t /* places as bits */
match(struct routes *routes, const char *topic, uint8_t qos)
{
    const uint32_t *places;
    size_t count = routes_match(routes, slice_cstr(topic), qos, &places), i;
    uint64_t bits = 0;
    for (i = 0; i < count; i++) {
        CU_ASSERT_EQUAL(bits >> places[i] & 1, 0);
        bits |= UINT64_C(1) << places[i];
    }
    return bits;
}

static void
place_is_hit_once_for_overlapping_filters(void)
{
    struct routes *routes = routes_new(100);
    CU_ASSERT_TRUE(add(routes, 1, "a/#", 0));
    CU_ASSERT_TRUE(add(routes, 1, "a/+", 0));
    CU_ASSERT_TRUE(add(routes, 2, "a/b", 0));
    CU_ASSERT_TRUE(add(routes, 5, "a/b", 0));
    CU_ASSERT_FALSE(add(routes, 5, "a/b", 0));
    CU_ASSERT_EQUAL(match(routes, "a/b", 0), 1u << 1 | 1u << 2 | 1u << 5);
    CU_ASSERT_EQUAL(match(routes, "a", 0), 1u << 1);
    CU_ASSERT_EQUAL(match(routes, "x", 0), 0);
    CU_ASSERT_EQUAL(routes_count(routes), 4);
    CU_ASSERT_EQUAL(routes_filters(routes), 3);
    CU_ASSERT_TRUE(routes_remove(routes, 5, slice_cstr("a/b")));
    CU_ASSERT_FALSE(routes_remove(routes, 5, slice_cstr("a/b")));
    CU_ASSERT_FALSE(routes_remove(routes, 5, slice_cstr("nobody")));
    CU_ASSERT_EQUAL(match(routes, "a/b", 0), 1u << 1 | 1u << 2);
    CU_ASSERT_TRUE(routes_remove(routes, 2, slice_cstr("a/b")));
    CU_ASSERT_EQUAL(routes_filters(routes), 2);
    routes_free(routes);
}

static void
qos1_route_is_not_for_qos_0(void)
{
    struct routes *routes = routes_new(100);
    (void)add(routes, 3, "t", ROUTE_QOS1);
    CU_ASSERT_EQUAL(match(routes, "t", 0), 0);
    CU_ASSERT_EQUAL(match(routes, "t", 1), 1u << 3);
    (void)add(routes, 4, "t", 0);
    CU_ASSERT_EQUAL(match(routes, "t", 0), 1u << 4);
    CU_ASSERT_FALSE(add(routes, 3, "t", 0)); /* flags are replaced, also in a list */
    CU_ASSERT_EQUAL(match(routes, "t", 0), 1u << 3 | 1u << 4);
    routes_free(routes);
}

static char gone[256];

static void
note_gone(void *arg, uint32_t place, struct slice filter)
{
    size_t len = strlen(gone);
    (void)arg;
    snprintf(gone + len, sizeof(gone) - len, "%u:%.*s ", place, (int)filter.len, filter.data);
}

static void
resync_removes_only_what_was_not_repeated(void)
{
    struct routes *routes = routes_new(100);
    (void)add(routes, 1, "a", 0);
    (void)add(routes, 1, "b", 0);
    (void)add(routes, 2, "b", 0);
    routes_mark(routes, 1);
    CU_ASSERT_FALSE(add(routes, 1, "a", 0));
    (void)add(routes, 1, "c", 0);
    CU_ASSERT_EQUAL(match(routes, "b", 0), 1u << 1 | 1u << 2); /* no gap */
    gone[0] = 0;
    routes_sweep(routes, 1, note_gone, NULL);
    CU_ASSERT_STRING_EQUAL(gone, "1:b ");
    CU_ASSERT_EQUAL(match(routes, "b", 0), 1u << 2);
    CU_ASSERT_EQUAL(match(routes, "c", 0), 1u << 1);
    gone[0] = 0;
    routes_remove_place(routes, 2, note_gone, NULL);
    CU_ASSERT_STRING_EQUAL(gone, "2:b ");
    CU_ASSERT_EQUAL(routes_of(routes, 1), 2);
    CU_ASSERT_EQUAL(routes_filters(routes), 2);
    routes_free(routes);
}

static void
full_tree_refuses(void)
{
    struct routes *routes = routes_new(1);
    bool added;
    (void)add(routes, 1, "a", 0);
    CU_ASSERT_EQUAL(routes_add(routes, 1, slice_cstr("b"), 0, &added), ERR_QUOTA);
    CU_ASSERT_TRUE(add(routes, 2, "a", 0));
    CU_ASSERT_EQUAL(routes_count(routes), 2);
    routes_free(routes);
}

static const char *const filters[] = {"a/b", "a/+", "#", "a/#", "+/b", "b"};
static const char *const topics[] = {"a/b", "b", "a", "b/b", "$x/b"};

enum { FILTERS = 6, TOPICS = 5, PLACES = 4, STEPS = 5000 };

/* What each place wants: 0 nothing, 1 the filter, 2 the filter with QoS 1 and 2 only. */
static uint64_t
expected(uint8_t wants[PLACES][FILTERS], const char *topic, uint8_t qos)
{
    uint64_t bits = 0;
    for (uint32_t p = 0; p < PLACES; p++) {
        for (size_t f = 0; f < FILTERS; f++) {
            if (wants[p][f] != 0 && (qos > 0 || wants[p][f] == 1) &&
                topic_matches(slice_cstr(filters[f]), slice_cstr(topic)))
                bits |= UINT64_C(1) << p;
        }
    }
    return bits;
}

static void
forget(void *arg, uint32_t place, struct slice filter)
{
    (void)arg;
    (void)place;
    (void)filter;
}

static void
what_is_remembered_of_a_topic_follows_every_change(void)
{
    uint8_t wants[PLACES][FILTERS] = {{0}};
    struct routes *routes = routes_new(100);
    unsigned seed = 11;
    for (int step = 0; step < STEPS; step++) {
        seed = seed * 1103515245u + 12345u;
        uint32_t place = (seed >> 8) % PLACES;
        size_t f = (seed >> 12) % FILTERS;
        switch ((seed >> 18) % 8) {
        case 0:
            routes_remove_place(routes, place, forget, NULL);
            memset(wants[place], 0, sizeof(wants[place]));
            break;
        case 1: /* a resync in which it wants but this one */
            routes_mark(routes, place);
            (void)add(routes, place, filters[f], 0);
            routes_sweep(routes, place, forget, NULL);
            memset(wants[place], 0, sizeof(wants[place]));
            wants[place][f] = 1;
            break;
        case 2:
        case 3:
            CU_ASSERT_EQUAL(routes_remove(routes, place, slice_cstr(filters[f])),
                            wants[place][f] != 0);
            wants[place][f] = 0;
            break;
        default:
            wants[place][f] = (seed >> 22) % 2 == 0 ? 1 : 2;
            (void)add(routes, place, filters[f], wants[place][f] == 2 ? ROUTE_QOS1 : 0);
            break;
        }
        for (size_t t = 0; t < TOPICS; t++) {
            if (match(routes, topics[t], t % 2) != expected(wants, topics[t], t % 2) ||
                match(routes, topics[t], 1) != expected(wants, topics[t], 1))
                CU_FAIL_FATAL("a match says what was");
        }
    }
    routes_free(routes);
}

static const struct cunit_case cases[] = {
    CUNIT_CASE(what_is_remembered_of_a_topic_follows_every_change),
    CUNIT_CASE(place_is_hit_once_for_overlapping_filters),
    CUNIT_CASE(qos1_route_is_not_for_qos_0),
    CUNIT_CASE(resync_removes_only_what_was_not_repeated),
    CUNIT_CASE(full_tree_refuses),
};
CUNIT_MAIN("routes", cases)
