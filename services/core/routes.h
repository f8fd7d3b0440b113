/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who wants which filter: the core's tree of filters, each with the places (gateways and stores, by
 * number) that want it. Pure. Knows nothing of peers, digests or answers.
 *
 * A resync replaces a place's routes without a gap: routes_mark() before it, then routes_add for
 * each, then routes_sweep() removes those that were not added again.
 */
#ifndef SLUICE_CORE_ROUTES_H
#define SLUICE_CORE_ROUTES_H

#include "common/err.h"
#include "common/str.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ROUTES_PLACES_MAX 4096u /* place numbers are below */

struct routes;

/* New, for at most cap filters. */
struct routes *routes_new(size_t cap);
void routes_free(struct routes *routes);

/* *added: the place did not want the filter before (otherwise only its flags are replaced).
 * ERR_QUOTA: the tree is full, or the filter has too many levels. */
ERR_MUST_USE enum err routes_add(struct routes *routes, uint32_t place, struct slice filter,
                                 uint8_t flags, bool *added);
/* False: the place did not want it. */
bool routes_remove(struct routes *routes, uint32_t place, struct slice filter);

/* Filter of a route that goes, before it is gone. Must not change routes. */
typedef void (*routes_fn)(void *arg, uint32_t place, struct slice filter);

void routes_mark(struct routes *routes, uint32_t place);
/* Removes the routes that were not added since routes_mark; walks all filters. */
void routes_sweep(struct routes *routes, uint32_t place, routes_fn fn, void *arg);
/* Removes all routes of the place; walks all filters if it has any. */
void routes_remove_place(struct routes *routes, uint32_t place, routes_fn fn, void *arg);
/* Every (place, filter). */
void routes_each(const struct routes *routes, routes_fn fn, void *arg);

/* The places that want a publish on the topic, each once; borrowed until the next call. qos 0
 * leaves out those that want QoS 1 and 2 only. */
size_t routes_match(struct routes *routes, struct slice topic, uint8_t qos,
                    const uint32_t **places);

size_t routes_filters(const struct routes *routes);
size_t routes_count(const struct routes *routes); /* pairs of place and filter */
size_t routes_of(const struct routes *routes, uint32_t place);

#endif
