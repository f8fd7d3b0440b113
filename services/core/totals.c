/* SPDX-License-Identifier: Apache-2.0 */
/* See totals.h. */
#include "services/core/totals.h"

#include <assert.h>
#include <string.h>

#include "common/mem.h"
#include "services/core/routes.h"

#define PERIODS 3u /* 1, 5, 15 minutes */

struct member {
    bool is_here;
    uint64_t incarnation;
    uint64_t last[FEED_COUNTER_MAX]; /* as reported */
};

/* A rate: of which counter, under which name. */
static const struct rate {
    enum feed_counter counter;
    const char *name;
} rates[] = {
    {COUNTER_PACKETS_RECEIVED, "messages/received"},
    {COUNTER_PACKETS_SENT, "messages/sent"},
    {COUNTER_PUBLISH_RECEIVED, "publish/received"},
    {COUNTER_PUBLISH_SENT, "publish/sent"},
    {COUNTER_PUBLISH_DROPPED, "publish/dropped"},
    {COUNTER_BYTES_RECEIVED, "bytes/received"},
    {COUNTER_BYTES_SENT, "bytes/sent"},
    {COUNTER_SOCKETS, "sockets"},
    {COUNTER_CONNECTS, "connections"},
};
#define RATES (sizeof(rates) / sizeof(rates[0]))

/* A plain number: the sum of one counter. */
static const struct number {
    enum feed_counter counter;
    const char *topic;
} numbers[] = {
    {COUNTER_CLIENTS_CONNECTED, "$SYS/broker/clients/connected"},
    {COUNTER_CLIENTS_CONNECTED, "$SYS/broker/clients/active"},
    {COUNTER_CLIENTS_DISCONNECTED, "$SYS/broker/clients/disconnected"},
    {COUNTER_CLIENTS_DISCONNECTED, "$SYS/broker/clients/inactive"},
    {COUNTER_CLIENTS_EXPIRED, "$SYS/broker/clients/expired"},
    {COUNTER_PACKETS_RECEIVED, "$SYS/broker/messages/received"},
    {COUNTER_PACKETS_SENT, "$SYS/broker/messages/sent"},
    {COUNTER_STORED_MESSAGES, "$SYS/broker/messages/stored"},
    {COUNTER_STORED_MESSAGES, "$SYS/broker/store/messages/count"},
    {COUNTER_STORED_BYTES, "$SYS/broker/store/messages/bytes"},
    {COUNTER_BYTES_RECEIVED, "$SYS/broker/bytes/received"},
    {COUNTER_BYTES_SENT, "$SYS/broker/bytes/sent"},
    {COUNTER_PUBLISH_RECEIVED, "$SYS/broker/publish/messages/received"},
    {COUNTER_PUBLISH_SENT, "$SYS/broker/publish/messages/sent"},
    {COUNTER_PUBLISH_DROPPED, "$SYS/broker/publish/messages/dropped"},
    {COUNTER_SUBSCRIPTIONS, "$SYS/broker/subscriptions/count"},
    {COUNTER_RETAINED, "$SYS/broker/retained messages/count"},
};

struct totals {
    struct member *members[ROUTES_PLACES_MAX];
    uint32_t count;                  /* highest place met, plus one */
    uint64_t past[FEED_COUNTER_MAX]; /* counted by programs that have ended */
    uint64_t old[FEED_COUNTER_MAX];  /* counted before we began to listen: not part of a rate */
    uint64_t rated[RATES];           /* sum at the last tick, without `old` */
    double load[RATES][PERIODS];     /* per minute */
    uint64_t tick_ms;                /* 0: none yet */
    uint64_t clients_max;
};

struct totals *
totals_new(void)
{
    return mem_zalloc(sizeof(struct totals));
}

void
totals_free(struct totals *totals)
{
    if (totals == NULL)
        return;
    for (uint32_t i = 0; i < totals->count; i++)
        mem_free(totals->members[i]);
    mem_free(totals);
}

static bool
is_gauge(unsigned counter)
{
    return counter < FEED_COUNTER_RISING;
}

void
totals_report(struct totals *totals, uint32_t place, const struct records_counters *report)
{
    assert(place < ROUTES_PLACES_MAX);
    struct member *member = totals->members[place];
    if (member == NULL) {
        member = totals->members[place] = mem_zalloc(sizeof(*member));
        if (place >= totals->count)
            totals->count = place + 1;
    }
    if (member->incarnation != report->incarnation) {
        for (unsigned i = FEED_COUNTER_RISING; i < FEED_COUNTER_MAX; i++) {
            totals->past[i] += member->last[i];
            totals->old[i] += report->values[i];
        }
        member->incarnation = report->incarnation;
    }
    memcpy(member->last, report->values, sizeof(member->last));
    member->is_here = true;
}

void
totals_down(struct totals *totals, uint32_t place)
{
    if (place < totals->count && totals->members[place] != NULL)
        totals->members[place]->is_here = false;
}

uint64_t
totals_sum(const struct totals *totals, enum feed_counter counter)
{
    uint64_t sum = is_gauge(counter) ? 0 : totals->past[counter];
    for (uint32_t i = 0; i < totals->count; i++) {
        const struct member *member = totals->members[i];
        if (member != NULL && (member->is_here || !is_gauge(counter)))
            sum += member->last[counter];
    }
    return sum;
}

/* exp(-x) for x >= 0, without libm: two terms of exp(x / 1024), squared ten times. */
static double
fade(double x)
{
    double part = 1.0 / (1.0 + x / 1024.0 + x * x / 2097152.0);
    for (int i = 0; i < 10; i++)
        part *= part;
    return part;
}

void
totals_tick(struct totals *totals, uint64_t now_ms)
{
    static const double minutes[PERIODS] = {1, 5, 15};
    double passed = (double)(now_ms - totals->tick_ms) / 60000.0;
    bool is_first = totals->tick_ms == 0;
    totals->tick_ms = now_ms;
    for (size_t r = 0; r < RATES; r++) {
        uint64_t sum = totals_sum(totals, rates[r].counter) - totals->old[rates[r].counter];
        double grown = (double)(sum - totals->rated[r]);
        totals->rated[r] = sum;
        for (size_t p = 0; p < PERIODS && !is_first && passed > 0; p++) {
            double now = grown / passed;
            totals->load[r][p] = now + fade(passed / minutes[p]) * (totals->load[r][p] - now);
        }
    }
    uint64_t clients = totals_sum(totals, COUNTER_CLIENTS_CONNECTED);
    if (clients > totals->clients_max)
        totals->clients_max = clients;
}

struct teller {
    totals_fn fn;
    void *arg;
};

static void
tell(const struct teller *teller, const char *topic, const char *value)
{
    teller->fn(teller->arg, slice_cstr(topic), slice_cstr(value));
}

static void
tell_number(const struct teller *teller, const char *topic, uint64_t value)
{
    char text[24];
    (void)str_format(text, sizeof(text), "%llu", (unsigned long long)value);
    tell(teller, topic, text);
}

static void
tell_loads(const struct totals *totals, const struct teller *teller)
{
    static const char *const periods[PERIODS] = {"1min", "5min", "15min"};
    char topic[80], text[40];
    for (size_t r = 0; r < RATES; r++) {
        for (size_t p = 0; p < PERIODS; p++) {
            (void)str_format(topic, sizeof(topic), "$SYS/broker/load/%s/%s", rates[r].name,
                             periods[p]);
            (void)str_format(text, sizeof(text), "%.2f", totals->load[r][p]);
            tell(teller, topic, text);
        }
    }
}

void
totals_each(const struct totals *totals, totals_fn fn, void *arg)
{
    const struct teller teller = {fn, arg};
    uint64_t uptime_s = 0;
    char text[64];
    for (uint32_t i = 0; i < totals->count; i++) {
        const struct member *member = totals->members[i];
        if (member != NULL && member->is_here && member->last[COUNTER_UPTIME_S] > uptime_s)
            uptime_s = member->last[COUNTER_UPTIME_S];
    }
    tell(&teller, "$SYS/broker/version", "sluice version " SLUICE_VERSION);
    (void)str_format(text, sizeof(text), "%llu seconds", (unsigned long long)uptime_s);
    tell(&teller, "$SYS/broker/uptime", text);
    tell_number(&teller, "$SYS/broker/clients/total",
                totals_sum(totals, COUNTER_CLIENTS_CONNECTED) +
                    totals_sum(totals, COUNTER_CLIENTS_DISCONNECTED));
    tell_number(&teller, "$SYS/broker/clients/maximum", totals->clients_max);
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
        tell_number(&teller, numbers[i].topic, totals_sum(totals, numbers[i].counter));
    tell_loads(totals, &teller);
}
