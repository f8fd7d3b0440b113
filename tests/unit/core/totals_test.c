/* SPDX-License-Identifier: Apache-2.0 */
/* Sums over the cluster, and how they are told. */
#include "services/core/totals.h"
#include "tests/unit/cunit_main.h"

#include <stdlib.h>
#include <string.h>

static void
report(struct totals *t, uint32_t place, uint64_t incarnation, enum feed_counter counter,
       uint64_t value)
{
    struct records_counters r = {.incarnation = incarnation};
    r.values[counter] = value;
    totals_report(t, place, &r);
}

struct search {
    const char *topic;
    char value[64];
    unsigned found;
};

static void
look(void *arg, struct slice topic, struct slice value)
{
    struct search *search = arg;
    CU_ASSERT(topic.len < 128 && value.len < 64);
    if (!slice_equal_cstr(topic, search->topic))
        return;
    search->found++;
    memcpy(search->value, value.data, value.len);
    search->value[value.len] = 0;
}

static const char *
value_of(const struct totals *t, const char *topic)
{
    static struct search search;
    memset(&search, 0, sizeof(search));
    search.topic = topic;
    totals_each(t, look, &search);
    CU_ASSERT_EQUAL(search.found, 1);
    return search.value;
}

static void
gauges_count_only_while_their_place_is_here(void)
{
    struct totals *t = totals_new();
    report(t, 0, 1, COUNTER_CLIENTS_CONNECTED, 3);
    report(t, 9, 2, COUNTER_CLIENTS_CONNECTED, 4);
    CU_ASSERT_EQUAL(totals_sum(t, COUNTER_CLIENTS_CONNECTED), 7);
    totals_down(t, 0);
    totals_down(t, 5);
    totals_down(t, 4000);
    CU_ASSERT_EQUAL(totals_sum(t, COUNTER_CLIENTS_CONNECTED), 4);
    CU_ASSERT_STRING_EQUAL(value_of(t, "$SYS/broker/clients/connected"), "4");
    totals_free(t);
}

static void
counters_never_fall(void)
{
    struct totals *t = totals_new();
    report(t, 0, 1, COUNTER_BYTES_SENT, 100);
    report(t, 0, 1, COUNTER_BYTES_SENT, 150);
    totals_down(t, 0);
    CU_ASSERT_EQUAL(totals_sum(t, COUNTER_BYTES_SENT), 150);
    report(t, 0, 1, COUNTER_BYTES_SENT, 160);
    CU_ASSERT_EQUAL(totals_sum(t, COUNTER_BYTES_SENT), 160);
    report(t, 0, 2, COUNTER_BYTES_SENT, 5);
    CU_ASSERT_EQUAL(totals_sum(t, COUNTER_BYTES_SENT), 165);
    totals_free(t);
}

static void
total_of_clients_is_connected_and_not(void)
{
    struct totals *t = totals_new();
    report(t, 0, 1, COUNTER_CLIENTS_CONNECTED, 3);
    report(t, 1, 1, COUNTER_CLIENTS_DISCONNECTED, 2);
    totals_tick(t, 1000);
    report(t, 0, 1, COUNTER_CLIENTS_CONNECTED, 1);
    totals_tick(t, 2000);
    CU_ASSERT_STRING_EQUAL(value_of(t, "$SYS/broker/clients/total"), "3");
    CU_ASSERT_STRING_EQUAL(value_of(t, "$SYS/broker/clients/maximum"), "3");
    totals_free(t);
}

static void
uptime_is_that_of_the_oldest(void)
{
    struct totals *t = totals_new();
    report(t, 0, 1, COUNTER_UPTIME_S, 30);
    report(t, 1, 1, COUNTER_UPTIME_S, 20);
    CU_ASSERT_STRING_EQUAL(value_of(t, "$SYS/broker/uptime"), "30 seconds");
    totals_free(t);
}

static void
load_nears_what_is_counted_in_a_minute(void)
{
    struct totals *t = totals_new();
    report(t, 0, 1, COUNTER_PUBLISH_SENT, 1000000); /* before we listened: no rate */
    totals_tick(t, 1000);
    for (uint64_t i = 1; i <= 60; i++) {
        report(t, 0, 1, COUNTER_PUBLISH_SENT, 1000000 + i * 100);
        totals_tick(t, 1000 + i * 10000);
    }
    double one = atof(value_of(t, "$SYS/broker/load/publish/sent/1min"));
    double five = atof(value_of(t, "$SYS/broker/load/publish/sent/5min"));
    double fifteen = atof(value_of(t, "$SYS/broker/load/publish/sent/15min"));
    CU_ASSERT(one > 599 && one < 601);
    CU_ASSERT(five > 510 && five < 525);       /* 600 * (1 - exp(-2)) = 518.8 */
    CU_ASSERT(fifteen > 285 && fifteen < 300); /* 600 * (1 - exp(-2/3)) = 291.9 */
    totals_free(t);
}

static const struct cunit_case cases[] = {
    CUNIT_CASE(gauges_count_only_while_their_place_is_here),
    CUNIT_CASE(counters_never_fall),
    CUNIT_CASE(total_of_clients_is_connected_and_not),
    CUNIT_CASE(uptime_is_that_of_the_oldest),
    CUNIT_CASE(load_nears_what_is_counted_in_a_minute),
};
CUNIT_MAIN("totals", cases)
