/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The merged digest. Each core sends its own; a filter is wanted while any core's digest holds it.
 * A digest that is sent anew (RESET ... RESYNC_END) replaces the former one at its end, so that no
 * filter is missing in between. Versions are acknowledged in batches: one digest_apply under way
 * at a time, covering all that was received before it.
 *
 * The digest of a core that is lost stays in force until some core's digest is valid (it costs
 * nothing, and spares the workers a removal and an addition of everything).
 */
#include "proto/core_client_part.h"

#include "common/mem.h"
#include "proto/records.h"

static bool
core_is_valid(const struct core_state *core)
{
    return core->up && core->serving && core->synced && !core->over;
}

static void
filter_drop(struct core_client *client, struct core_filter *filter, uint32_t index)
{
    uint32_t bit = 1u << index;
    if ((filter->cores & bit) == 0)
        return;
    filter->cores &= ~bit;
    filter->stale &= ~bit;
    client->cores[index].filters--;
    if (filter->cores != 0)
        return;
    HASH_DEL(client->filters, filter);
    client->io.digest_remove(client->arg, slice_of(filter->bytes, filter->len));
    mem_free(filter);
}

/* Removes the core's filters: all, or those that are stale. */
static void
digest_sweep(struct core_client *client, uint32_t index, bool all)
{
    struct core_filter *filter, *next;
    HASH_ITER(hh, client->filters, filter, next)
    {
        if (all || (filter->stale >> index & 1) != 0)
            filter_drop(client, filter, index);
    }
}

void
core_client_digest_check(struct core_client *client)
{
    bool valid = false;
    uint32_t i;
    if (!client->config.digests)
        return;
    for (i = 0; i < client->core_count; i++)
        valid = valid || core_is_valid(&client->cores[i]);
    for (i = 0; valid && i < client->core_count; i++) {
        if (!client->cores[i].up && client->cores[i].filters != 0)
            digest_sweep(client, i, true);
    }
    if (valid == client->valid)
        return;
    client->valid = valid;
    client->io.digest_valid(client->arg, valid);
}

void
core_client_digest_lost(struct core_client *client, uint32_t index)
{
    struct core_state *core = &client->cores[index];
    core->staging = false;
    core->synced = false;
    core->over = false;
    core->next_version = 0;
    core->flight_version = 0;
    core->acked_version = 0;
}

static void
digest_apply(struct core_client *client)
{
    bool any = false;
    uint32_t i;
    if (client->apply_in_flight)
        return;
    for (i = 0; i < client->core_count; i++) {
        struct core_state *core = &client->cores[i];
        if (!core->up || core->staging || core->next_version == core->acked_version)
            continue;
        core->flight_version = core->next_version;
        any = true;
    }
    if (!any)
        return;
    client->apply_in_flight = true;
    client->io.digest_apply(client->arg, ++client->stamp);
}

void
core_client_digest_applied(struct core_client *client, uint64_t stamp)
{
    uint32_t i;
    if (!client->apply_in_flight || stamp != client->stamp)
        return;
    client->apply_in_flight = false;
    for (i = 0; i < client->core_count; i++) {
        struct core_state *core = &client->cores[i];
        uint8_t number[RECORDS_NUMBER_BYTES];
        struct slice part;
        if (!core->up || core->flight_version == 0 || core->flight_version == core->acked_version)
            continue;
        core->acked_version = core->flight_version;
        part = slice_of(number, records_number_encode(core->acked_version, number));
        core_client_routes_control(client, i, FEED_DIGEST_ACK, &part, 1, 0);
    }
    digest_apply(client);
}

static void
digest_reset(struct core_client *client, uint32_t index)
{
    struct core_filter *filter, *next;
    HASH_ITER(hh, client->filters, filter, next)
    {
        filter->stale |= filter->cores & (1u << index);
    }
    client->cores[index].staging = true;
    client->cores[index].over = false;
}

static void
digest_add(struct core_client *client, uint32_t index, struct slice name)
{
    struct core_state *core = &client->cores[index];
    struct core_filter *filter;
    uint32_t bit = 1u << index;
    HASH_FIND(hh, client->filters, name.data, name.len, filter);
    if (filter != NULL && (filter->cores & bit) != 0) {
        filter->stale &= ~bit;
        return;
    }
    /* Old and new digest together may be there during staging: twice the cap. */
    if (core->filters / 2 >= client->config.digest_max) {
        core->over = true;
        return;
    }
    core->filters++;
    if (filter != NULL) {
        filter->cores |= bit;
        return;
    }
    filter = mem_zalloc(sizeof(*filter) + name.len);
    filter->cores = bit;
    filter->len = (uint32_t)name.len;
    memcpy(filter->bytes, name.data, name.len);
    HASH_ADD_KEYPTR(hh, client->filters, filter->bytes, filter->len, filter);
    client->io.digest_add(client->arg, name);
}

enum err
core_client_digest_record(struct core_client *client, uint32_t index, uint8_t type,
                          struct slice body)
{
    struct core_state *core = &client->cores[index];
    struct records_digest record = {0};
    struct core_filter *filter;
    enum err err = OK;
    if (!client->config.digests)
        return OK;
    switch (type) {
    case FEED_DIGEST_RESET:
        err = records_number_decode(body, &record.version);
        break;
    case FEED_RESYNC_END:
        record.version = core->next_version;
        break;
    default:
        err = records_digest_decode(body, &record);
        break;
    }
    if (err != OK)
        return err;
    if (record.version == 0 && type != FEED_RESYNC_END)
        return ERR_MALFORMED; /* versions count from 1: 0 is "nothing received yet" here */
    core->next_version = record.version;
    if (type == FEED_DIGEST_RESET) {
        digest_reset(client, index);
    } else if (type == FEED_DIGEST_ADD) {
        digest_add(client, index, record.filter);
    } else if (type == FEED_DIGEST_REMOVE) {
        HASH_FIND(hh, client->filters, record.filter.data, record.filter.len, filter);
        if (filter != NULL)
            filter_drop(client, filter, index);
    } else if (core->staging) {
        digest_sweep(client, index, false);
        core->staging = false;
        core->synced = true;
    }
    core_client_digest_check(client);
    digest_apply(client);
    return OK;
}

void
core_client_digest_fini(struct core_client *client)
{
    struct core_filter *filter, *next;
    HASH_ITER(hh, client->filters, filter, next)
    {
        HASH_DEL(client->filters, filter);
        mem_free(filter);
    }
}
