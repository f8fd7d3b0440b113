/* SPDX-License-Identifier: Apache-2.0 */
/* See groups.h. A filter's value in the tree is the list of its groups; groups and their places are
 * few, so they are found by walking. */
#include "services/core/groups.h"

#include "common/hash.h"
#include "common/mem.h"
#include "proto/topic.h"
#include "proto/topic_tree.h"
#include "services/core/routes.h"
#include <assert.h>
#include <string.h>

/* What a store knows of members elsewhere. */
enum told { TOLD_NOTHING, TOLD_NOBODY, TOLD_OTHERS };

struct member {
    struct groups_members members;
    uint64_t full_until_ms;
    uint32_t place;
    uint16_t generation;
    uint8_t told; /* a store: enum told */
};

struct group {
    struct group *next;                       /* of the same filter */
    struct group *changed_next, **changed_at; /* in groups->changed; changed_at NULL: not */
    struct member *list;
    uint32_t count, size;
    uint64_t turn;
    uint32_t sticky_place, sticky_pick;
    uint32_t share_len;
    uint8_t share[];
};

struct groups {
    struct topic_tree *tree;
    enum groups_strategy strategy;
    size_t count, pairs;
    struct group *changed; /* stores may have to be told */
    uint16_t generations[ROUTES_PLACES_MAX];
    struct group **hits;
    size_t hit_count, hit_size;
};

static void
unchange(struct group *group)
{
    if (group->changed_at == NULL)
        return;
    *group->changed_at = group->changed_next;
    if (group->changed_next != NULL)
        group->changed_next->changed_at = group->changed_at;
    group->changed_at = NULL;
}

static void
change(struct groups *groups, struct group *group)
{
    if (group->changed_at != NULL)
        return;
    group->changed_next = groups->changed;
    group->changed_at = &groups->changed;
    if (group->changed_next != NULL)
        group->changed_next->changed_at = &group->changed_next;
    groups->changed = group;
}

static void
group_free(struct group *group)
{
    unchange(group);
    mem_free(group->list);
    mem_free(group);
}

static void
value_free(void *arg, void *value)
{
    struct group *group = value;
    (void)arg;
    while (group != NULL) {
        struct group *next = group->next;
        group_free(group);
        group = next;
    }
}

struct groups *
groups_new(size_t cap, enum groups_strategy strategy)
{
    struct groups *groups = mem_zalloc(sizeof(*groups));
    groups->tree = topic_tree_new(cap);
    groups->strategy = strategy;
    return groups;
}

void
groups_free(struct groups *groups)
{
    if (groups == NULL)
        return;
    topic_tree_free(groups->tree, value_free, NULL);
    mem_free(groups->hits);
    mem_free(groups);
}

struct slice
group_share(const struct group *group)
{
    return slice_of(group->share, group->share_len);
}

static struct slice
filter_of(struct slice share)
{
    struct slice name = {0}, filter = {0};
    enum topic_share kind = topic_share_parse(share, &name, &filter);
    assert(kind == TOPIC_SHARE_VALID);
    (void)kind;
    return filter;
}

static struct group *
find(void *const *value, struct slice share)
{
    struct group *group = value != NULL ? *value : NULL;
    while (group != NULL && !slice_equal(group_share(group), share))
        group = group->next;
    return group;
}

struct group *
groups_get(const struct groups *groups, struct slice share)
{
    return find(topic_tree_get(groups->tree, filter_of(share)), share);
}

static struct member *
member_of(const struct group *group, uint32_t place)
{
    uint32_t i;
    for (i = 0; i < group->count; i++) {
        if (group->list[i].place == place)
            return &group->list[i];
    }
    return NULL;
}

static struct group *
group_new(struct groups *groups, void **value, struct slice share)
{
    struct group *group = mem_zalloc(sizeof(*group) + share.len);
    memcpy(group->share, share.data, share.len);
    group->share_len = (uint32_t)share.len;
    group->sticky_place = GROUPS_NO_PLACE;
    group->next = *value;
    *value = group;
    groups->count++;
    return group;
}

enum err
groups_set(struct groups *groups, uint32_t place, struct slice share,
           const struct groups_members *members, bool *added)
{
    void **value = topic_tree_add(groups->tree, filter_of(share));
    struct group *group;
    struct member *member;
    assert(place < ROUTES_PLACES_MAX);
    if (value == NULL)
        return ERR_QUOTA;
    group = find(value, share);
    if (group == NULL)
        group = group_new(groups, value, share);
    member = member_of(group, place);
    *added = member == NULL;
    if (member == NULL) {
        if (group->count == group->size) {
            group->size = group->size == 0 ? 2 : group->size * 2;
            group->list = mem_realloc_array(group->list, group->size, sizeof(*group->list));
        }
        member = &group->list[group->count++];
        *member = (struct member){.place = place};
        groups->pairs++;
    }
    if (member->generation != groups->generations[place])
        member->told = TOLD_NOTHING; /* it has restarted, or was away */
    member->members = *members;
    member->generation = groups->generations[place];
    change(groups, group);
    return OK;
}

/* Takes the member out, and the group with its last one. *value NULL: the filter is not wanted. */
static void
take(struct groups *groups, void **value, struct group *group, struct member *member)
{
    size_t after = (size_t)(&group->list[--group->count] - member);
    memmove(member, member + 1, after * sizeof(*member)); /* turns keep their order */
    groups->pairs--;
    change(groups, group);
    if (group->count != 0)
        return;
    if (*value == group) {
        *value = group->next;
    } else {
        struct group *before = *value;
        while (before->next != group)
            before = before->next;
        before->next = group->next;
    }
    group_free(group);
    groups->count--;
}

bool
groups_remove(struct groups *groups, uint32_t place, struct slice share)
{
    struct slice filter = filter_of(share);
    void **value = topic_tree_get(groups->tree, filter);
    struct group *group = find(value, share);
    struct member *member = group != NULL ? member_of(group, place) : NULL;
    if (member == NULL)
        return false;
    take(groups, value, group, member);
    if (*value == NULL)
        (void)topic_tree_remove(groups->tree, filter);
    return true;
}

void
groups_mark(struct groups *groups, uint32_t place)
{
    groups->generations[place]++;
}

struct sweep {
    struct groups *groups;
    uint32_t place;
    bool all;
    groups_fn fn;
    void *arg;
};

static bool
sweep_filter(void *arg, struct slice filter, void **value)
{
    struct sweep *sweep = arg;
    struct group *group = *value, *next;
    for (; group != NULL; group = next) {
        struct member *member = member_of(group, sweep->place);
        next = group->next;
        if (member == NULL ||
            (!sweep->all && member->generation == sweep->groups->generations[sweep->place]))
            continue;
        take(sweep->groups, value, group, member);
        sweep->fn(sweep->arg, sweep->place, filter);
    }
    return *value != NULL;
}

void
groups_sweep(struct groups *groups, uint32_t place, groups_fn fn, void *arg)
{
    struct sweep sweep = {groups, place, false, fn, arg};
    topic_tree_prune(groups->tree, sweep_filter, &sweep);
}

void
groups_remove_place(struct groups *groups, uint32_t place, groups_fn fn, void *arg)
{
    struct sweep sweep = {groups, place, true, fn, arg};
    topic_tree_prune(groups->tree, sweep_filter, &sweep);
}

struct each {
    groups_fn fn;
    void *arg;
};

static bool
each_filter(void *arg, struct slice filter, void **value)
{
    const struct each *each = arg;
    const struct group *group;
    uint32_t i;
    for (group = *value; group != NULL; group = group->next) {
        for (i = 0; i < group->count; i++)
            each->fn(each->arg, group->list[i].place, filter);
    }
    return true;
}

void
groups_each(const struct groups *groups, groups_fn fn, void *arg)
{
    struct each each = {fn, arg};
    topic_tree_each(groups->tree, each_filter, &each);
}

struct each_members {
    groups_members_fn fn;
    void *arg;
};

static bool
each_group(void *arg, struct slice filter, void **value)
{
    const struct each_members *each = arg;
    const struct group *group;
    uint32_t i;
    (void)filter;
    for (group = *value; group != NULL; group = group->next) {
        for (i = 0; i < group->count; i++)
            each->fn(each->arg, group_share(group), group->list[i].place, &group->list[i].members);
    }
    return true;
}

void
groups_each_members(const struct groups *groups, groups_members_fn fn, void *arg)
{
    struct each_members each = {fn, arg};
    topic_tree_each(groups->tree, each_group, &each);
}

static void
match_value(void *arg, void *value)
{
    struct groups *groups = arg;
    struct group *group;
    for (group = value; group != NULL; group = group->next) {
        if (groups->hit_count == groups->hit_size) {
            groups->hit_size = groups->hit_size == 0 ? 16 : groups->hit_size * 2;
            groups->hits = mem_realloc(groups->hits, groups->hit_size * sizeof(struct group *));
        }
        groups->hits[groups->hit_count++] = group;
    }
}

size_t
groups_match(struct groups *groups, struct slice topic, struct group *const **out)
{
    groups->hit_count = 0;
    if (groups->count != 0)
        (void)topic_tree_match(groups->tree, topic, match_value, groups);
    *out = groups->hits;
    return groups->hit_count;
}

void
groups_full(struct group *group, uint32_t place, uint64_t until_ms)
{
    struct member *member = member_of(group, place);
    if (member != NULL)
        member->full_until_ms = until_ms;
}

static bool
has_others(const struct group *group, uint32_t place)
{
    uint32_t i;
    for (i = 0; i < group->count; i++) {
        if (group->list[i].place != place && group->list[i].members.count != 0)
            return true;
    }
    return false;
}

bool
groups_news(struct groups *groups, uint32_t *place, struct slice *share, bool *others)
{
    while (groups->changed != NULL) {
        struct group *group = groups->changed;
        uint32_t i;
        for (i = 0; i < group->count; i++) {
            struct member *member = &group->list[i];
            bool is = member->members.keeps && has_others(group, member->place);
            if (!member->members.keeps || member->told == (is ? TOLD_OTHERS : TOLD_NOBODY))
                continue;
            member->told = is ? TOLD_OTHERS : TOLD_NOBODY;
            *place = member->place;
            *share = group_share(group);
            *others = is;
            return true;
        }
        unchange(group);
    }
    return false;
}

/* ---- choosing */

enum pass { PASS_OPEN, PASS_ANY, PASS_BACK, PASS_SLEEPING, PASSES };

struct choice {
    const struct group *group;
    const struct groups_ask *ask;
    groups_open_fn open;
    void *arg;
    enum pass pass;
};

/* How many members of this place may be chosen in this pass. */
static uint32_t
weight_of(const struct choice *choice, const struct member *member)
{
    const struct groups_ask *ask = choice->ask;
    uint32_t count = ask->qos == 0 ? member->members.count_qos0 : member->members.count;
    bool full = member->full_until_ms > ask->now_ms;
    switch (choice->pass) {
    case PASS_OPEN:
        return member->place != ask->exclude && !full && choice->open(choice->arg, member->place)
                   ? count
                   : 0;
    case PASS_ANY:
        return member->place != ask->exclude ? count : 0;
    case PASS_BACK:
        return member->place == ask->exclude ? count : 0;
    default:
        return member->members.keeps && ask->qos != 0;
    }
}

static uint64_t
total_of(const struct choice *choice)
{
    uint64_t total = 0;
    uint32_t i;
    for (i = 0; i < choice->group->count; i++)
        total += weight_of(choice, &choice->group->list[i]);
    return total;
}

static uint32_t
place_at(const struct choice *choice, uint64_t at, uint32_t *pick)
{
    uint32_t i;
    for (i = 0; i < choice->group->count; i++) {
        uint32_t weight = weight_of(choice, &choice->group->list[i]);
        if (at < weight) {
            *pick = (uint32_t)at;
            return choice->group->list[i].place;
        }
        at -= weight;
    }
    return GROUPS_NO_PLACE;
}

static uint32_t
choose(const struct groups *groups, const struct choice *choice, struct group *group,
       uint64_t total, uint32_t *pick)
{
    const struct groups_ask *ask = choice->ask;
    const struct member *member;
    uint32_t weight;
    switch (groups->strategy) {
    case GROUPS_RANDOM:
        return place_at(choice, ask->random % total, pick);
    case GROUPS_HASH_CLIENT:
        return place_at(choice, hash_mix64(ask->publisher) % total, pick);
    case GROUPS_HASH_TOPIC:
        return place_at(choice, ask->topic % total, pick);
    case GROUPS_STICKY:
        member = member_of(group, group->sticky_place);
        weight = member != NULL ? weight_of(choice, member) : 0;
        if (weight == 0) {
            group->sticky_place = place_at(choice, group->turn++ % total, pick);
            group->sticky_pick = *pick;
        }
        *pick = group->sticky_pick;
        return group->sticky_place;
    case GROUPS_LOCAL:
        member = member_of(group, ask->source);
        weight = member != NULL ? weight_of(choice, member) : 0;
        if (weight == 0)
            break;
        *pick = (uint32_t)(group->turn++ % weight);
        return ask->source;
    default:
        break;
    }
    return place_at(choice, group->turn++ % total, pick);
}

uint32_t
groups_choose(struct groups *groups, struct group *group, const struct groups_ask *ask,
              groups_open_fn open, void *arg, uint32_t *pick, bool *wait)
{
    struct choice choice = {group, ask, open, arg, ask->only_stores ? PASS_SLEEPING : PASS_OPEN};
    for (; choice.pass < PASSES; choice.pass++) {
        uint64_t total = total_of(&choice);
        *wait = choice.pass != PASS_OPEN;
        if (total != 0)
            return choose(groups, &choice, group, total, pick);
    }
    return GROUPS_NO_PLACE;
}

bool
group_is_fleeting(const struct group *group)
{
    uint32_t i;
    for (i = 0; i < group->count; i++) {
        if (!group->list[i].members.keeps && group->list[i].members.count != 0)
            return true;
    }
    return false;
}

size_t
groups_count(const struct groups *groups)
{
    return groups->count;
}

size_t
groups_places(const struct groups *groups)
{
    return groups->pairs;
}
