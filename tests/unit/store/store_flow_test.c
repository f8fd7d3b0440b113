/* SPDX-License-Identifier: Apache-2.0 */
/* The store as its peers see it: sessions, queues, acknowledgements, takeover, wills, users,
 * retained messages, and all of it over restarts. */
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
    const char *password;
    const char *will; /* topic; payload "will" */
    uint32_t will_delay_s;
    uint32_t receive_maximum;
};

static struct opened
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
    open.anonymous_ok = true;
    open.receive_maximum = wish.receive_maximum != 0 ? wish.receive_maximum : 65535;
    open.request = wish.conn * 1000 + 7;
    if (wish.user != NULL) {
        open.has_user = true;
        open.has_password = true;
        open.user.data = (uint8_t *)(uintptr_t)wish.user;
        open.user.len = strlen(wish.user);
        open.password.data = (uint8_t *)(uintptr_t)wish.password;
        open.password.len = strlen(wish.password);
    }
    if (wish.will != NULL) {
        will.topic.data = (uint8_t *)(uintptr_t)wish.will;
        will.topic.len = strlen(wish.will);
        will.payload.data = (uint8_t *)(uintptr_t)"will";
        will.payload.len = 4;
        will.qos = 1;
        will.delay_s = wish.will_delay_s;
        open.will = &will;
    }
    if (kit_call(kit, CALL_SESSION_OPEN, &open) != OK)
        return opened;
    answer = sluice__session_opened__unpack(NULL, kit->answer.len, kit->answer.bytes);
    CU_ASSERT_PTR_NOT_NULL_FATAL(answer);
    opened = (struct opened){answer->reason,          answer->session_present, answer->session,
                             answer->epoch,           answer->n_subscriptions, answer->n_inbound};
    sluice__session_opened__free_unpacked(answer, NULL);
    return opened;
}

static void
ready(struct kit *kit, struct opened opened, uint64_t conn, uint64_t after)
{
    struct records_session_ready record = {opened.session, opened.epoch, conn, after};
    uint8_t body[RECORDS_SESSION_READY_BYTES];
    kit_send(kit, FEED_SESSION_READY, body, records_session_ready_encode(&record, body));
}

static void
close_session(struct kit *kit, struct opened opened, uint8_t flags)
{
    struct records_session_close record = {opened.session, opened.epoch, flags, 0};
    uint8_t body[RECORDS_SESSION_CLOSE_BYTES];
    kit_send(kit, FEED_SESSION_CLOSE, body, records_session_close_encode(&record, body));
}

static void
queue_record(struct kit *kit, uint8_t type, struct opened opened, uint64_t seq)
{
    struct records_queue record = {opened.session, opened.epoch, seq};
    uint8_t body[RECORDS_QUEUE_BYTES];
    kit_send(kit, type, body, records_queue_encode(&record, body));
}

static uint32_t
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

static bool
is_done(struct kit *kit)
{
    return kit->core_done >= awaited_ticket;
}

static bool
has_seen(struct kit *kit)
{
    return kit->seen_count >= awaited_seen;
}

static void
await_seen(struct kit *kit, size_t count)
{
    awaited_seen = count;
    CU_ASSERT_TRUE(kit_wait(kit, has_seen));
    CU_ASSERT_EQUAL(kit->seen_count, count);
}

/* Routes a publish as the core does, and waits until the store has it for good. */
static void
publish(struct kit *kit, uint64_t token, const char *topic, uint8_t qos, bool retain,
        const char *payload)
{
    struct publish_record record = {
        .origin = 42,
        .token = token,
        .floor = 1,
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

static void
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

static void
a_connected_session_gets_messages_and_acknowledged_ones_are_gone(void)
{
    struct kit *kit = kit_new();
    struct opened opened = open_session(kit, LASTING("c", 1));
    CU_ASSERT_EQUAL(opened.reason, 0);
    CU_ASSERT_FALSE(opened.present);
    ready(kit, opened, 1, 0);
    CU_ASSERT_EQUAL(subscribe(kit, opened, "a/+", 1, 7), 1);
    CU_ASSERT_EQUAL(subscribe(kit, opened, "a/#", 2, 8), 2);
    CU_ASSERT_EQUAL(subscribe(kit, opened, "$share/g/a", 1, 0), 0x9E);
    publish(kit, 1, "a/b", 2, false, "one");
    await_seen(kit, 1);
    CU_ASSERT_EQUAL(kit->seen[0].conn, 1);
    CU_ASSERT_EQUAL(kit->seen[0].flags, 2);
    CU_ASSERT_EQUAL(kit->seen[0].id_count, 2);
    CU_ASSERT_STRING_EQUAL(kit->seen[0].payload, "one");
    publish(kit, 1, "a/b", 2, false, "one again");
    publish(kit, 2, "a/b", 1, false, "two");
    await_seen(kit, 2);
    CU_ASSERT_STRING_EQUAL(kit->seen[1].payload, "two");
    CU_ASSERT_EQUAL(kit->store->queue_count, 2);
    queue_record(kit, FEED_QUEUE_REC, opened, kit->seen[0].seq);
    await_seen(kit, 3);
    CU_ASSERT_EQUAL(kit->seen[2].type, FEED_QUEUE_RECORDED);
    CU_ASSERT_EQUAL(kit->seen[2].seq, kit->seen[0].seq);
    queue_record(kit, FEED_QUEUE_ACK, opened, kit->seen[0].seq);
    queue_record(kit, FEED_QUEUE_ACK, opened, kit->seen[1].seq);
    publish(kit, 3, "a/b", 1, false, "three");
    await_seen(kit, 4);
    CU_ASSERT_EQUAL(kit->store->queue_count, 1);
    kit_free(kit);
}

static void
an_absent_session_gets_its_queue_in_order_also_after_a_restart(void)
{
    struct kit *kit = kit_new();
    struct opened opened = open_session(kit, LASTING("c", 1));
    char payload[16];
    uint64_t i;
    ready(kit, opened, 1, 0);
    CU_ASSERT_EQUAL(subscribe(kit, opened, "t", 1, 0), 1);
    close_session(kit, opened, 0);
    for (i = 1; i <= 300; i++) {
        (void)str_format(payload, sizeof(payload), "m%u", (unsigned)i);
        publish(kit, i, "t", 1, false, payload);
    }
    CU_ASSERT_EQUAL(kit->seen_count, 0);
    kit_restart_store(kit);
    CU_ASSERT_EQUAL(kit->store->queue_count, 300);
    CU_ASSERT(kit->routes >= 2);
    publish(kit, 300, "t", 1, false, "a repeat over the restart");
    opened = open_session(kit, LASTING("c", 2));
    CU_ASSERT_TRUE(opened.present);
    CU_ASSERT_EQUAL(opened.subscriptions, 1);
    ready(kit, opened, 2, 0);
    await_seen(kit, 300);
    for (i = 0; i < 300; i++) {
        (void)str_format(payload, sizeof(payload), "m%u", (unsigned)i + 1);
        CU_ASSERT_STRING_EQUAL(kit->seen[i].payload, payload);
        CU_ASSERT_EQUAL(kit->seen[i].flags, 1);
        queue_record(kit, FEED_QUEUE_ACK, opened, kit->seen[i].seq);
    }
    publish(kit, 301, "t", 1, false, "live");
    await_seen(kit, 301);
    CU_ASSERT_EQUAL(kit->store->queue_count, 1);
    kit_free(kit);
}

static void
a_small_window_is_kept_and_unacknowledged_messages_come_again_with_dup(void)
{
    struct kit *kit = kit_new();
    struct wish wish = LASTING("c", 1);
    struct opened opened;
    uint64_t i;
    wish.receive_maximum = 2;
    opened = open_session(kit, wish);
    ready(kit, opened, 1, 0);
    CU_ASSERT_EQUAL(subscribe(kit, opened, "t", 1, 0), 1);
    for (i = 1; i <= 5; i++)
        publish(kit, i, "t", 1, false, "x");
    await_seen(kit, 2);
    queue_record(kit, FEED_QUEUE_ACK, opened, kit->seen[0].seq);
    await_seen(kit, 3);
    CU_ASSERT_EQUAL(kit->seen[2].seq, kit->seen[1].seq + 1);
    wish.conn = 2;
    opened = open_session(kit, wish);
    CU_ASSERT_TRUE(opened.present);
    await_seen(kit, 4);
    CU_ASSERT_EQUAL(kit->seen[3].type, FEED_SESSION_KICK);
    CU_ASSERT_EQUAL(kit->seen[3].conn, 1);
    CU_ASSERT_EQUAL(kit->seen[3].flags, 0x8E);
    ready(kit, opened, 2, 0);
    await_seen(kit, 6);
    CU_ASSERT_EQUAL(kit->seen[4].seq, kit->seen[1].seq);
    CU_ASSERT_EQUAL(kit->seen[4].flags, 1 | DELIVER_DUP);
    CU_ASSERT_EQUAL(kit->seen[5].flags, 1 | DELIVER_DUP);
    queue_record(kit, FEED_QUEUE_ACK, opened, kit->seen[4].seq);
    await_seen(kit, 7);
    CU_ASSERT_EQUAL(kit->seen[6].flags, 1);
    kit_free(kit);
}

/* ---- the gateway lives on over a restart */

static struct opened held;
static uint64_t held_last_seq;
static struct opened held_clean;

static void
announce_one(struct kit *kit, const char *client, uint64_t conn, uint32_t expiry_s,
             struct opened opened, uint64_t last_seq)
{
    Sluice__SessionAnnounce announce = SLUICE__SESSION_ANNOUNCE__INIT;
    Sluice__SessionOpen open = SLUICE__SESSION_OPEN__INIT;
    uint8_t bytes[1024];
    struct slice part;
    open.client_id.data = (uint8_t *)(uintptr_t)client;
    open.client_id.len = strlen(client);
    open.conn = conn;
    open.expiry_s = expiry_s;
    open.version = 5;
    open.receive_maximum = 100;
    announce.open = &open;
    announce.session = opened.session;
    announce.epoch = opened.epoch;
    announce.last_seq = last_seq;
    part = slice_of(bytes, sluice__session_announce__pack(&announce, bytes));
    CU_ASSERT_EQUAL(
        peer_append(kit->gateway_peer, FEED_CONTROL, FEED_SESSION_ANNOUNCE, &part, 1, NULL), OK);
}

static void
announce_held(struct kit *kit)
{
    announce_one(kit, "c", 1, 3600, held, held_last_seq);
    announce_one(kit, "clean", 2, 0, held_clean, 0);
}

static bool
has_two_connected(struct kit *kit)
{
    return kit->store->connected == 2;
}

static void
a_restart_costs_no_connection_and_repeats_nothing(void)
{
    struct kit *kit = kit_new();
    held = open_session(kit, LASTING("c", 1));
    held_clean = open_session(kit, (struct wish){.client = "clean", .conn = 2, .clean = true});
    ready(kit, held, 1, 0);
    CU_ASSERT_EQUAL(subscribe(kit, held, "t", 2, 0), 2);
    publish(kit, 1, "t", 2, false, "one");
    publish(kit, 2, "t", 2, false, "two");
    await_seen(kit, 2);
    queue_record(kit, FEED_QUEUE_REC, held, kit->seen[0].seq);
    await_seen(kit, 3);
    held_last_seq = kit->seen[1].seq;
    kit->on_gateway_up = announce_held;
    kit_restart_store(kit);
    CU_ASSERT_TRUE(kit_wait(kit, has_two_connected));
    await_seen(kit, 4); /* what was recorded is said again, nothing is delivered again */
    CU_ASSERT_EQUAL(kit->seen[3].type, FEED_QUEUE_RECORDED);
    publish(kit, 3, "t", 1, false, "three");
    await_seen(kit, 5);
    CU_ASSERT_STRING_EQUAL(kit->seen[4].payload, "three");
    queue_record(kit, FEED_QUEUE_ACK, held, kit->seen[0].seq);
    queue_record(kit, FEED_QUEUE_ACK, held, kit->seen[1].seq);
    queue_record(kit, FEED_QUEUE_ACK, held, kit->seen[4].seq);
    publish(kit, 4, "nobody", 1, false, "");
    CU_ASSERT_EQUAL(kit->store->queue_count, 0);
    /* the clean one is known again: a second connection takes it over */
    (void)open_session(kit, (struct wish){.client = "clean", .conn = 3, .clean = true});
    await_seen(kit, 6);
    CU_ASSERT_EQUAL(kit->seen[5].type, FEED_SESSION_KICK);
    CU_ASSERT_EQUAL(kit->seen[5].conn, 2);
    kit_free(kit);
}

/* ---- QoS 2 in */

static void
inbound(struct kit *kit, uint8_t type, struct opened opened, uint16_t packet_id)
{
    struct publish_record record = {.qos = 2, .topic = slice_cstr("in"),
                                    .payload = slice_cstr("inbound")};
    struct records_inbound head = {.session = opened.session, .epoch = opened.epoch,
                                   .packet_id = packet_id};
    uint8_t body[512];
    size_t len = records_inbound_encode(&head, body);
    if (type == FEED_INBOUND_PUBLISH) {
        len += publish_record_encode_head(&record, body + len);
        memcpy(body + len, record.payload.data, record.payload.len);
        len += record.payload.len;
    }
    kit_send(kit, type, body, len);
}

static bool
has_outbox(struct kit *kit)
{
    return kit->outbox_seen >= awaited_seen;
}

static void
await_outbox(struct kit *kit, unsigned count)
{
    awaited_seen = count;
    CU_ASSERT_TRUE(kit_wait(kit, has_outbox));
    CU_ASSERT_EQUAL(kit->outbox_seen, count);
}

static void
a_qos2_publish_is_routed_under_one_token_over_a_restart(void)
{
    struct kit *kit = kit_new();
    struct publish_record first;
    struct publish_record again;
    uint8_t copy[4096];
    struct opened opened = open_session(kit, LASTING("p", 1));
    kit->core_silent = true;
    inbound(kit, FEED_INBOUND_PUBLISH, opened, 9);
    inbound(kit, FEED_INBOUND_PUBLISH, opened, 9);
    await_outbox(kit, 1);
    memcpy(copy, kit->outbox_last, kit->outbox_len);
    CU_ASSERT_EQUAL(publish_record_decode(slice_of(copy, kit->outbox_len), &first), OK);
    CU_ASSERT_EQUAL(first.publisher, opened.session);
    CU_ASSERT_NOT_EQUAL(first.token, 0);
    kit_restart_store(kit);
    await_outbox(kit, 2);
    CU_ASSERT_EQUAL(
        publish_record_decode(slice_of(kit->outbox_last, kit->outbox_len), &again), OK);
    CU_ASSERT_EQUAL(again.token, first.token);
    CU_ASSERT_EQUAL(again.origin, first.origin);
    opened = open_session(kit, LASTING("p", 2));
    CU_ASSERT_EQUAL(opened.inbound, 0); /* not answered yet: the client's repeat waits */
    inbound(kit, FEED_INBOUND_PUBLISH, opened, 9);
    kit_sync(kit);
    kit_core_token_done(kit, again.token);
    await_seen(kit, 1);
    CU_ASSERT_EQUAL(kit->seen[0].type, FEED_INBOUND_DONE);
    CU_ASSERT_EQUAL(kit->seen[0].packet_id, 9);
    CU_ASSERT_EQUAL(kit->seen[0].conn, 2);
    opened = open_session(kit, LASTING("p", 3));
    CU_ASSERT_EQUAL(opened.inbound, 1);
    inbound(kit, FEED_INBOUND_RELEASE, opened, 9);
    await_seen(kit, 3); /* KICK of 2, then RELEASED */
    CU_ASSERT_EQUAL(kit->seen[2].type, FEED_INBOUND_RELEASED);
    opened = open_session(kit, LASTING("p", 4));
    CU_ASSERT_EQUAL(opened.inbound, 0);
    CU_ASSERT_EQUAL(kit->outbox_seen, 2);
    kit_free(kit);
}

static void
wills_go_out_unless_the_client_said_goodbye(void)
{
    struct kit *kit = kit_new();
    struct wish wish = {.client = "w", .conn = 1, .clean = true, .will = "last/w"};
    struct publish_record record;
    struct opened opened = open_session(kit, wish);
    close_session(kit, opened, 0);
    wish.conn = 2;
    opened = open_session(kit, wish); /* the call may overtake the goodbye in the feed */
    kit_sync(kit);
    CU_ASSERT_EQUAL(kit->outbox_seen, 0);
    close_session(kit, opened, CLOSE_WILL);
    await_outbox(kit, 1);
    CU_ASSERT_EQUAL(
        publish_record_decode(slice_of(kit->outbox_last, kit->outbox_len), &record), OK);
    CU_ASSERT_TRUE(slice_equal_cstr(record.topic, "last/w"));
    CU_ASSERT_TRUE(slice_equal_cstr(record.payload, "will"));
    /* a delayed will of a persistent session survives a restart and goes when it is due */
    wish = (struct wish){.client = "d", .conn = 3, .expiry_s = 3600, .will = "last/d",
                         .will_delay_s = 1};
    opened = open_session(kit, wish);
    close_session(kit, opened, CLOSE_WILL);
    publish(kit, 1, "x", 1, false, "");
    kit_restart_store(kit);
    await_outbox(kit, 2);
    CU_ASSERT_EQUAL(
        publish_record_decode(slice_of(kit->outbox_last, kit->outbox_len), &record), OK);
    CU_ASSERT_TRUE(slice_equal_cstr(record.topic, "last/d"));
    kit_free(kit);
}

static void
retained_messages_follow_a_subscription(void)
{
    struct kit *kit = kit_new();
    struct opened opened = open_session(kit, LASTING("r", 1));
    Sluice__RetainedGet get = SLUICE__RETAINED_GET__INIT;
    Sluice__RetainedGot *got;
    ready(kit, opened, 1, 0);
    publish(kit, 1, "s/1", 1, true, "one");
    publish(kit, 2, "s/2", 1, true, "two");
    publish(kit, 3, "s/2", 1, true, "");
    publish(kit, 0, "s/3", 0, true, "three");
    CU_ASSERT_EQUAL(subscribe(kit, opened, "s/+", 1, 5), 1);
    await_seen(kit, 2);
    /* QoS 0 does not wait for a commit */
    CU_ASSERT_STRING_EQUAL(kit->seen[0].payload, "three");
    CU_ASSERT_EQUAL(kit->seen[0].flags, DELIVER_RETAIN);
    CU_ASSERT_EQUAL(kit->seen[0].seq, 0);
    CU_ASSERT_STRING_EQUAL(kit->seen[1].payload, "one");
    CU_ASSERT_EQUAL(kit->seen[1].flags, 1 | DELIVER_RETAIN);
    CU_ASSERT_EQUAL(kit->seen[1].id, 5);
    get.filter.data = (uint8_t *)(uintptr_t)"#";
    get.filter.len = 1;
    get.limit = 1;
    CU_ASSERT_EQUAL(kit_call(kit, CALL_RETAINED_GET, &get), OK);
    got = sluice__retained_got__unpack(NULL, kit->answer.len, kit->answer.bytes);
    CU_ASSERT_PTR_NOT_NULL_FATAL(got);
    CU_ASSERT_EQUAL(got->n_records, 1);
    CU_ASSERT(got->next.len != 0);
    sluice__retained_got__free_unpacked(got, NULL);
    kit_free(kit);
}

static void
users_sign_in_with_their_password_only(void)
{
    struct kit *kit = kit_new();
    Sluice__UserDelete gone = SLUICE__USER_DELETE__INIT;
    struct wish wish = {.client = "u", .conn = 1, .clean = true, .user = "ann", .password = "pw"};
    CU_ASSERT_EQUAL(open_session(kit, wish).reason, 0x86);
    put_user(kit, "ann", "pw", OK);
    put_user(kit, "ann", "other", ERR_EXISTS);
    CU_ASSERT_EQUAL(open_session(kit, wish).reason, 0);
    wish.password = "wrong";
    CU_ASSERT_EQUAL(open_session(kit, wish).reason, 0x86);
    wish.password = "pw";
    wish.conn = 2;
    CU_ASSERT_EQUAL(open_session(kit, wish).reason, 0);
    gone.name = (char *)(uintptr_t)"ann";
    CU_ASSERT_EQUAL(kit_call(kit, CALL_USER_DELETE, &gone), OK);
    wish.conn = 3;
    CU_ASSERT_EQUAL(open_session(kit, wish).reason, 0x86);
    CU_ASSERT_EQUAL(kit_call(kit, CALL_USER_DELETE, &gone), ERR_NOT_FOUND);
    kit_free(kit);
}

static void
a_full_queue_drops_the_oldest(void)
{
    struct kit *kit = kit_new();
    struct opened opened = open_session(kit, LASTING("f", 1));
    uint64_t i;
    char payload[16];
    kit->config.queue_messages = 10;
    ready(kit, opened, 1, 0);
    CU_ASSERT_EQUAL(subscribe(kit, opened, "t", 1, 0), 1);
    close_session(kit, opened, 0);
    for (i = 1; i <= 25; i++) {
        (void)str_format(payload, sizeof(payload), "m%u", (unsigned)i);
        publish(kit, i, "t", 1, false, payload);
    }
    CU_ASSERT_EQUAL(kit->store->queue_count, 10);
    opened = open_session(kit, LASTING("f", 2));
    ready(kit, opened, 2, 0);
    await_seen(kit, 10);
    CU_ASSERT_STRING_EQUAL(kit->seen[0].payload, "m16");
    CU_ASSERT_STRING_EQUAL(kit->seen[9].payload, "m25");
    kit_free(kit);
}

static void
a_clean_start_ends_the_session_and_its_routes(void)
{
    struct kit *kit = kit_new();
    struct opened opened = open_session(kit, LASTING("e", 1));
    struct opened second;
    CU_ASSERT_EQUAL(subscribe(kit, opened, "t", 1, 0), 1);
    second = open_session(kit, (struct wish){.client = "e", .conn = 2, .clean = true});
    CU_ASSERT_FALSE(second.present);
    CU_ASSERT_NOT_EQUAL(second.session, opened.session);
    publish(kit, 1, "t", 1, false, "nobody");
    CU_ASSERT_EQUAL(kit->route_removes, 1);
    CU_ASSERT_EQUAL(kit->store->queue_count, 0);
    CU_ASSERT_EQUAL(subscribe(kit, opened, "t", 1, 0), 999); /* the epoch has passed */
    CU_ASSERT_EQUAL(kit->answer.err, ERR_STALE);
    kit_free(kit);
}

int
main(void)
{
    static const struct cunit_case cases[] = {
        CUNIT_CASE(a_connected_session_gets_messages_and_acknowledged_ones_are_gone),
        CUNIT_CASE(an_absent_session_gets_its_queue_in_order_also_after_a_restart),
        CUNIT_CASE(a_small_window_is_kept_and_unacknowledged_messages_come_again_with_dup),
        CUNIT_CASE(a_restart_costs_no_connection_and_repeats_nothing),
        CUNIT_CASE(a_qos2_publish_is_routed_under_one_token_over_a_restart),
        CUNIT_CASE(wills_go_out_unless_the_client_said_goodbye),
        CUNIT_CASE(retained_messages_follow_a_subscription),
        CUNIT_CASE(users_sign_in_with_their_password_only),
        CUNIT_CASE(a_full_queue_drops_the_oldest),
        CUNIT_CASE(a_clean_start_ends_the_session_and_its_routes),
    };
    return cunit_run("store_flow", cases, sizeof(cases) / sizeof(cases[0]));
}
