/* SPDX-License-Identifier: Apache-2.0 */
/* See post_body.h. Each body is one block: the struct, arrays, then the bytes it points to. */
#include "services/gateway/post_body.h"

#include <string.h>

#include "common/mem.h"
#include "proto/traces.h"
#include "services/gateway/admin_job.h"
#include "services/gateway/post_access.h"

static size_t
auth_len(const struct auth_request *auth)
{
    return auth->first.len + auth->challenge.len + auth->final.len;
}

static struct auth_request
put_auth(uint8_t **at, const struct auth_request *auth)
{
    struct auth_request copy;
    copy.first = slice_put(at, auth->first);
    copy.challenge = slice_put(at, auth->challenge);
    copy.final = slice_put(at, auth->final);
    return copy;
}

struct auth_request *
auth_request_new(const struct auth_request *request)
{
    struct auth_request *copy = mem_alloc(sizeof(*copy) + auth_len(request));
    uint8_t *at = (uint8_t *)(copy + 1);
    *copy = put_auth(&at, request);
    return copy;
}

void
auth_request_free(struct auth_request *request)
{
    mem_free(request);
}

struct auth_answer *
auth_answer_new(const struct auth_answer *answer)
{
    struct auth_answer *copy = mem_alloc(sizeof(*copy) + answer->data.len + answer->user.len);
    uint8_t *at = (uint8_t *)(copy + 1);
    *copy = *answer;
    copy->data = slice_put(&at, answer->data);
    copy->user = slice_put(&at, answer->user);
    return copy;
}

void
auth_answer_free(struct auth_answer *answer)
{
    mem_free(answer);
}

struct session_open_request *
session_open_request_new(const struct session_open_request *request)
{
    const struct will_request *will = &request->will;
    size_t len = request->client_id.len + request->user.len;
    if (request->has_will)
        len += will->topic.len + will->payload.len + will->properties.len;
    struct session_open_request *copy = mem_alloc(sizeof(*copy) + len);
    *copy = *request;
    uint8_t *at = (uint8_t *)(copy + 1);
    copy->client_id = slice_put(&at, request->client_id);
    copy->user = slice_put(&at, request->user);
    if (request->has_will) {
        copy->will.topic = slice_put(&at, will->topic);
        copy->will.payload = slice_put(&at, will->payload);
        copy->will.properties = slice_put(&at, will->properties);
    } else {
        memset(&copy->will, 0, sizeof(copy->will));
    }
    return copy;
}

void
session_open_request_free(struct session_open_request *request)
{
    mem_free(request);
}

struct session_opened *
session_opened_new(const struct session_opened *opened)
{
    size_t len = opened->client_id.len + opened->reason_string.len;
    size_t subscriptions = opened->subscription_count * sizeof(*opened->subscriptions);
    size_t inbound = opened->inbound_count * sizeof(*opened->inbound);
    for (uint32_t i = 0; i < opened->subscription_count; i++)
        len += opened->subscriptions[i].filter.len;
    struct session_opened *copy = mem_alloc(sizeof(*copy) + subscriptions + inbound + len);
    *copy = *opened;
    uint8_t *base = (uint8_t *)(copy + 1);
    uint8_t *at = base + subscriptions + inbound;
    copy->subscriptions = (struct session_subscription *)(void *)base;
    copy->inbound = (uint16_t *)(void *)(base + subscriptions);
    if (inbound > 0)
        memcpy(copy->inbound, opened->inbound, inbound);
    for (uint32_t i = 0; i < opened->subscription_count; i++) {
        copy->subscriptions[i] = opened->subscriptions[i];
        copy->subscriptions[i].filter = slice_put(&at, opened->subscriptions[i].filter);
    }
    copy->client_id = slice_put(&at, opened->client_id);
    copy->reason_string = slice_put(&at, opened->reason_string);
    return copy;
}

void
session_opened_free(struct session_opened *opened)
{
    mem_free(opened);
}

struct subscribe_request *
subscribe_request_new(const struct subscribe_request *request)
{
    size_t array = request->count * sizeof(*request->subscriptions);
    size_t len = 0;
    for (uint32_t i = 0; i < request->count; i++)
        len += request->subscriptions[i].filter.len;
    struct subscribe_request *copy = mem_alloc(sizeof(*copy) + array + len);
    *copy = *request;
    copy->subscriptions = (struct session_subscription *)(void *)(copy + 1);
    uint8_t *at = (uint8_t *)(copy + 1) + array;
    for (uint32_t i = 0; i < request->count; i++) {
        copy->subscriptions[i] = request->subscriptions[i];
        copy->subscriptions[i].filter = slice_put(&at, request->subscriptions[i].filter);
    }
    return copy;
}

void
subscribe_request_free(struct subscribe_request *request)
{
    mem_free(request);
}

struct subscribe_answer *
subscribe_answer_new(uint32_t count)
{
    struct subscribe_answer *answer = mem_zalloc(sizeof(*answer) + count);
    answer->count = count;
    return answer;
}

void
subscribe_answer_free(struct subscribe_answer *answer)
{
    mem_free(answer);
}

struct retained_request *
retained_request_new(struct slice filter, struct slice after, uint32_t limit)
{
    struct retained_request *request = mem_alloc(sizeof(*request) + filter.len + after.len);
    uint8_t *at = (uint8_t *)(request + 1);
    request->filter = slice_put(&at, filter);
    request->after = slice_put(&at, after);
    request->limit = limit;
    request->visited = 0;
    request->shard = RETAINED_ANY_SHARD;
    return request;
}

void
retained_request_free(struct retained_request *request)
{
    mem_free(request);
}

struct retained_answer *
retained_answer_new(struct slice next, struct message *const *messages, uint32_t count)
{
    size_t array = count * sizeof(*messages);
    struct retained_answer *answer = mem_alloc(sizeof(*answer) + array + next.len);
    answer->count = count;
    answer->more = next.len != 0;
    answer->shard = 0;
    answer->visited = 0;
    if (count > 0)
        memcpy(answer->messages, messages, array);
    uint8_t *at = (uint8_t *)answer + sizeof(*answer) + array;
    answer->next = slice_put(&at, next);
    return answer;
}

void
retained_answer_free(struct retained_answer *answer)
{
    if (answer == NULL)
        return;
    for (uint32_t i = 0; i < answer->count; i++)
        message_unref(answer->messages[i]);
    mem_free(answer);
}

struct session_announcement *
session_announcement_new(struct session_open_request *open, uint64_t session, uint64_t epoch,
                         uint64_t last_seq)
{
    struct session_announcement *announcement = mem_alloc(sizeof(*announcement));
    *announcement = (struct session_announcement){
        .session = session, .epoch = epoch, .last_seq = last_seq, .open = open};
    return announcement;
}

void
session_announcement_free(struct session_announcement *announcement)
{
    if (announcement == NULL)
        return;
    session_open_request_free(announcement->open);
    mem_free(announcement);
}

struct delivery *
delivery_new(struct message *message, const uint32_t *identifiers, uint32_t count)
{
    struct delivery *delivery = mem_alloc(sizeof(*delivery) + count * sizeof(*identifiers));
    delivery->message = message;
    delivery->identifier_count = count;
    if (count > 0)
        memcpy(delivery->identifiers, identifiers, count * sizeof(*identifiers));
    return delivery;
}

void
delivery_free(struct delivery *delivery)
{
    if (delivery == NULL)
        return;
    message_unref(delivery->message);
    mem_free(delivery);
}

struct post_filter *
post_filter_new(struct slice bytes)
{
    struct post_filter *filter = mem_alloc(sizeof(*filter) + bytes.len);
    filter->len = (uint32_t)bytes.len;
    if (bytes.len > 0)
        memcpy(filter->bytes, bytes.data, bytes.len);
    return filter;
}

void
post_filter_free(struct post_filter *filter)
{
    mem_free(filter);
}

void
post_body_free(struct post *post)
{
    switch (post->kind) {
    case POST_OPEN:
        session_open_request_free(post->body);
        break;
    case POST_OPENED:
        session_opened_free(post->body);
        break;
    case POST_FILTER_ADD:
    case POST_FILTER_REMOVE:
    case POST_PLACE_ADD:
    case POST_PLACE_REMOVE:
    case POST_USER_CHANGED:
    case POST_SHARE_COUNT:
        post_filter_free(post->body);
        break;
    case POST_SUBSCRIBE:
    case POST_UNSUBSCRIBE:
        subscribe_request_free(post->body);
        break;
    case POST_SUBSCRIBED:
    case POST_UNSUBSCRIBED:
        subscribe_answer_free(post->body);
        break;
    case POST_RETAINED_GET:
        retained_request_free(post->body);
        break;
    case POST_RETAINED:
        retained_answer_free(post->body);
        break;
    case POST_PUBLISH:
    case POST_INBOUND_PUBLISH:
    case POST_MESSAGE:
        message_unref(post->body);
        break;
    case POST_DELIVER:
        delivery_free(post->body);
        break;
    case POST_SHARED:
    case POST_SHARED_RETURN:
        handout_free(post->body);
        break;
    case POST_AUTH:
        auth_request_free(post->body);
        break;
    case POST_AUTHED:
        auth_answer_free(post->body);
        break;
    case POST_ANNOUNCEMENT:
    case POST_CLOSE:
        session_announcement_free(post->body);
        break;
    case POST_SIGN_IN:
    case POST_USER_ASK:
        sign_in_request_free(post->body);
        break;
    case POST_SIGNED_IN:
    case POST_USER_TERMS:
        signed_in_free(post->body);
        break;
    case POST_ROLE:
        role_news_free(post->body);
        break;
    case POST_BAN:
        ban_news_free(post->body);
        break;
    case POST_ADMIN:
    case POST_SWEEP:
    case POST_ADMIN_DONE:
    case POST_TRACE:
        admin_job_free(post->body);
        break;
    case POST_TRACE_EVENT:
        trace_event_free(post->body);
        break;
    default:
        break;
    }
    post->body = NULL;
}
