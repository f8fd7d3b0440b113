/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shared subscriptions: which groups want a topic, which places (gateways and stores, by number)
 * have members of each, and whose turn it is. A group is one share name with one filter. Pure:
 * knows no feeds and no clock (it is told), and does not know clients: a place counts its members.
 *
 * A choice is a place and a pick: the number of one of its members. Counted over all places, the
 * members take turns one by one, however they are spread.
 */
#ifndef SLUICE_CORE_GROUPS_H
#define SLUICE_CORE_GROUPS_H

#include "common/err.h"
#include "common/str.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define GROUPS_NO_PLACE UINT32_MAX

struct groups;
struct group;

enum groups_strategy { /* in the order of the setting's choices */
                       GROUPS_ROUND_ROBIN,
                       GROUPS_RANDOM,
                       GROUPS_STICKY,      /* one member until it cannot */
                       GROUPS_HASH_CLIENT, /* by publisher */
                       GROUPS_HASH_TOPIC,
                       GROUPS_LOCAL /* members at the source first; in turn among them */
};

/* What a place has of a group. */
struct groups_members {
    uint32_t count;      /* that take QoS 1 and 2 */
    uint32_t count_qos0; /* that take QoS 0 */
    bool keeps; /* a store: when nobody has a member that takes it, a sleeping one there does */
};

struct groups_ask {
    uint64_t publisher; /* of the message */
    uint64_t topic;     /* its hash */
    uint64_t random;
    uint64_t now_ms;
    uint32_t source;  /* place that published it */
    uint32_t exclude; /* place that handed it back; GROUPS_NO_PLACE: none */
    uint8_t qos;
    bool only_stores; /* gateways have had their chances */
};

/* New, for at most cap filters. */
struct groups *groups_new(size_t cap, enum groups_strategy strategy);
void groups_free(struct groups *groups);

/* share: "$share/group/filter". *added: the place had none before. ERR_QUOTA: too many filters, or
 * too many levels. */
ERR_MUST_USE enum err groups_set(struct groups *groups, uint32_t place, struct slice share,
                                 const struct groups_members *members, bool *added);
/* False: the place had none. */
bool groups_remove(struct groups *groups, uint32_t place, struct slice share);

/* Gets the filter inside the share of a (place, group) that goes. Must not change groups. */
typedef void (*groups_fn)(void *arg, uint32_t place, struct slice filter);
/* A resync, as in routes.h. */
void groups_mark(struct groups *groups, uint32_t place);
void groups_sweep(struct groups *groups, uint32_t place, groups_fn fn, void *arg);
void groups_remove_place(struct groups *groups, uint32_t place, groups_fn fn, void *arg);
/* Every (place, group). */
void groups_each(const struct groups *groups, groups_fn fn, void *arg);

/* Every (group, place) with its members. Must not change groups. */
typedef void (*groups_members_fn)(void *arg, struct slice share, uint32_t place,
                                  const struct groups_members *members);
void groups_each_members(const struct groups *groups, groups_members_fn fn, void *arg);

/* The groups that want the topic; borrowed until the next call of any function here. */
size_t groups_match(struct groups *groups, struct slice topic, struct group *const **out);
/* The group of exactly this share, or NULL. */
struct group *groups_get(const struct groups *groups, struct slice share);

/* Whether a place can take a record now. */
typedef bool (*groups_open_fn)(void *arg, uint32_t place);
/* The place for a message and the member there; GROUPS_NO_PLACE: nobody. Asked in this order: open
 * places with members that were not full lately; other places with members; the excluded place
 * itself; sleeping members in a store. *wait: not one of the first: it may have to wait there. */
uint32_t groups_choose(struct groups *groups, struct group *group, const struct groups_ask *ask,
                       groups_open_fn open, void *arg, uint32_t *pick, bool *wait);
/* The members of the place cannot take more before until_ms. */
void groups_full(struct group *group, uint32_t place, uint64_t until_ms);

/* Takes the next store that has to be told whether other places have connected members of a group.
 * False: none. *share is borrowed until the next change. */
bool groups_news(struct groups *groups, uint32_t *place, struct slice *share, bool *others);

/* Whether a gateway has members that take QoS 1 and 2: those of clean sessions. */
bool group_is_fleeting(const struct group *group);
struct slice group_share(const struct group *group); /* "$share/group/filter" */
size_t groups_count(const struct groups *groups);
size_t groups_places(const struct groups *groups); /* pairs of place and group */

#endif
