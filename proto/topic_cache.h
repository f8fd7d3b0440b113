/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a set of filters said about topic names that were looked up lately: a walk through a
 * topic_tree costs some 400 instructions, this some 80. It knows nothing of what is kept; whoever
 * changes the set clears it. Bounded: 2,048 topics of at most 256 bytes. One thread owns it.
 */
#ifndef SLUICE_PROTO_TOPIC_CACHE_H
#define SLUICE_PROTO_TOPIC_CACHE_H

#include <stdbool.h>

#include "common/str.h"

#define TOPIC_CACHE_RESULT_MAX 512u /* bytes of one result */

struct topic_cache;

struct topic_cache *topic_cache_new(void); /* new */
void topic_cache_free(struct topic_cache *cache);

/* The set has changed: what is kept counts no more. */
void topic_cache_clear(struct topic_cache *cache);

/* True: *result is what was put for the topic since the last clear, aligned for any type; borrowed
 * until the next put. */
bool topic_cache_get(const struct topic_cache *cache, struct slice topic, struct slice *result);
/* May keep a copy, if both are short enough: what is there already is seldom replaced, so that
 * topics that come once do not drive out those that come often. */
void topic_cache_put(struct topic_cache *cache, struct slice topic, struct slice result);

#endif
