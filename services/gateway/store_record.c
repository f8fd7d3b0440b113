/* SPDX-License-Identifier: Apache-2.0 */
/* The desk for records that come from a store: each becomes a post to the worker that has the
 * connection. Handles that make no sense are dropped; the store learns from its own epochs. */
#include "services/gateway/hub_state.h"

#include "common/log.h"
#include "proto/records.h"
#include "services/gateway/access_codec.h"
#include "services/gateway/sign_in.h"

/* Identifiers of one delivery: RECORDS_TARGET_IDS at most, so they fit the stack. */
static void
post_delivery(struct hub *hub, struct message *message, const struct records_target *target)
{
    uint32_t ids[RECORDS_TARGET_IDS];
    for (uint8_t i = 0; i < target->id_count; i++)
        ids[i] = records_target_id(target, i);
    struct message *counted = message != NULL ? message_ref(message) : NULL;
    struct post post = {.kind = POST_DELIVER,
                        .conn = target->conn,
                        .a = target->seq,
                        .flags = target->flags,
                        .body = delivery_new(counted, ids, target->id_count)};
    hub_post_to_conn(hub, &post);
}

static enum err
on_deliver(struct hub *hub, struct slice body)
{
    struct records_deliver deliver;
    struct records_target target;
    struct message *message = NULL;
    enum err err = records_deliver_decode(body, &deliver);
    if (err != OK)
        return err;
    if (deliver.record.len > 0 && (err = message_from_record(deliver.record, &message)) != OK)
        return err;
    while (records_target_next(&deliver.targets, &target)) {
        /* Without a message there can only be a PUBREL to send. */
        if (message == NULL && (target.flags & DELIVER_REL) == 0) {
            err = ERR_MALFORMED;
            continue;
        }
        post_delivery(hub, message, &target);
    }
    metric_counter_add(hub->metric.deliveries, deliver.count);
    message_unref(message);
    return err;
}

static enum err
on_queue_recorded(struct hub *hub, struct slice body)
{
    struct post post = {.kind = POST_QUEUE_RECORDED};
    enum err err = records_queue_recorded_decode(body, &post.conn, &post.a);
    if (err == OK)
        hub_post_to_conn(hub, &post);
    return err;
}

static enum err
on_inbound_done(struct hub *hub, struct slice body)
{
    struct post post = {.kind = POST_INBOUND_DONE};
    uint16_t packet_id = 0;
    enum err err = records_inbound_done_decode(body, &post.conn, &packet_id, &post.flags);
    post.aux = packet_id;
    if (err == OK)
        hub_post_to_conn(hub, &post);
    return err;
}

static enum err
on_inbound_released(struct hub *hub, struct slice body)
{
    struct post post = {.kind = POST_INBOUND_RELEASED};
    uint16_t packet_id = 0;
    enum err err = records_inbound_released_decode(body, &post.conn, &packet_id);
    post.aux = packet_id;
    if (err == OK)
        hub_post_to_conn(hub, &post);
    return err;
}

static enum err
on_kick(struct hub *hub, struct slice body)
{
    struct records_session_kick kick;
    enum err err = records_session_kick_decode(body, &kick);
    if (err != OK)
        return err;
    struct post post = {.kind = POST_KICK,
                        .conn = kick.conn,
                        .a = kick.session,
                        .b = kick.epoch,
                        .flags = kick.reason};
    if (kick.conn == 0)
        hub_post_to_all(hub, &post);
    else
        hub_post_to_conn(hub, &post);
    return OK;
}

static enum err
on_user_changed(struct hub *hub, struct slice body)
{
    if (body.len == 0 || body.len > UINT16_MAX)
        return ERR_MALFORMED;
    sign_in_user_changed(hub->sign_in, body);
    for (unsigned w = 0; w < hub->workers; w++) {
        struct post post = {.kind = POST_USER_CHANGED, .body = post_filter_new(body)};
        hub_post_to(hub, w, &post);
    }
    return OK;
}

static enum err
on_access_reset(struct hub *hub, struct slice body)
{
    struct post post = {.kind = POST_ACCESS_RESET};
    if (body.len != 0)
        return ERR_MALFORMED;
    hub_post_to_all(hub, &post);
    return OK;
}

static enum err
on_access_end(struct hub *hub, struct slice body)
{
    struct post post = {.kind = POST_ACCESS_END};
    if (body.len != 0)
        return ERR_MALFORMED;
    hub_post_to_all(hub, &post);
    store_link_access_known(hub->store);
    return OK;
}

static enum err
on_role(struct hub *hub, struct slice body)
{
    struct role_news news;
    enum err err = access_codec_role(body, &news);
    for (unsigned w = 0; err == OK && w < hub->workers; w++) {
        struct post post = {.kind = POST_ROLE, .body = role_news_new(&news)};
        hub_post_to(hub, w, &post);
    }
    return err;
}

static enum err
on_ban(struct hub *hub, struct slice body)
{
    struct ban_news *news = NULL;
    enum err err = access_codec_ban(body, &news);
    for (unsigned w = 0; err == OK && w < hub->workers; w++) {
        struct post post = {.kind = POST_BAN, .body = ban_news_new(news)};
        hub_post_to(hub, w, &post);
    }
    ban_news_free(news);
    return err;
}

static enum err
on_resync_end(struct hub *hub, struct slice body)
{
    (void)hub;
    return body.len == 0 ? OK : ERR_MALFORMED; /* nothing of a store is replaced here */
}

typedef enum err (*desk_fn)(struct hub *hub, struct slice body);

static const desk_fn desks[] = {
    [FEED_RESYNC_END] = on_resync_end,
    [FEED_DELIVER] = on_deliver,
    [FEED_QUEUE_RECORDED] = on_queue_recorded,
    [FEED_INBOUND_DONE] = on_inbound_done,
    [FEED_INBOUND_RELEASED] = on_inbound_released,
    [FEED_SESSION_KICK] = on_kick,
    [FEED_USER_CHANGED] = on_user_changed,
    [FEED_ACCESS_RESET] = on_access_reset,
    [FEED_ACCESS_END] = on_access_end,
    [FEED_ROLE] = on_role,
    [FEED_BAN] = on_ban,
};

/* Only the store that keeps the people has a word in these. */
static bool
is_about_people(uint8_t type)
{
    return type >= FEED_USER_CHANGED && type <= FEED_BAN;
}

void
store_record_take(struct hub *hub, bool first, uint8_t type, struct slice body)
{
    if (!first && is_about_people(type))
        return;
    if (type >= sizeof(desks) / sizeof(desks[0]) || desks[type] == NULL) {
        metric_counter_add(hub->metric.unknown, 1);
        return;
    }
    enum err err = desks[type](hub, body);
    if (err == OK)
        return;
    static struct log_limit limit;
    uint64_t suppressed = 0;
    metric_counter_add(hub->metric.malformed, 1);
    if (log_every(&limit, 1000, &suppressed))
        log_warn("store_record_refused", LOG_U64("type", type), LOG_ERR(err),
                 LOG_U64("suppressed", suppressed), LOG_END);
}
