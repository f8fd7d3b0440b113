/* SPDX-License-Identifier: Apache-2.0 */
/* What tests of the whole store say to it: opens, subscriptions, publishes, acknowledgements, each
 * as a function of one line to call. Asserts only that the talk itself works. */
#ifndef SLUICE_TESTS_STORE_TALK_H
#define SLUICE_TESTS_STORE_TALK_H

#include "proto/access.pb-c.h"
#include "tests/unit/store/store_kit.h"

struct opened {
    uint32_t reason;
    bool present;
    uint64_t session;
    uint64_t epoch;
    size_t subscriptions;
    size_t inbound;
};

struct wish {
    const char *client;
    uint64_t conn;
    uint32_t expiry_s;
    bool clean;
    const char *user;
    const char *will; /* topic; payload "will" */
    uint32_t will_delay_s;
    uint32_t receive_maximum;
};

static inline struct opened
open_session(struct kit *kit, struct wish wish)
{
    Sluice__SessionOpen open = SLUICE__SESSION_OPEN__INIT;
    Sluice__Will will = SLUICE__WILL__INIT;
    Sluice__SessionOpened *answer;
    struct opened opened = {.reason = 999};
    open.client_id.data = (uint8_t *)(uintptr_t)wish.client;
    open.client_id.len = strlen(wish.client);
    open.conn = wish.conn;
    open.expiry_s = wish.expiry_s;
    open.clean_start = wish.clean;
    open.version = 5;
    open.admitted = true;
    open.receive_maximum = wish.receive_maximum != 0 ? wish.receive_maximum : 65535;
    open.request = wish.conn * 1000 + 7;
    if (wish.user != NULL) {
        open.has_user = true;
        open.user.data = (uint8_t *)(uintptr_t)wish.user;
        open.user.len = strlen(wish.user);
    }
    if (wish.will != NULL) {
        will.topic.data = (uint8_t *)(uintptr_t)wish.will;
        will.topic.len = strlen(wish.will);
        will.payload.data = (uint8_t *)(uintptr_t) "will";
        will.payload.len = 4;
        will.qos = 1;
        will.delay_s = wish.will_delay_s;
        open.will = &will;
    }
    if (kit_call(kit, CALL_SESSION_OPEN, &open) != OK)
        return opened;
    answer = sluice__session_opened__unpack(NULL, kit->answer.len, kit->answer.bytes);
    CU_ASSERT_PTR_NOT_NULL_FATAL(answer);
    opened = (struct opened){answer->reason, answer->session_present, answer->session,
                             answer->epoch,  answer->n_subscriptions, answer->n_inbound};
    sluice__session_opened__free_unpacked(answer, NULL);
    return opened;
}

struct signed_in {
    uint32_t reason;
    bool known;
    size_t roles;
    char rules[64];
    uint64_t revision;
};

/* password NULL: it is known who it is. */
static inline struct signed_in
sign_in(struct kit *kit, const char *user, const char *password)
{
    Sluice__SignIn ask = SLUICE__SIGN_IN__INIT;
    Sluice__SignedIn *answer;
    struct signed_in signed_in = {.reason = 999};
    ask.user.data = (uint8_t *)(uintptr_t)user;
    ask.user.len = strlen(user);
    ask.verified = password == NULL;
    if (password != NULL) {
        ask.password.data = (uint8_t *)(uintptr_t)password;
        ask.password.len = strlen(password);
    }
    if (kit_call(kit, CALL_SIGN_IN, &ask) != OK)
        return signed_in;
    answer = sluice__signed_in__unpack(NULL, kit->answer.len, kit->answer.bytes);
    CU_ASSERT_PTR_NOT_NULL_FATAL(answer);
    signed_in.reason = answer->reason;
    signed_in.known = answer->known;
    if (answer->access != NULL) {
        signed_in.roles = answer->access->n_roles;
        signed_in.revision = answer->access->revision;
        (void)str_format(signed_in.rules, sizeof(signed_in.rules), "%s", answer->access->rules);
    }
    sluice__signed_in__free_unpacked(answer, NULL);
    return signed_in;
}

static inline void
ready(struct kit *kit, struct opened opened, uint64_t conn, uint64_t after)
{
    struct records_session_ready record = {opened.session, opened.epoch, conn, after};
    uint8_t body[RECORDS_SESSION_READY_BYTES];
    kit_send(kit, FEED_SESSION_READY, body, records_session_ready_encode(&record, body));
}

static inline void
close_session(struct kit *kit, struct opened opened, uint8_t flags)
{
    struct records_session_close record = {opened.session, opened.epoch, flags, 0};
    uint8_t body[RECORDS_SESSION_CLOSE_BYTES];
    kit_send(kit, FEED_SESSION_CLOSE, body, records_session_close_encode(&record, body));
}

static inline void
queue_record(struct kit *kit, uint8_t type, struct opened opened, uint64_t seq)
{
    struct records_queue record = {opened.session, opened.epoch, seq};
    uint8_t body[RECORDS_QUEUE_BYTES];
    kit_send(kit, type, body, records_queue_encode(&record, body));
}

static inline uint32_t
subscribe(struct kit *kit, struct opened opened, const char *filter, uint32_t qos, uint32_t id)
{
    Sluice__SessionSubscribe call = SLUICE__SESSION_SUBSCRIBE__INIT;
    Sluice__Subscription row = SLUICE__SUBSCRIPTION__INIT;
    Sluice__Subscription *rows[1] = {&row};
    Sluice__SessionSubscribed *answer;
    uint32_t reason = 999;
    row.filter.data = (uint8_t *)(uintptr_t)filter;
    row.filter.len = strlen(filter);
    row.qos = qos;
    row.identifier = id;
    call.session = opened.session;
    call.epoch = opened.epoch;
    call.n_subscriptions = 1;
    call.subscriptions = rows;
    if (kit_call(kit, CALL_SESSION_SUBSCRIBE, &call) != OK)
        return reason;
    answer = sluice__session_subscribed__unpack(NULL, kit->answer.len, kit->answer.bytes);
    CU_ASSERT_PTR_NOT_NULL_FATAL(answer);
    if (answer->n_reasons == 1)
        reason = answer->reasons[0];
    sluice__session_subscribed__free_unpacked(answer, NULL);
    return reason;
}

static uint64_t awaited_ticket;
static size_t awaited_seen;

static inline bool
is_done(struct kit *kit)
{
    return kit->core_done >= awaited_ticket;
}

static inline bool
has_seen(struct kit *kit)
{
    return kit->seen_count >= awaited_seen;
}

static inline void
await_seen(struct kit *kit, size_t count)
{
    awaited_seen = count;
    CU_ASSERT_TRUE(kit_wait(kit, has_seen));
    CU_ASSERT_EQUAL(kit->seen_count, count);
}

/* Routes a publish as the core does, and waits until the store has it for good. floor: with token 0
 * the era. */
static inline void
publish_above(struct kit *kit, uint64_t token, uint64_t floor, const char *topic, uint8_t qos,
              bool retain, const char *payload)
{
    struct publish_record record = {
        .origin = 42,
        .token = token,
        .floor = floor,
        .qos = qos,
        .retain = retain,
        .topic = slice_cstr(topic),
        .payload = slice_cstr(payload),
    };
    uint8_t head[512];
    struct slice parts[2];
    parts[0] = slice_of(head, publish_record_encode_head(&record, head));
    parts[1] = record.payload;
    CU_ASSERT_EQUAL(peer_append(kit->core_peer, FEED_DATA, FEED_PUBLISH, parts, 2, &awaited_ticket),
                    OK);
    CU_ASSERT_TRUE(kit_wait(kit, is_done));
}

static inline void
publish(struct kit *kit, uint64_t token, const char *topic, uint8_t qos, bool retain,
        const char *payload)
{
    publish_above(kit, token, token != 0, topic, qos, retain, payload);
}

static inline void
put_user(struct kit *kit, const char *name, const char *password, enum err expected)
{
    Sluice__UserPut put = SLUICE__USER_PUT__INIT;
    put.name = (char *)(uintptr_t)name;
    put.password = (char *)(uintptr_t)password;
    put.has_password = true;
    put.create_only = true;
    CU_ASSERT_EQUAL(kit_call(kit, CALL_USER_PUT, &put), expected);
}

#define LASTING(name, handle) ((struct wish){.client = (name), .conn = (handle), .expiry_s = 3600})

static inline void
inbound(struct kit *kit, uint8_t type, struct opened opened, uint16_t packet_id)
{
    struct publish_record record = {
        .qos = 2, .topic = slice_cstr("in"), .payload = slice_cstr("inbound")};
    struct records_inbound head = {
        .session = opened.session, .epoch = opened.epoch, .packet_id = packet_id};
    uint8_t body[512];
    size_t len = records_inbound_encode(&head, body);
    if (type == FEED_INBOUND_PUBLISH) {
        len += publish_record_encode_head(&record, body + len);
        memcpy(body + len, record.payload.data, record.payload.len);
        len += record.payload.len;
    }
    kit_send(kit, type, body, len);
}

static inline bool
has_outbox(struct kit *kit)
{
    return kit->outbox_seen >= awaited_seen;
}

static inline void
await_outbox(struct kit *kit, unsigned count)
{
    awaited_seen = count;
    CU_ASSERT_TRUE(kit_wait(kit, has_outbox));
    CU_ASSERT_EQUAL(kit->outbox_seen, count);
}

#endif
