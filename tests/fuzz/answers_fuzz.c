/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a hostile store answers a gateway, and tells it of roles and bans: the first byte says which
 * it is meant to be. What is taken must be fit for what is done with it: packets, tables, rules.
 */
#include "proto/access_rules.h"
#include "proto/limits.h"
#include "proto/topic.h"
#include "proto/utf8.h"
#include "services/gateway/access_codec.h"
#include "services/gateway/post_access.h"
#include "services/gateway/post_body.h"
#include "services/gateway/store_codec.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
require(bool holds)
{
    if (!holds)
        abort();
}

static void
opened(struct slice body)
{
    struct session_opened *answer = NULL;
    if (store_codec_opened(body, &answer) != OK)
        return;
    require(answer->client_id.len <= LIMITS_CLIENT_ID);
    require(answer->reason_string.len <= LIMITS_STRING && utf8_is_valid(answer->reason_string));
    for (uint32_t i = 0; i < answer->subscription_count; i++) {
        const struct session_subscription *one = &answer->subscriptions[i];
        require(topic_filter_is_valid(one->filter) && one->qos <= 2 &&
                one->identifier <= LIMITS_SUBSCRIPTION_ID);
    }
    for (uint32_t i = 0; i < answer->inbound_count; i++)
        require(answer->inbound[i] != 0);
    session_opened_free(answer);
}

static void
subscribed(struct slice body)
{
    struct subscribe_answer *answer = NULL;
    if (store_codec_subscribed(body, &answer) == OK)
        subscribe_answer_free(answer);
    answer = NULL;
    if (store_codec_unsubscribed(body, &answer) == OK)
        subscribe_answer_free(answer);
}

static void
retained(struct slice body)
{
    struct retained_answer *answer = NULL;
    if (store_codec_retained_got(body, &answer) != OK)
        return;
    for (uint32_t i = 0; i < answer->count; i++) {
        const struct message *message = answer->messages[i];
        require(message->qos <= 2 && topic_name_is_valid(message_topic(message)));
        require(message_topic(message).len + message_properties(message).len +
                    message_payload(message).len + PUBLISH_RECORD_FIXED ==
                message->len);
    }
    retained_answer_free(answer);
}

static void
authed(struct slice body)
{
    struct auth_answer *answer = NULL;
    if (store_codec_authed(body, &answer) != OK)
        return;
    require(answer->data.len <= LIMITS_STRING && answer->user.len <= LIMITS_STRING);
    auth_answer_free(answer);
}

static void
signed_in_answer(struct slice body)
{
    struct signed_in *answer = NULL;
    if (access_codec_signed_in(body, slice_cstr("ann"), &answer) != OK)
        return;
    require(answer->auth_data.len <= LIMITS_STRING &&
            answer->terms.rules.len <= ACCESS_RULES_TEXT_MAX);
    for (size_t at = 0; at < answer->terms.roles.len;) { /* length, name, length, name ... */
        size_t len = answer->terms.roles.data[at];
        require(len > 0 && len < answer->terms.roles.len - at);
        at += 1 + len;
    }
    signed_in_free(answer);
}

static void
news(struct slice body)
{
    struct role_news role;
    struct ban_news *ban = NULL;
    if (access_codec_role(body, &role) == OK)
        require(role.name.len > 0 && role.rules.len <= ACCESS_RULES_TEXT_MAX);
    if (access_codec_ban(body, &ban) == OK)
        ban_news_free(ban);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static void (*const kinds[])(struct slice) = {opened, subscribed,       retained,
                                                  authed, signed_in_answer, news};
    if (size > 0)
        kinds[data[0] % (sizeof(kinds) / sizeof(kinds[0]))](slice_of(data + 1, size - 1));
    return 0;
}
