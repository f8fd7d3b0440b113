/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The bodies of posts (post.h): plain C copies of what calls.proto carries, so that workers never
 * see Protocol Buffers and the hub never sees MQTT. Each is one allocation made by _new from
 * borrowed parts; the slices inside point into it; whoever receives the post calls _free. No rules
 * live here.
 */
#ifndef SERVICES_GATEWAY_POST_BODY_H
#define SERVICES_GATEWAY_POST_BODY_H

#include "common/address.h"
#include "services/gateway/handout.h"
#include "services/gateway/message.h"
#include "services/gateway/post.h"

#include <stdbool.h>
#include <stdint.h>

struct will_request {
    struct slice topic;
    struct slice payload;
    struct slice properties; /* forwarded ones, wire form */
    uint32_t delay_s;
    uint32_t expiry_s; /* counts if has_expiry */
    uint8_t qos;
    bool retain;
    bool has_expiry;
};

/* POST_AUTH: the messages of an extended authentication so far; final is empty for the first step.
 * In a question to sign in: all three, or all empty. */
struct auth_request {
    struct slice first;     /* of the client */
    struct slice challenge; /* of the store */
    struct slice final;     /* of the client */
};

/* POST_AUTHED */
struct auth_answer {
    struct slice data;
    struct slice user; /* the name in the client's first message */
    uint8_t reason;    /* 0x18: a challenge; 0: right; else refused */
};

/* POST_OPEN; also inside struct session_announcement. Who it is, is known by now. */
struct session_open_request {
    uint64_t conn;
    uint64_t request;       /* random: the same open sent again is the same open */
    struct slice client_id; /* empty: assign one */
    struct slice user;
    uint32_t expiry_s;
    uint16_t keep_alive_s;
    uint16_t receive_maximum; /* what may be pushed unacknowledged; never 0 */
    uint8_t version;
    bool has_user; /* else anonymous, and that is allowed */
    bool clean_start;
    bool has_will;
    struct will_request will;
    char address[ADDRESS_TEXT_MAX];
};

struct session_subscription {
    struct slice filter;
    uint32_t identifier; /* 0: none */
    uint8_t qos;
    uint8_t retain_handling;
    bool no_local;
    bool retain_as_published;
};

/* POST_OPENED. A call that failed or timed out is a reason too (0x88). */
struct session_opened {
    uint64_t session;
    uint64_t epoch;
    struct slice client_id;
    struct slice reason_string;
    struct session_subscription *subscriptions;
    uint16_t *inbound; /* packet ids received and not released */
    uint32_t subscription_count;
    uint32_t inbound_count;
    uint8_t reason; /* MQTT 5.0 reason code; 0: welcome */
    bool session_present;
};

/* POST_SUBSCRIBE; POST_UNSUBSCRIBE reads only the filters. */
struct subscribe_request {
    uint64_t session;
    uint64_t epoch;
    uint32_t count;
    struct session_subscription *subscriptions;
};

/* POST_SUBSCRIBED, POST_UNSUBSCRIBED (may be NULL there when aux says an error). */
struct subscribe_answer {
    uint32_t count;
    uint8_t reasons[]; /* MQTT 5.0 codes, one per subscription asked for */
};

/* POST_RETAINED_GET */
struct retained_request {
    struct slice filter;
    struct slice after; /* topic after which to go on; empty: from the start */
    uint32_t limit;
    uint64_t visited; /* of several stores: shards that are through */
    uint8_t shard;    /* the one to go on with; RETAINED_ANY_SHARD: at the start */
};
#define RETAINED_ANY_SHARD UINT8_MAX

/* POST_RETAINED. Holds one reference of each message. */
struct retained_answer {
    struct slice next; /* topic to go on behind; empty: from the start of the next shard */
    bool more;         /* there is more to ask for, with these: */
    uint8_t shard;
    uint64_t visited;
    uint32_t count;
    struct message *messages[];
};

/* POST_ANNOUNCEMENT */
struct session_announcement {
    uint64_t session;
    uint64_t epoch;
    uint64_t last_seq;
    struct session_open_request *open; /* owned */
};

/* POST_DELIVER. message may be NULL with DELIVER_REL. */
struct delivery {
    struct message *message; /* one reference */
    uint32_t identifier_count;
    uint32_t identifiers[];
};

/* Each _new copies all that its argument borrows. */
struct session_open_request *session_open_request_new(const struct session_open_request *request);
void session_open_request_free(struct session_open_request *request);

struct session_opened *session_opened_new(const struct session_opened *opened);
void session_opened_free(struct session_opened *opened);

struct subscribe_request *subscribe_request_new(const struct subscribe_request *request);
void subscribe_request_free(struct subscribe_request *request);

/* reasons zeroed: the caller fills them in. */
struct subscribe_answer *subscribe_answer_new(uint32_t count);
void subscribe_answer_free(struct subscribe_answer *answer);

struct retained_request *retained_request_new(struct slice filter, struct slice after,
                                              uint32_t limit);
void retained_request_free(struct retained_request *request);

/* messages: count references, taken. */
struct retained_answer *retained_answer_new(struct slice next, struct message *const *messages,
                                            uint32_t count);
void retained_answer_free(struct retained_answer *answer);

/* open is taken. */
struct session_announcement *session_announcement_new(struct session_open_request *open,
                                                      uint64_t session, uint64_t epoch,
                                                      uint64_t last_seq);
void session_announcement_free(struct session_announcement *announcement);

/* message: one reference, taken. */
struct delivery *delivery_new(struct message *message, const uint32_t *identifiers, uint32_t count);
void delivery_free(struct delivery *delivery);

struct post_filter *post_filter_new(struct slice bytes);
void post_filter_free(struct post_filter *filter);

static inline struct slice
post_filter_slice(const struct post_filter *filter)
{
    return slice_of(filter->bytes, filter->len);
}

struct auth_request *auth_request_new(const struct auth_request *request);
void auth_request_free(struct auth_request *request);

struct auth_answer *auth_answer_new(const struct auth_answer *answer);
void auth_answer_free(struct auth_answer *answer);

/* Frees the body of a post that nobody will handle, by its kind. */
void post_body_free(struct post *post);

#endif
