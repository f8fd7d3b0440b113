/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The hub's table of filters: which workers have subscribers of each. It answers "which workers
 * want this topic" for messages that come from a core or a store, and knows nothing of clients, QoS
 * or what others want (that is in the workers' route trees). Pure; one thread owns it.
 */
#ifndef SLUICE_SERVICES_GATEWAY_FILTERS_H
#define SLUICE_SERVICES_GATEWAY_FILTERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/err.h"
#include "common/str.h"

struct filters;

/* New; at most cap filters. */
struct filters *filters_new(size_t cap);
void filters_free(struct filters *filters);

/* Worker (0..WORKERS_MAX-1) wants the filter; adding again is no change. *first: nobody in this
 * gateway wanted it before. ERR_QUOTA: the table is full or the filter is too deep. */
ERR_MUST_USE enum err filters_add(struct filters *filters, struct slice filter, unsigned worker,
                                  bool *first);
/* *last: nobody in this gateway wants it any more. ERR_NOT_FOUND: this worker did not want it. */
ERR_MUST_USE enum err filters_remove(struct filters *filters, struct slice filter, unsigned worker,
                                     bool *last);

/* Bit w: worker w has a filter that matches the topic name. */
uint32_t filters_match(const struct filters *filters, struct slice topic);

/* Every filter once, borrowed until fn returns; fn must not add or remove. */
typedef void (*filters_each_fn)(void *arg, struct slice filter, uint32_t workers);
void filters_each(const struct filters *filters, filters_each_fn fn, void *arg);

size_t filters_count(const struct filters *filters);

#endif
