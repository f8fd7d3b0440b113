/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The hub's part in shared subscriptions: a core picked this gateway for a message, here the worker
 * is picked; what workers hand back goes to another worker if theirs were only full, else to a
 * core, which keeps it as safe as a publish until somebody else has it.
 */
#include "services/gateway/core_link_part.h"

#include "proto/records.h"

#define DONE_CHUNK 32768u

uint64_t
core_shared_wants(const struct hub *hub, struct slice filter)
{
    if (!slice_has_prefix(filter, slice_cstr("$share/")))
        return 0;
    struct shares_count count = shares_get(hub->shares, filter);
    return records_route_shared(0, count.members, count.members_qos0);
}

/* A message for one member of a group. */
void
core_shared_take(struct core_link *link, uint32_t core, struct slice body)
{
    struct hub *hub = link->hub;
    struct records_shared shared;
    struct message *message = NULL;
    if (records_shared_publish_decode(body, &shared) != OK ||
        message_from_record(shared.record, &message) != OK) {
        metric_counter_add(hub->metric.malformed, 1);
        return;
    }
    metric_counter_add(hub->metric.shared, 1);
    if (core_link_is_stale(link, message, shared.share)) {
        if (shared.number != 0)
            core_link_shared_done(link, core, shared.number);
        message_unref(message);
        return;
    }
    struct handout *handout = handout_new(message, shared.share, shared.number, core, shared.hops);
    unsigned worker = 0;
    uint32_t pick = 0;
    if (!shares_pick(hub->shares, shared.share, message->qos, 0, shared.pick, &worker, &pick)) {
        core_link_shared_return(link, hub->workers, 0, handout);
        return;
    }
    struct post post = {.kind = POST_SHARED, .aux = pick, .body = handout};
    hub_post_to(hub, worker, &post);
}

void
core_link_share_changed(struct core_link *link, struct slice share)
{
    struct shares_count count = shares_get(link->hub->shares, share);
    if (count.members == 0 && count.members_qos0 == 0)
        core_client_route_remove(link->client, share);
    else
        core_client_route_tell(link->client, share, core_shared_wants(link->hub, share));
}

static void
send_done(struct core_link *link, unsigned core)
{
    struct buf *done = &link->done[core];
    while (buf_len(done) != 0) {
        struct slice part = slice_sub(buf_slice(done), 0, DONE_CHUNK);
        core_client_shared_done(link->client, core, part);
        buf_consume(done, part.len);
    }
}

void
core_link_shared_done(struct core_link *link, uint32_t core, uint64_t number)
{
    if (core >= link->count)
        return;
    buf_put_u64(&link->done[core], number);
    link->any_done = true;
    if (buf_len(&link->done[core]) >= DONE_CHUNK)
        send_done(link, core);
}

enum err
core_shared_send_return(struct core_link *link, const struct handout *handout, uint8_t flags)
{
    struct records_shared shared = {.number = handout->number != 0 ? handout->number
                                                                   : RECORDS_SHARED_NO_NUMBER,
                                    .hops = handout->hops,
                                    .flags = flags,
                                    .share = handout_share(handout)};
    struct slice record = message_record(handout->message);
    struct buf body;
    buf_init(&body, RECORDS_SHARED_RETURN_BYTES + shared.share.len + record.len);
    uint8_t *head = buf_reserve(&body, RECORDS_SHARED_RETURN_BYTES);
    buf_commit(&body, records_shared_return_encode(&shared, head));
    buf_append_slice(&body, shared.share);
    buf_append_slice(&body, record);
    /* The core that gets it may be another one than the one that keeps a copy: until it has
     * answered, that copy must stay, in case we go down. */
    enum err err = core_client_return(link->client, buf_slice(&body),
                                      CORE_LINK_RETURN + handout->core, handout->number);
    buf_fini(&body);
    return err;
}

static void
give_back(struct core_link *link, uint8_t flags, struct handout *handout)
{
    struct hub *hub = link->hub;
    enum err err = link->head != NULL ? ERR_BUSY : core_shared_send_return(link, handout, flags);
    metric_counter_add(hub->metric.shared_returned, 1);
    if (err == ERR_BUSY) {
        core_link_keep_waiting(link, &(struct waiting){.handout = handout, .flags = flags});
        return;
    }
    if (err != OK)
        metric_counter_add(hub->metric.malformed, 1);
    handout_free(handout);
}

void
core_link_shared_return(struct core_link *link, unsigned worker, uint8_t flags,
                        struct handout *handout)
{
    struct hub *hub = link->hub;
    uint8_t qos = handout->message->qos;
    unsigned other = 0;
    uint32_t pick = 0;
    if ((flags & SHARED_FULL) != 0 && worker < hub->workers) {
        handout->tried |= UINT32_C(1) << worker;
        if (shares_pick(hub->shares, handout_share(handout), qos, handout->tried, 0, &other,
                        &pick)) {
            struct post post = {.kind = POST_SHARED, .aux = pick, .body = handout};
            hub_post_to(hub, other, &post);
            return;
        }
    }
    if (qos > 0) {
        give_back(link, flags, handout);
    } else {
        metric_counter_add(hub->metric.dropped_qos0, 1);
        handout_free(handout);
    }
}

void
core_shared_turn(struct core_link *link)
{
    for (unsigned i = 0; link->any_done && i < link->count; i++)
        send_done(link, i);
    link->any_done = false;
}
