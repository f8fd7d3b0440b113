/* SPDX-License-Identifier: Apache-2.0 */
/* Routes: subscriptions in and out in any order, places, and a cache that never lies. */
#include "services/gateway/client_routes.h"

#include <stdio.h>
#include <stdlib.h>

#include "proto/topic.h"
#include "tests/unit/cunit_main.h"

/* Connections are only compared here. */
static struct connection *
client(uintptr_t n)
{
    return (struct connection *)(n * 64);
}

static void
a_route_lives_as_long_as_somebody_wants_it(void)
{
    struct client_routes *routes = client_routes_new(100);
    struct route *route = client_routes_add(routes, slice_cstr("a/+"));
    struct subscription *one = client_routes_subscribe(routes, route, client(1));
    struct subscription *two = client_routes_subscribe(routes, route, client(2));
    route->places = 4;
    CU_ASSERT_PTR_EQUAL(client_routes_get(routes, slice_cstr("a/+")), route);
    CU_ASSERT_PTR_EQUAL(client_routes_add(routes, slice_cstr("a/+")), route);
    client_routes_unsubscribe(routes, one);
    client_routes_unsubscribe(routes, two);
    client_routes_release(routes, route);
    CU_ASSERT_PTR_NOT_NULL(client_routes_get(routes, slice_cstr("a/+")));
    route->places = 0;
    client_routes_release(routes, route);
    CU_ASSERT_PTR_NULL(client_routes_get(routes, slice_cstr("a/+")));
    CU_ASSERT_EQUAL(client_routes_count(routes), 0);
    client_routes_free(routes);
}

static void
subscriptions_leave_in_any_order(void)
{
    enum { N = 300 };
    struct subscription *list[N];
    struct client_routes *routes = client_routes_new(100);
    struct route *route = client_routes_add(routes, slice_cstr("t"));
    for (uintptr_t i = 0; i < N; i++)
        list[i] = client_routes_subscribe(routes, route, client(i + 1));
    unsigned seed = 7;
    for (uint32_t left = N; left > 0; left--) {
        seed = seed * 1103515245u + 12345u;
        uint32_t at = (seed >> 8) % left;
        struct subscription *gone = list[at];
        list[at] = list[left - 1];
        client_routes_unsubscribe(routes, gone);
        CU_ASSERT_EQUAL(route->count, left - 1);
        for (uint32_t i = 0; i < route->count; i++) {
            if (route_list(route)[i]->index != i || route_list(route)[i]->route != route) {
                CU_FAIL_FATAL("a subscription does not know its place");
            }
        }
    }
    CU_ASSERT_EQUAL(client_routes_subscription_count(routes), 0);
    client_routes_release(routes, route);
    client_routes_free(routes);
}

static void
the_cache_follows_every_change(void)
{
    static const char *const filters[] = {"a/b", "a/+",    "a/#",   "#",    "+/b",
                                          "x/y", "$SYS/#", "a/b/c", "+/+/c"};
    static const char *const topics[] = {"a/b", "a", "x/y", "a/b/c", "$SYS/x", "q"};
    struct client_routes *routes = client_routes_new(100);
    unsigned seed = 99;
    for (int i = 0; i < 3000; i++) {
        seed = seed * 1103515245u + 12345u;
        struct slice filter = slice_cstr(filters[(seed >> 8) % 9]);
        struct route *route = client_routes_get(routes, filter);
        if (route == NULL) {
            client_routes_add(routes, filter)->places = 1;
        } else {
            route->places = 0;
            client_routes_release(routes, route);
        }
        for (size_t t = 0; t < 6; t++) {
            size_t count, want = 0;
            struct slice topic = slice_cstr(topics[t]);
            client_routes_match(routes, topic, &count);
            struct route *const *found =
                client_routes_match(routes, topic, &count); /* from the cache */
            for (size_t f = 0; f < 9; f++)
                want += client_routes_get(routes, slice_cstr(filters[f])) != NULL &&
                        topic_matches(slice_cstr(filters[f]), topic);
            if (count != want) {
                CU_FAIL_FATAL("match and naive match differ");
            }
            for (size_t n = 0; n < count; n++) {
                if (!topic_matches(route_filter(found[n]), topic)) {
                    CU_FAIL_FATAL("a route that does not match");
                }
            }
        }
    }
    client_routes_free(routes);
}

static void
a_full_table_says_so(void)
{
    struct client_routes *routes = client_routes_new(2);
    CU_ASSERT_PTR_NOT_NULL(client_routes_add(routes, slice_cstr("a")));
    CU_ASSERT_PTR_NOT_NULL(client_routes_add(routes, slice_cstr("b")));
    CU_ASSERT_PTR_NULL(client_routes_add(routes, slice_cstr("c")));
    CU_ASSERT_PTR_NOT_NULL(client_routes_add(routes, slice_cstr("a")));
    client_routes_free(routes);
}

static const struct cunit_case cases[] = {
    CUNIT_CASE(a_route_lives_as_long_as_somebody_wants_it),
    CUNIT_CASE(subscriptions_leave_in_any_order),
    CUNIT_CASE(the_cache_follows_every_change),
    CUNIT_CASE(a_full_table_says_so),
};
CUNIT_MAIN("routes", cases)
