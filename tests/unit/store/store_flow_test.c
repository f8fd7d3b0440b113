/* SPDX-License-Identifier: Apache-2.0 */
/* The store as its peers see it: sessions, queues, acknowledgements, takeover, QoS 2, and all of it
 * over restarts. */
#include "services/store/desks.h"
#include "tests/unit/store/store_talk.h"

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
    CU_ASSERT_EQUAL(subscribe(kit, opened, "$share/g/a", 1, 0), 1);
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

/* It goes to disk only, since nobody is connected; the gateway comes before it is there. */
static void
what_comes_just_before_its_gateway_is_back_is_not_forgotten(void)
{
    struct kit *kit = kit_new();
    const struct publish_record record = {
        .origin = 42, .token = 1, .floor = 1, .qos = 1, .topic = slice_cstr("t")};
    Sluice__SessionAnnounce announce = SLUICE__SESSION_ANNOUNCE__INIT;
    Sluice__SessionOpen open = SLUICE__SESSION_OPEN__INIT;
    uint8_t body[512], bytes[512];
    size_t len = publish_record_encode_head(&record, body);
    struct store_link *link;
    struct opened opened = open_session(kit, LASTING("c", 1));
    ready(kit, opened, 1, 0);
    CU_ASSERT_EQUAL(subscribe(kit, opened, "t", 1, 0), 1);
    kit_restart_store(kit);
    for (link = kit->store->links; link->kind != STORE_LINK_GATEWAY;)
        link = link->next;
    memcpy(body + len, "soon", 4);
    open.client_id.data = (uint8_t *)(uintptr_t) "c";
    open.client_id.len = 1;
    open.conn = 1;
    open.expiry_s = 3600;
    open.version = 5;
    open.receive_maximum = 100;
    announce.open = &open;
    announce.session = opened.session;
    announce.epoch = opened.epoch;
    on_routed_publish(kit->store, slice_of(body, len + 4));
    on_session_announce(kit->store, link,
                        slice_of(bytes, sluice__session_announce__pack(&announce, bytes)));
    await_seen(kit, 1);
    CU_ASSERT_STRING_EQUAL(kit->seen[0].payload, "soon");
    kit_free(kit);
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
    CU_ASSERT_EQUAL(publish_record_decode(slice_of(kit->outbox_last, kit->outbox_len), &again), OK);
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

static const struct cunit_case cases[] = {
    CUNIT_CASE(a_connected_session_gets_messages_and_acknowledged_ones_are_gone),
    CUNIT_CASE(an_absent_session_gets_its_queue_in_order_also_after_a_restart),
    CUNIT_CASE(a_small_window_is_kept_and_unacknowledged_messages_come_again_with_dup),
    CUNIT_CASE(a_restart_costs_no_connection_and_repeats_nothing),
    CUNIT_CASE(what_comes_just_before_its_gateway_is_back_is_not_forgotten),
    CUNIT_CASE(a_qos2_publish_is_routed_under_one_token_over_a_restart),
};
CUNIT_MAIN("store_flow", cases)
