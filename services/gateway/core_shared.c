/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The hub's part in shared subscriptions: a core picked this gateway for a message, here the worker
 * is picked; what workers hand back goes to another worker if theirs were only full, else to a
 * core, which keeps it as safe as a publish until somebody else has it.
 *
 * QoS 2 waits here until the core has granted the claim to it (proto/takes.h): a round trip, in
 * which nothing is lost whoever dies. From then on it is this gateway's: it goes to a member, or is
 * handed back as a publish of ours.
 */
#include "services/gateway/core_link_part.h"

#include "common/cursor.h"
#include "proto/feed_records.h"
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

/* To the worker of the member picked. */
static void
hand_out(struct core_link *link, struct handout *handout)
{
    struct hub *hub = link->hub;
    unsigned worker = 0;
    uint32_t pick = 0;
    if (!shares_pick(hub->shares, handout_share(handout), handout->message->qos, 0, handout->pick,
                     &worker, &pick)) {
        core_link_shared_return(link, hub->workers, 0, handout);
        return;
    }
    struct post post = {.kind = POST_SHARED, .aux = pick, .body = handout};
    hub_post_to(hub, worker, &post);
}

static enum takes_verdict
judge(struct core_link *link, const struct message *message, struct slice share,
      struct takes_copy *copy)
{
    if (message->qos == 0)
        return core_link_is_stale(link, message) ? TAKES_DROP : TAKES_GIVE;
    /* The fixed head of publish_record.h, which message_from_record has checked. */
    copy->key = takes_key(cursor_load_u64(message->bytes), share);
    copy->token = cursor_load_u64(message->bytes + 8);
    copy->floor = cursor_load_u64(message->bytes + 16);
    copy->qos = message->qos;
    /* A member that takes it with QoS 1 must not lose it with us: no claim, the core keeps its
     * copy. */
    copy->claims = message->qos == 2 && link->begun[copy->core] &&
                   shares_get(link->hub->shares, share).members_qos2 != 0;
    return takes_arrive(link->takes, copy, loop_now_ms(link->hub->loop));
}

static void
send_numbers(struct core_link *link, unsigned core, struct buf *numbers, uint8_t type)
{
    while (buf_len(numbers) != 0) {
        struct slice part = slice_sub(buf_slice(numbers), 0, DONE_CHUNK);
        core_client_shared_tell(link->client, core, type, part);
        buf_consume(numbers, part.len);
    }
}

/* At the end of the turn, or when there are many. */
static void
tell_number(struct core_link *link, uint32_t core, struct buf *numbers, uint8_t type,
            uint64_t number)
{
    buf_put_u64(numbers, number);
    link->any_done = true;
    if (buf_len(numbers) >= DONE_CHUNK)
        send_numbers(link, core, numbers, type);
}

/* A message for one member of a group. */
static void
take(struct core_link *link, uint32_t core, struct slice body)
{
    struct hub *hub = link->hub;
    struct records_shared shared;
    struct takes_copy copy = {.core = core};
    struct message *message = NULL;
    if (records_shared_publish_decode(body, &shared) != OK ||
        message_from_record(shared.record, &message) != OK) {
        metric_counter_add(hub->metric.malformed, 1);
        return;
    }
    metric_counter_add(hub->metric.shared, 1);
    copy.number = shared.number;
    copy.asked = (shared.flags & SHARED_ASKED) != 0;
    enum takes_verdict verdict = judge(link, message, shared.share, &copy);
    if (verdict == TAKES_DROP) {
        metric_counter_add(hub->metric.repeats, message->qos != 0);
        if (shared.number != 0)
            core_link_shared_done(link, core, shared.number);
        message_unref(message);
        return;
    }
    struct handout *handout = handout_new(message, shared.share, shared.number, core, shared.hops);
    handout->pick = shared.pick;
    if (verdict == TAKES_GIVE) {
        if (message->qos == 2 && shared.number != 0 && core_link_is_exact(link, core))
            tell_number(link, core, &link->held[core], FEED_SHARED_HELD, shared.number);
        hand_out(link, handout);
        return;
    }
    takes_hold(link->takes, &copy, handout, sizeof(*handout) + shared.share.len + message->len);
    tell_number(link, core, &link->claims[core], FEED_SHARED_CLAIM, copy.number);
}

/* The core has forgotten its copy, so nobody need be told when a member has the message; or
 * somebody else has, or will have, it. */
static void
claim_over(void *arg, void *item, bool granted)
{
    struct core_link *link = arg;
    struct handout *handout = item;
    if (!granted) {
        handout_free(handout);
        return;
    }
    handout->number = 0;
    hand_out(link, handout);
}

static void
claim_dropped(void *arg, void *item, bool granted)
{
    (void)arg;
    (void)granted;
    handout_free(item);
}

static void
taken(struct core_link *link, uint32_t core, struct slice body)
{
    uint64_t number;
    uint8_t flags;
    if (repeats_taken_decode(body, &number, &flags) != OK) {
        metric_counter_add(link->hub->metric.malformed, 1);
        return;
    }
    link->begun[core] = link->begun[core] || (flags & TAKEN_BEGIN) != 0;
    takes_granted(link->takes, core, number, (flags & TAKEN_BEGIN) != 0,
                  loop_now_ms(link->hub->loop), claim_over, link);
}

static void
asked(struct core_link *link, uint32_t core, struct slice body)
{
    uint8_t answer[REPEATS_ANSWER_BYTES];
    struct repeats_ask ask;
    if (repeats_ask_decode(body, &ask) != OK) {
        metric_counter_add(link->hub->metric.malformed, 1);
        return;
    }
    enum repeats_verdict verdict = takes_ask(link->takes, core, &ask, loop_now_ms(link->hub->loop));
    core_client_shared_tell(link->client, core, FEED_SHARED_ANSWER,
                            slice_of(answer, repeats_answer_encode(ask.id, verdict, answer)));
}

bool
core_shared_record(struct core_link *link, uint32_t core, uint8_t type, struct slice body)
{
    switch (type) {
    case FEED_SHARED_PUBLISH:
        take(link, core, body);
        return true;
    case FEED_SHARED_TAKEN:
        taken(link, core, body);
        return true;
    case FEED_SHARED_ASK:
        asked(link, core, body);
        return true;
    default:
        return false;
    }
}

void
core_shared_up(struct core_link *link, uint32_t core)
{
    buf_reset(&link->done[core]);
    buf_reset(&link->claims[core]);
    buf_reset(&link->held[core]);
    link->begun[core] = false;
    /* One that knows of claims says first which of them it has granted. */
    if (!core_link_is_exact(link, core))
        takes_granted(link->takes, core, 0, true, loop_now_ms(link->hub->loop), claim_over, link);
}

void
core_shared_free(struct core_link *link)
{
    takes_free(link->takes, claim_dropped, NULL);
    for (unsigned i = 0; i < CORE_CLIENT_CORES_MAX; i++) {
        buf_fini(&link->done[i]);
        buf_fini(&link->claims[i]);
        buf_fini(&link->held[i]);
    }
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

void
core_link_shared_done(struct core_link *link, uint32_t core, uint64_t number)
{
    if (core >= link->count)
        return;
    tell_number(link, core, &link->done[core], FEED_SHARED_DONE, number);
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
    for (unsigned i = 0; link->any_done && i < link->count; i++) {
        send_numbers(link, i, &link->done[i], FEED_SHARED_DONE);
        send_numbers(link, i, &link->claims[i], FEED_SHARED_CLAIM);
        send_numbers(link, i, &link->held[i], FEED_SHARED_HELD);
    }
    link->any_done = false;
}

void
core_shared_tick(struct core_link *link, uint64_t now_ms)
{
    const struct hub_metrics *metric = &link->hub->metric;
    struct takes_stats stats = takes_stats(link->takes);
    takes_tick(link->takes, now_ms);
    metric_counter_add(metric->shared_refused, stats.refused - link->counted.refused);
    metric_counter_add(metric->shared_unclaimed, stats.unclaimed - link->counted.unclaimed);
    metric_counter_add(metric->shared_promises_forgotten,
                       stats.forgotten - link->counted.forgotten);
    link->counted = stats;
}
