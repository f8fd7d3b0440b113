/* SPDX-License-Identifier: Apache-2.0 */
/* Counted messages and the bodies of posts: what goes in comes out, and nothing leaks. */
#include "services/gateway/message.h"

#include "common/mem.h"
#include "services/gateway/identity.h"
#include "services/gateway/post_body.h"
#include "tests/unit/cunit_main.h"

static struct message *
sample(void)
{
    struct publish_record record = {.expiry_ms = 77,
                                    .publisher = 5,
                                    .qos = 1,
                                    .retain = true,
                                    .topic = slice_cstr("a/b"),
                                    .properties = slice_cstr("\x01\x01"),
                                    .payload = slice_cstr("hello")};
    return message_new(&record);
}

static void
a_message_keeps_its_parts(void)
{
    struct message *message = sample();
    CU_ASSERT(slice_equal_cstr(message_topic(message), "a/b"));
    CU_ASSERT(slice_equal_cstr(message_properties(message), "\x01\x01"));
    CU_ASSERT(slice_equal_cstr(message_payload(message), "hello"));
    CU_ASSERT_EQUAL(message->len, PUBLISH_RECORD_FIXED + 3 + 2 + 5);
    CU_ASSERT_EQUAL(message->qos, 1);
    CU_ASSERT(message->retain);
    message_unref(message_ref(message));
    message_unref(message);
    message_unref(NULL);
}

static void
a_record_becomes_the_same_message(void)
{
    struct message *message = sample(), *copy = NULL;
    CU_ASSERT_EQUAL_FATAL(message_from_record(message_record(message), &copy), OK);
    CU_ASSERT(slice_equal(message_record(copy), message_record(message)));
    CU_ASSERT_EQUAL(copy->expiry_ms, 77);
    CU_ASSERT_EQUAL(copy->publisher, 5);
    CU_ASSERT(slice_equal_cstr(message_payload(copy), "hello"));
    message_unref(copy);
    message_unref(message);
}

static void
a_cut_record_is_malformed(void)
{
    struct message *message = sample(), *copy = NULL;
    struct slice record = message_record(message);
    for (size_t len = 0; len < PUBLISH_RECORD_FIXED + 5; len++) {
        CU_ASSERT_EQUAL(message_from_record(slice_of(record.data, len), &copy), ERR_MALFORMED);
    }
    CU_ASSERT_PTR_NULL(copy);
    message_unref(message);
}

static void
an_open_request_survives_its_source(void)
{
    char id[] = "client", user[] = "user", topic[] = "w", payload[] = "gone";
    struct session_open_request request = {
        .conn = 9,
        .client_id = slice_cstr(id),
        .user = slice_cstr(user),
        .has_user = true,
        .has_will = true,
        .receive_maximum = 7,
        .will = {.topic = slice_cstr(topic), .payload = slice_cstr(payload)}};
    struct session_open_request *copy = session_open_request_new(&request);
    struct identity *identity = identity_new(&request, slice_cstr("other"));
    memset(id, 'x', 3);
    memset(payload, 'x', 3);
    CU_ASSERT(slice_equal_cstr(copy->client_id, "client"));
    CU_ASSERT(slice_equal_cstr(copy->user, "user"));
    CU_ASSERT(slice_equal_cstr(copy->will.payload, "gone"));
    struct session_open_request again;
    identity_to_request(identity, &again);
    CU_ASSERT(slice_equal_cstr(again.client_id, "other"));
    CU_ASSERT(slice_equal_cstr(again.user, "user"));
    CU_ASSERT(again.has_will);
    CU_ASSERT(slice_equal_cstr(again.will.payload, "gone"));
    CU_ASSERT_EQUAL(again.receive_maximum, 7);
    identity_free(identity);
    session_open_request_free(copy);
}

static void
every_body_is_freed_by_its_kind(void)
{
    struct session_subscription list[2] = {{.filter = slice_cstr("a/#"), .qos = 1},
                                           {.filter = slice_cstr("+")}};
    struct subscribe_request subscribe = {.count = 2, .subscriptions = list};
    uint16_t inbound[1] = {4};
    struct session_opened opened = {.client_id = slice_cstr("id"),
                                    .reason_string = slice_cstr("why"),
                                    .subscriptions = list,
                                    .subscription_count = 2,
                                    .inbound = inbound,
                                    .inbound_count = 1};
    struct session_open_request open = {.client_id = slice_cstr("c")};
    struct message *messages[1] = {sample()};
    uint32_t ids[2] = {3, 4};
    struct post posts[] = {
        {.kind = POST_OPEN, .body = session_open_request_new(&open)},
        {.kind = POST_OPENED, .body = session_opened_new(&opened)},
        {.kind = POST_FILTER_ADD, .body = post_filter_new(slice_cstr("a"))},
        {.kind = POST_SUBSCRIBE, .body = subscribe_request_new(&subscribe)},
        {.kind = POST_SUBSCRIBED, .body = subscribe_answer_new(2)},
        {.kind = POST_RETAINED_GET,
         .body = retained_request_new(slice_cstr("#"), slice_cstr("x"), 3)},
        {.kind = POST_RETAINED, .body = retained_answer_new(slice_cstr("n"), messages, 1)},
        {.kind = POST_MESSAGE, .body = sample()},
        {.kind = POST_DELIVER, .body = delivery_new(sample(), ids, 2)},
        {.kind = POST_ANNOUNCEMENT,
         .body = session_announcement_new(session_open_request_new(&open), 1, 2, 3)},
        {.kind = POST_STOP},
    };
    const struct session_opened *copy = posts[1].body;
    CU_ASSERT(slice_equal_cstr(copy->subscriptions[0].filter, "a/#"));
    CU_ASSERT_EQUAL(copy->inbound[0], 4);
    CU_ASSERT(slice_equal_cstr(copy->reason_string, "why"));
    const struct retained_request *get = posts[5].body;
    CU_ASSERT(slice_equal_cstr(get->after, "x"));
    const struct delivery *delivery = posts[8].body;
    CU_ASSERT_EQUAL(delivery->identifiers[1], 4);
    for (size_t i = 0; i < sizeof(posts) / sizeof(posts[0]); i++) {
        post_body_free(&posts[i]);
        CU_ASSERT_PTR_NULL(posts[i].body);
    }
}

static const struct cunit_case cases[] = {
    CUNIT_CASE(a_message_keeps_its_parts),       CUNIT_CASE(a_record_becomes_the_same_message),
    CUNIT_CASE(a_cut_record_is_malformed),       CUNIT_CASE(an_open_request_survives_its_source),
    CUNIT_CASE(every_body_is_freed_by_its_kind),
};
CUNIT_MAIN("message", cases)
