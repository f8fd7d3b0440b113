/* SPDX-License-Identifier: Apache-2.0 */
/* Keeps each gateway's digest up to date: what to send when routes of others change, in which
 * order, and who has acknowledged how much. */
#include "proto/feed_records.h"
#include "proto/records.h"
#include "services/core/router_part.h"

enum { CONTROL_MAX = 64 << 20 };

void
on_digest_control(struct router *router, uint32_t index, uint8_t type, const struct slice *parts,
                  size_t n)
{
    struct place *place = router->places[index];
    size_t len = 0, i;
    if (park_first(&place->control) == NULL &&
        router->io.append(router->arg, index, type, parts, n, FEED_CONTROL, NULL) != ERR_BUSY)
        return; /* sent, or the session ends and a new one begins with the whole digest */
    for (i = 0; i < n; i++)
        len += parts[i].len;
    if (place->control.bytes + len > CONTROL_MAX)
        place->digest_lost = true;
    else if (!place->digest_lost)
        park_put(&place->control, type, 0, parts, n);
}

static void
entry_send(struct router *router, uint32_t index, uint8_t type, struct slice entry)
{
    uint8_t version[RECORDS_DIGEST_BYTES];
    struct slice parts[2] = {
        slice_of(version, records_digest_encode(router->places[index]->version, version)), entry};
    on_digest_control(router, index, type, parts, 2);
}

struct whole {
    struct router *router;
    uint32_t place;
};

static void
whole_entry(void *arg, struct slice entry)
{
    struct whole *whole = arg;
    entry_send(whole->router, whole->place, FEED_DIGEST_ADD, entry);
}

static void
whole_send(struct router *router, uint32_t index)
{
    struct whole whole = {router, index};
    struct place *place = router->places[index];
    uint8_t version[RECORDS_NUMBER_BYTES];
    struct slice part;
    place->version++;
    part = slice_of(version, records_number_encode(place->version, version));
    on_digest_control(router, index, FEED_DIGEST_RESET, &part, 1);
    digest_each(place->digest, whole_entry, &whole);
    on_digest_control(router, index, FEED_RESYNC_END, NULL, 0);
}

struct fill {
    struct digest *digest;
    uint32_t place;
};

static void
fill_route(void *arg, uint32_t by, struct slice filter)
{
    struct fill *fill = arg;
    struct slice entry;
    if (by != fill->place)
        (void)digest_add(fill->digest, filter, &entry);
}

static void
fill_shared(void *arg, uint32_t by, struct slice filter)
{
    struct fill *fill = arg;
    struct slice entry;
    (void)by; /* its own too: the members of a group are not chosen where they are */
    (void)digest_add(fill->digest, filter, &entry);
}

static struct digest *
digest_build(struct router *router, uint32_t index)
{
    struct fill fill = {digest_new(router->config.digest_entries), index};
    routes_each(router->routes, fill_route, &fill);
    groups_each(router->groups, fill_shared, &fill);
    return fill.digest;
}

void
on_digest_up(struct router *router, uint32_t index)
{
    struct place *place = router->places[index];
    place->digest = digest_build(router, index);
    place->digest_lost = false;
    place->acked = place->version; /* versions rise over sessions: an old ack means nothing new */
    whole_send(router, index);
}

void
on_digest_down(struct router *router, uint32_t index)
{
    struct place *place = router->places[index];
    digest_free(place->digest);
    place->digest = NULL;
    place->digest_lost = false;
    place->acked = place->version;
    waits_void(router->tickets, index);
}

void
on_digest_added(struct router *router, uint32_t by, struct slice filter)
{
    uint32_t i;
    for (i = 0; i < router->place_count; i++) {
        struct place *place = router->places[i];
        struct slice entry;
        enum digest_change change;
        if (i == by || place->digest == NULL)
            continue;
        change = digest_add(place->digest, filter, &entry);
        if (change == DIGEST_WHOLE) {
            whole_send(router, i);
        } else if (change == DIGEST_ENTRY) {
            place->version++;
            entry_send(router, i, FEED_DIGEST_ADD, entry);
        }
    }
}

void
on_digest_removed(struct router *router, uint32_t by, struct slice filter)
{
    uint32_t i;
    for (i = 0; i < router->place_count; i++) {
        struct place *place = router->places[i];
        struct slice entry;
        if (i == by || place->digest == NULL ||
            digest_remove(place->digest, filter, &entry) != DIGEST_ENTRY)
            continue;
        place->version++;
        entry_send(router, i, FEED_DIGEST_REMOVE, entry);
    }
}

enum err
on_digest_ack(struct router *router, uint32_t index, struct slice body)
{
    struct place *place = router->places[index];
    uint64_t version;
    enum err err = records_number_decode(body, &version);
    if (err != OK)
        return err;
    if (version > place->version)
        return ERR_MALFORMED; /* never sent */
    if (version <= place->acked)
        return OK;
    place->acked = version;
    waits_reach(router->tickets, index, version);
    return OK;
}

void
on_digest_pump(struct router *router, uint32_t index)
{
    struct place *place = router->places[index];
    const struct park_item *item;
    while ((item = park_first(&place->control)) != NULL) {
        struct slice body = slice_of(item->bytes, item->len);
        if (router->io.append(router->arg, index, item->type, &body, 1, FEED_CONTROL, NULL) ==
            ERR_BUSY)
            return;
        park_drop(&place->control);
    }
    if (!place->digest_lost || place->digest == NULL)
        return;
    place->digest_lost = false;
    whole_send(router, index);
}

void
on_digest_review(struct router *router)
{
    uint32_t i;
    for (i = 0; i < router->place_count; i++) {
        struct place *place = router->places[i];
        /* Half the bound, so that it is not shortened again by the next filter. */
        if (place->digest == NULL || !digest_is_shortened(place->digest) ||
            digest_total(place->digest) > router->config.digest_entries / 2)
            continue;
        digest_free(place->digest);
        place->digest = digest_build(router, i);
        whole_send(router, i);
    }
}
