/* SPDX-License-Identifier: Apache-2.0 */
/* What workers post to the hub, and what the hub posts to workers. The desk of the hub: it decides
 * nothing about cores or stores. */
#include "services/gateway/hub_admin.h"
#include "services/gateway/hub_state.h"
#include "services/gateway/hub_sys.h"

#include "common/log.h"
#include "common/mem.h"
#include "proto/mqtt_reason.h"
#include "services/gateway/flaps.h"
#include "services/gateway/sign_in.h"
#include "services/gateway/store_codec.h"

uint32_t
hub_post_all_workers(const struct hub *hub)
{
    return (uint32_t)((UINT64_C(1) << hub->workers) - 1);
}

void
hub_post_to(struct hub *hub, unsigned worker, const struct post *post)
{
    post_box_add(hub->box, worker, post);
}

void
hub_post_to_conn(struct hub *hub, const struct post *post)
{
    unsigned worker = (unsigned)(post->conn >> 56);
    if (worker < hub->workers) {
        post_box_add(hub->box, worker, post);
        return;
    }
    /* A handle that a store made up, or kept from a former life with more workers. */
    struct post lost = *post;
    post_body_free(&lost);
}

void
hub_post_to_all(struct hub *hub, const struct post *post)
{
    for (unsigned w = 0; w < hub->workers; w++)
        post_box_add(hub->box, w, post);
}

void
hub_post_place(struct hub *hub, uint8_t kind, uint8_t place, uint64_t version, struct slice filter,
               uint32_t mask)
{
    for (unsigned w = 0; w < hub->workers; w++) {
        if ((mask & UINT32_C(1) << w) == 0)
            continue;
        struct post post = {
            .kind = kind, .flags = place, .a = version, .body = post_filter_new(filter)};
        post_box_add(hub->box, w, &post);
    }
}

void
hub_post_hold(struct hub *hub, unsigned reason, bool on)
{
    unsigned before = hub->hold;
    hub->hold = on ? before | reason : before & ~reason;
    if ((before != 0) == (hub->hold != 0))
        return;
    struct post post = {.kind = POST_HOLD, .flags = hub->hold != 0};
    hub_post_to_all(hub, &post);
}

void
hub_post_hold_stores(struct hub *hub, uint64_t shards)
{
    struct post post = {.kind = POST_HOLD_STORES, .a = shards};
    if (hub->hold_stores == shards)
        return;
    hub->hold_stores = shards;
    hub_post_to_all(hub, &post);
}

void
hub_post_message(struct hub *hub, struct message *message, uint32_t mask)
{
    for (; mask != 0; mask &= mask - 1) {
        bool is_last = (mask & (mask - 1)) == 0;
        *post_box_next(hub->box, (unsigned)__builtin_ctz(mask)) =
            (struct post){.kind = POST_MESSAGE,
                          .b = message->publisher,
                          .body = is_last ? message : message_ref(message)};
        if (is_last)
            return;
    }
    message_unref(message); /* nobody wants it */
}

/* ---- filters of workers */

static void
answer_filter(struct hub *hub, unsigned worker, uint64_t ticket, enum err result)
{
    if (ticket == 0)
        return;
    struct post post = {.kind = POST_FILTER_READY, .a = ticket, .aux = (uint32_t)result};
    hub_post_to(hub, worker, &post);
}

static void
on_filter_add(struct hub *hub, struct post *post)
{
    struct slice filter = post_filter_slice(post->body);
    uint32_t others = hub_post_all_workers(hub) & ~(UINT32_C(1) << post->worker);
    bool first = false;
    enum err err = filters_add(hub->filters, filter, post->worker, &first);
    if (err != OK) {
        answer_filter(hub, post->worker, post->a, err);
        return;
    }
    if (barrier_span(hub->barrier) >= HUB_CHANGES_MAX) {
        /* Undone here, so that the worker's answer to the error, a removal, finds nothing. */
        bool last = false;
        if (filters_remove(hub->filters, filter, post->worker, &last) == OK && last && !first)
            core_link_route_remove(hub->core, filter);
        answer_filter(hub, post->worker, post->a, ERR_BUSY);
        return;
    }
    struct barrier_change change = {.waits = others | BARRIER_CORES,
                                    .a = post->a,
                                    .b = post->worker,
                                    .deadline_ms = loop_now_ms(hub->loop) + HUB_REQUEST_DEADLINE_MS,
                                    .kind = HUB_CHANGE_FILTER};
    uint64_t version = barrier_add(hub->barrier, &change);
    hub_post_place(hub, POST_PLACE_ADD, post->worker, version, filter, others);
    /* The route is told again even if another worker had the filter already: its first telling may
     * not have been answered yet, and every SUBACK needs an answer of its own. */
    core_link_route_add(hub->core, version, filter, change.deadline_ms);
}

static void
on_filter_remove(struct hub *hub, struct post *post)
{
    struct slice filter = post_filter_slice(post->body);
    uint32_t others = hub_post_all_workers(hub) & ~(UINT32_C(1) << post->worker);
    bool last = false;
    if (filters_remove(hub->filters, filter, post->worker, &last) != OK)
        return;
    hub_post_place(hub, POST_PLACE_REMOVE, post->worker, barrier_skip(hub->barrier), filter,
                   others);
    if (last)
        core_link_route_remove(hub->core, filter);
}

void
hub_post_change_done(void *arg, const struct barrier_change *change, enum err result)
{
    struct hub *hub = arg;
    if (change->kind == HUB_CHANGE_DIGEST) {
        core_link_digest_step(hub->core, change->a);
        return;
    }
    if (result != OK)
        metric_counter_add(hub->metric.barrier_timeouts, 1);
    answer_filter(hub, (unsigned)change->b, change->a, result);
}

/* ---- everything else */

static void
on_place_ack(struct hub *hub, struct post *post)
{
    barrier_ack(hub->barrier, post->worker, post->a);
}

static void
on_publish(struct hub *hub, struct post *post)
{
    struct message *message = post->body;
    post->body = NULL;
    core_link_publish(hub->core, post->conn, post->a, message);
}

static void
on_share_count(struct hub *hub, struct post *post)
{
    struct slice share = post_filter_slice(post->body);
    struct shares_count count = {(uint32_t)post->a, (uint32_t)post->b, post->aux};
    (void)shares_set(hub->shares, share, post->worker, count);
    core_link_share_changed(hub->core, share);
}

static void
on_shared_done(struct hub *hub, struct post *post)
{
    core_link_shared_done(hub->core, post->aux, post->a);
}

static void
on_shared_return(struct hub *hub, struct post *post)
{
    struct handout *handout = post->body;
    post->body = NULL;
    core_link_shared_return(hub->core, post->worker, post->flags, handout);
}

static void
on_ask(struct hub *hub, struct post *post)
{
    if (!hub_sys_answer(hub->sys, post))
        store_link_ask(hub->store, post);
}

static void
on_open(struct hub *hub, struct post *post)
{
    const struct session_open_request *request = post->body;
    if (request->client_id.len > 0 &&
        !flaps_may_connect(hub->flaps, request->client_id, loop_now_ms(hub->loop))) {
        struct post refused = {
            .kind = POST_OPENED, .conn = post->conn, .body = store_codec_refused(MQTT_BANNED)};
        metric_counter_add(hub->metric.flapping, 1);
        hub_post_to_conn(hub, &refused);
        return;
    }
    store_link_ask(hub->store, post);
}

static void
on_sign_in(struct hub *hub, struct post *post)
{
    if (post->body != NULL)
        sign_in_take(hub->sign_in, post);
}

static void
on_tell(struct hub *hub, struct post *post)
{
    store_link_tell(hub->store, post);
}

static void
on_announcement(struct hub *hub, struct post *post)
{
    store_link_announcement(hub->store, post);
}

static void
on_drained(struct hub *hub, struct post *post)
{
    hub->drained |= UINT32_C(1) << post->worker;
}

static void
on_admin_done(struct hub *hub, struct post *post)
{
    struct admin_job *job = post->body;
    post->body = NULL;
    if (job != NULL)
        hub_admin_done(hub->admin, job);
}

static void
on_trace_event(struct hub *hub, struct post *post)
{
    struct trace_event *event = post->body;
    post->body = NULL;
    if (event != NULL)
        hub_admin_traced(hub->admin, post->a, event);
}

typedef void (*desk_fn)(struct hub *hub, struct post *post);

static const desk_fn desks[] = {
    [POST_OPEN] = on_open,
    [POST_READY] = on_tell,
    [POST_CLOSE] = on_tell,
    [POST_FILTER_ADD] = on_filter_add,
    [POST_FILTER_REMOVE] = on_filter_remove,
    [POST_PLACE_ACK] = on_place_ack,
    [POST_SUBSCRIBE] = on_ask,
    [POST_UNSUBSCRIBE] = on_ask,
    [POST_RETAINED_GET] = on_ask,
    [POST_PUBLISH] = on_publish,
    [POST_INBOUND_PUBLISH] = on_tell,
    [POST_INBOUND_RELEASE] = on_tell,
    [POST_QUEUE_ACK] = on_tell,
    [POST_QUEUE_REC] = on_tell,
    [POST_ANNOUNCEMENT] = on_announcement,
    [POST_DRAINED] = on_drained,
    [POST_SHARE_COUNT] = on_share_count,
    [POST_SHARED_DONE] = on_shared_done,
    [POST_SHARED_RETURN] = on_shared_return,
    [POST_AUTH] = on_ask,
    [POST_SIGN_IN] = on_sign_in,
    [POST_USER_ASK] = on_sign_in,
    [POST_ADMIN_DONE] = on_admin_done,
    [POST_TRACE_EVENT] = on_trace_event,
};

void
hub_post_take(void *arg, void *item)
{
    struct hub *hub = arg;
    struct post post = *(struct post *)item;
    if (post.kind < sizeof(desks) / sizeof(desks[0]) && desks[post.kind] != NULL &&
        post.worker < hub->workers)
        desks[post.kind](hub, &post);
    post_body_free(&post);
}
