/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The totals of the cluster: what every gateway and store last reported (FEED_COUNTERS), summed and
 * put into the words of $SYS topics. Counters never fall: what a program had counted stays in the
 * sum when it restarts or goes; gauges count only while it is here. Rates (load/…) are means over
 * 1, 5 and 15 minutes that fade exponentially, as other brokers define them. Pure; it is told the
 * time, and sends nothing.
 */
#ifndef SLUICE_CORE_TOTALS_H
#define SLUICE_CORE_TOTALS_H

#include "common/str.h"
#include "proto/records.h"

#include <stdbool.h>
#include <stdint.h>

struct totals;

/* New. uptime of this program begins at the first totals_tick. */
struct totals *totals_new(void);
void totals_free(struct totals *totals);

/* What place (any number below ROUTES_PLACES_MAX) says it has counted since its start. */
void totals_report(struct totals *totals, uint32_t place, const struct records_counters *report);
/* The place is not here now: its gauges no longer count. */
void totals_down(struct totals *totals, uint32_t place);

/* Every $SYS interval, before totals_each: brings the rates up to date. */
void totals_tick(struct totals *totals, uint64_t now_ms);

/* Sum over all places; a gauge over those that are here. */
uint64_t totals_sum(const struct totals *totals, enum feed_counter counter);

/* Calls fn for every topic with its value as text, both borrowed until fn returns. */
typedef void (*totals_fn)(void *arg, struct slice topic, struct slice value);
void totals_each(const struct totals *totals, totals_fn fn, void *arg);

#endif
