/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The route tree: topic filters, each with one value that belongs to the caller, and a fast walk
 * over all filters that match a topic name. Gateways, core and store use the same one. It does not
 * know what a value is, does not check the syntax of filters (topic_filter_is_valid does), and
 * knows nothing of $share: callers parse that off first.
 *
 * Costs: about 60 bytes for the last level of a filter, less than 100 for a level that has
 * children; lookup of one of n children is O(1). One thread owns a tree.
 */
#ifndef SLUICE_PROTO_TOPIC_TREE_H
#define SLUICE_PROTO_TOPIC_TREE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/str.h"

struct topic_tree;

/* A new empty tree for at most cap filters. */
struct topic_tree *topic_tree_new(size_t cap);

typedef void (*topic_tree_free_fn)(void *arg, void *value);

/* Frees the tree; free_value (may be NULL) gets each value that is not NULL. Tree may be NULL. */
void topic_tree_free(struct topic_tree *tree, topic_tree_free_fn free_value, void *arg);

/* Place of the value of exactly this filter, NULL if the filter is not in the tree. The place stays
 * valid until the filter is removed; the caller may write it at any time, also during a match. */
void **topic_tree_get(const struct topic_tree *tree, struct slice filter);

/* As get, but adds the filter with the value NULL if it is missing. NULL when the tree is full, the
 * filter is empty, or it has more than LIMITS_FILTER_LEVELS levels or LIMITS_TOPIC bytes. */
void **topic_tree_add(struct topic_tree *tree, struct slice filter);

/* Removes the filter and returns its value (NULL also if it was not there). */
void *topic_tree_remove(struct topic_tree *tree, struct slice filter);

typedef void (*topic_tree_match_fn)(void *arg, void *value);

/* Calls fn once for each filter that matches the topic name and whose value is not NULL, in no
 * certain order; returns how many. fn must not add to or remove from the tree. */
size_t topic_tree_match(const struct topic_tree *tree, struct slice topic, topic_tree_match_fn fn,
                        void *arg);

/* Whether topic_tree_match would find anything; stops at the first hit. */
bool topic_tree_has_match(const struct topic_tree *tree, struct slice topic);

/* The filter is borrowed until fn returns. Returning false removes the filter (prune only), after
 * fn has done with the value. fn must not add or remove otherwise. */
typedef bool (*topic_tree_each_fn)(void *arg, struct slice filter, void **value);

/* Every filter, also those with value NULL. each ignores what fn returns. */
void topic_tree_each(const struct topic_tree *tree, topic_tree_each_fn fn, void *arg);
void topic_tree_prune(struct topic_tree *tree, topic_tree_each_fn fn, void *arg);

/* Filters in the tree. */
size_t topic_tree_count(const struct topic_tree *tree);

/* Heap bytes that the tree asked for, without the allocator's own share. */
size_t topic_tree_bytes(const struct topic_tree *tree);

#endif
