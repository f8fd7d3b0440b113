/* SPDX-License-Identifier: Apache-2.0 */
/* The store as its peers see it: wills, retained messages, users, limits, and what happens when a
 * gateway dies, a core is silent, the disk is full, or a peer talks nonsense. */
#include "tests/unit/store/store_talk.h"

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
    CU_ASSERT_EQUAL(publish_record_decode(slice_of(kit->outbox_last, kit->outbox_len), &record),
                    OK);
    CU_ASSERT_TRUE(slice_equal_cstr(record.topic, "last/w"));
    CU_ASSERT_TRUE(slice_equal_cstr(record.payload, "will"));
    /* a delayed will of a persistent session survives a restart and goes when it is due */
    wish = (struct wish){
        .client = "d", .conn = 3, .expiry_s = 3600, .will = "last/d", .will_delay_s = 1};
    opened = open_session(kit, wish);
    close_session(kit, opened, CLOSE_WILL);
    publish(kit, 1, "x", 1, false, "");
    kit_restart_store(kit);
    await_outbox(kit, 2);
    CU_ASSERT_EQUAL(publish_record_decode(slice_of(kit->outbox_last, kit->outbox_len), &record),
                    OK);
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
    get.filter.data = (uint8_t *)(uintptr_t) "#";
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

/* A core may hold QoS 0 back until newer ones of its gateway came through another core. */
static void
a_retained_message_is_not_replaced_by_an_older_one(void)
{
    struct kit *kit = kit_new();
    struct opened opened = open_session(kit, LASTING("r", 1));
    ready(kit, opened, 1, 0);
    publish_above(kit, 0, 2, "s/1", 0, true, "new");
    publish_above(kit, 0, 1, "s/1", 0, true, "old");
    kit_restart_store(kit);
    publish_above(kit, 0, 1, "s/1", 0, true, "old");
    opened = open_session(kit, LASTING("r", 2));
    ready(kit, opened, 2, 0);
    CU_ASSERT_EQUAL(subscribe(kit, opened, "s/+", 0, 0), 0);
    await_seen(kit, 1);
    CU_ASSERT_STRING_EQUAL(kit->seen[0].payload, "new");
    kit_free(kit);
}

/* A gateway from before signing in was a question of its own has asked nobody. */
static void
who_was_not_admitted_by_its_gateway_stays_out(void)
{
    struct kit *kit = kit_new();
    Sluice__SessionOpen open = SLUICE__SESSION_OPEN__INIT;
    Sluice__SessionOpened *answer;
    open.client_id.data = (uint8_t *)(uintptr_t) "c";
    open.client_id.len = 1;
    open.version = 5;
    CU_ASSERT_EQUAL_FATAL(kit_call(kit, CALL_SESSION_OPEN, &open), OK);
    answer = sluice__session_opened__unpack(NULL, kit->answer.len, kit->answer.bytes);
    CU_ASSERT_PTR_NOT_NULL_FATAL(answer);
    CU_ASSERT_EQUAL(answer->reason, 0x88);
    sluice__session_opened__free_unpacked(answer, NULL);
    kit_free(kit);
}

static void
users_sign_in_with_their_password_only(void)
{
    struct kit *kit = kit_new();
    Sluice__UserDelete gone = SLUICE__USER_DELETE__INIT;
    Sluice__UserPut put = SLUICE__USER_PUT__INIT;
    static char *roles[] = {(char *)(uintptr_t) "R"};
    struct signed_in known;
    CU_ASSERT_EQUAL(sign_in(kit, "ann", "pw").reason, 0x86);
    put_user(kit, "ann", "pw", OK);
    put_user(kit, "ann", "other", ERR_EXISTS);
    CU_ASSERT_EQUAL(sign_in(kit, "ann", "pw").reason, 0);
    CU_ASSERT_EQUAL(sign_in(kit, "ann", "wrong").reason, 0x86);
    CU_ASSERT_EQUAL(sign_in(kit, "ann", "").reason, 0x86);
    put.name = (char *)(uintptr_t) "ann";
    put.roles = roles;
    put.n_roles = 1;
    put.rules = (char *)(uintptr_t) "allow all #";
    put.has_rules = true;
    CU_ASSERT_EQUAL(kit_call(kit, CALL_USER_PUT, &put), OK);
    known = sign_in(kit, "ann", "pw");
    CU_ASSERT_EQUAL(known.reason, 0);
    CU_ASSERT_EQUAL(known.roles, 1);
    CU_ASSERT_STRING_EQUAL(known.rules, "allow all #");
    CU_ASSERT_EQUAL(sign_in(kit, "ann", NULL).revision, known.revision);
    CU_ASSERT_TRUE(sign_in(kit, "ann", NULL).known);
    gone.name = (char *)(uintptr_t) "ann";
    CU_ASSERT_EQUAL(kit_call(kit, CALL_USER_DELETE, &gone), OK);
    CU_ASSERT_EQUAL(sign_in(kit, "ann", "pw").reason, 0x86);
    CU_ASSERT_EQUAL(sign_in(kit, "ann", NULL).reason, 0);
    CU_ASSERT_FALSE(sign_in(kit, "ann", NULL).known);
    CU_ASSERT_EQUAL(kit_call(kit, CALL_USER_DELETE, &gone), ERR_NOT_FOUND);
    kit_free(kit);
}

static bool
has_ten_queued(struct kit *kit)
{
    return kit->store->queue_count == 10;
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
    CU_ASSERT_TRUE(kit_wait(kit, has_ten_queued)); /* the oldest are read before they go */
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

static bool
has_none_connected(struct kit *kit)
{
    return kit->store->connected == 0 && kit->outbox_seen == awaited_seen;
}

static void
a_gateway_that_dies_publishes_wills_and_leaves_its_sessions_behind(void)
{
    struct kit *kit = kit_new();
    struct wish wish = {.client = "w", .conn = 1, .clean = true, .will = "last/w"};
    struct opened opened;
    (void)open_session(kit, wish);
    opened = open_session(kit, LASTING("c", 2));
    CU_ASSERT_EQUAL(subscribe(kit, opened, "t", 1, 0), 1);
    ready(kit, opened, 2, 0);
    kit_sync(kit);
    peers_free(kit->gateway);
    kit->gateway_peer = NULL;
    kit->gateway_ups_wanted = kit->gateway_ups + 1;
    awaited_seen = 1;
    CU_ASSERT_TRUE(kit_wait(kit, has_none_connected)); /* one lease */
    CU_ASSERT_EQUAL(sessions_count(kit->store->sessions), 1);
    publish(kit, 1, "t", 1, false, "while away");
    kit_start_gateway(kit);
    CU_ASSERT_TRUE_FATAL(kit_wait(kit, kit_is_up));
    opened = open_session(kit, LASTING("c", 3));
    CU_ASSERT_TRUE(opened.present);
    ready(kit, opened, 3, 0);
    await_seen(kit, 1);
    CU_ASSERT_STRING_EQUAL(kit->seen[0].payload, "while away");
    kit_free(kit);
}

static void
a_subscription_that_no_core_answers_is_refused_and_undone(void)
{
    struct kit *kit = kit_new();
    struct opened opened = open_session(kit, LASTING("c", 1));
    kit->core_no_routes = true;
    CU_ASSERT_EQUAL(subscribe(kit, opened, "t", 1, 0), 999);
    CU_ASSERT_EQUAL(kit->answer.err, ERR_TIMEOUT);
    CU_ASSERT_EQUAL(subscriptions_count(kit->store->subscriptions), 0);
    publish(kit, 1, "t", 1, false, "");
    CU_ASSERT_EQUAL(kit->store->queue_count, 0);
    kit_free(kit);
}

static bool
is_degraded(struct kit *kit)
{
    return commit_state(kit->store->commit) != OK;
}

static void
a_full_disk_refuses_what_is_new_and_loses_nothing_that_was_taken(void)
{
    struct kit *kit = kit_new();
    struct opened opened = open_session(kit, LASTING("c", 1));
    struct publish_record record = {.origin = 42,
                                    .token = 1,
                                    .floor = 1,
                                    .qos = 1,
                                    .topic = slice_cstr("t"),
                                    .payload = slice_cstr("kept")};
    uint8_t head[128];
    struct slice parts[2];
    ready(kit, opened, 1, 0);
    CU_ASSERT_EQUAL(subscribe(kit, opened, "t", 1, 0), 1);
    kit_sync(kit);
    driver_fault_set(kit->store->driver, 1, 4, ERR_NO_SPACE);
    parts[0] = slice_of(head, publish_record_encode_head(&record, head));
    parts[1] = record.payload;
    CU_ASSERT_EQUAL(peer_append(kit->core_peer, FEED_DATA, FEED_PUBLISH, parts, 2, &awaited_ticket),
                    OK);
    CU_ASSERT_TRUE(kit_wait(kit, is_degraded));
    CU_ASSERT(kit->core_done < awaited_ticket);
    CU_ASSERT_EQUAL(kit->seen_count, 0);
    CU_ASSERT_EQUAL(open_session(kit, LASTING("d", 2)).reason, 999);
    CU_ASSERT_EQUAL(kit->answer.err, ERR_NO_SPACE);
    /* a clean session needs no disk */
    CU_ASSERT_EQUAL(
        open_session(kit, (struct wish){.client = "e", .conn = 3, .clean = true}).reason, 0);
    CU_ASSERT_TRUE(kit_wait(kit, is_done));
    await_seen(kit, 1);
    CU_ASSERT_STRING_EQUAL(kit->seen[0].payload, "kept");
    CU_ASSERT_EQUAL(open_session(kit, LASTING("d", 4)).reason, 0);
    kit_free(kit);
}

static void
hostile_records_and_calls_change_nothing(void)
{
    struct kit *kit = kit_new();
    struct opened opened = open_session(kit, LASTING("c", 1));
    uint8_t junk[64];
    unsigned type;
    uint32_t id;
    memset(junk, 0xff, sizeof(junk));
    for (type = 1; type < 64; type++) {
        kit_send(kit, (uint8_t)type, junk, 0);
        kit_send(kit, (uint8_t)type, junk, 7);
        kit_send(kit, (uint8_t)type, junk, sizeof(junk));
    }
    queue_record(kit, FEED_QUEUE_ACK, (struct opened){.session = opened.session, .epoch = 1}, 1);
    queue_record(kit, FEED_QUEUE_REC, opened, UINT64_MAX);
    kit_sync(kit);
    for (type = 100; type < 120; type++) {
        kit->answer.done = false;
        CU_ASSERT_EQUAL(peer_call(kit->gateway_peer, (uint16_t)type, slice_of(junk, 64), 15000,
                                  kit_answered, kit, &id),
                        OK);
        CU_ASSERT_TRUE(kit_wait(kit, kit_has_answer));
        CU_ASSERT(kit->answer.err == ERR_MALFORMED || kit->answer.err == ERR_UNSUPPORTED);
    }
    CU_ASSERT_EQUAL(kit->store->connected, 1);
    CU_ASSERT_EQUAL(kit->outbox_seen, 0);
    kit_free(kit);
}

static bool
has_no_session(struct kit *kit)
{
    return sessions_count(kit->store->sessions) == 0;
}

static void
a_session_expires_also_over_a_restart(void)
{
    struct kit *kit = kit_new();
    struct wish wish = LASTING("e", 1);
    struct opened opened;
    wish.expiry_s = 1;
    opened = open_session(kit, wish);
    ready(kit, opened, 1, 0);
    CU_ASSERT_EQUAL(subscribe(kit, opened, "t", 1, 0), 1);
    close_session(kit, opened, 0);
    publish(kit, 1, "t", 1, false, "waits");
    kit_restart_store(kit);
    CU_ASSERT_TRUE(kit_wait(kit, has_no_session));
    CU_ASSERT_EQUAL(kit->store->queue_count, 0);
    CU_ASSERT_EQUAL(kit->store->persistent, 0);
    kit_free(kit);
}

static void
sessions_and_queues_keep_their_limits(void)
{
    struct kit *kit = kit_new();
    struct opened a, b;
    kit->config.persistent_max = 2;
    kit->config.queue_total_bytes = 100;
    a = open_session(kit, LASTING("a", 1));
    b = open_session(kit, LASTING("b", 2));
    CU_ASSERT_EQUAL(open_session(kit, LASTING("c", 3)).reason, 0x97);
    CU_ASSERT_EQUAL(
        open_session(kit, (struct wish){.client = "clean", .conn = 4, .clean = true}).reason, 0);
    CU_ASSERT_EQUAL(metric_counter_get(kit->store->counters.quota), 1);
    ready(kit, a, 1, 0);
    ready(kit, b, 2, 0);
    CU_ASSERT_EQUAL(subscribe(kit, a, "t", 1, 0), 1);
    CU_ASSERT_EQUAL(subscribe(kit, b, "t", 1, 0), 1);
    publish(kit, 1, "t", 1, false, "one");
    CU_ASSERT(kit->store->queue_bytes <= 100);
    CU_ASSERT(metric_counter_get(kit->store->counters.dropped[STORE_DROP_TOTAL_FULL]) >= 1);
    /* one that ends makes room */
    CU_ASSERT_EQUAL(
        open_session(kit, (struct wish){.client = "b", .conn = 5, .clean = true}).reason, 0);
    CU_ASSERT_EQUAL(open_session(kit, LASTING("c", 6)).reason, 0);
    kit_free(kit);
}

static bool
totals_are_two(struct kit *kit)
{
    return kit->store->totals.retained_count == 2;
}

static void
further_topics_are_not_retained_at_the_limit(void)
{
    struct kit *kit = kit_new();
    Sluice__RetainedGet get = SLUICE__RETAINED_GET__INIT;
    Sluice__RetainedGot *got;
    size_t round;
    kit->config.retained_max = 2;
    publish(kit, 1, "a", 1, true, "one");
    publish(kit, 2, "b", 1, true, "two");
    for (round = 0; round < 2; round++) {
        publish(kit, 3 + 4 * round, "c", 1, true, "three");
        publish(kit, 4 + 4 * round, "a", 1, true, "newer");
        publish(kit, 5 + 4 * round, "d", 1, true, "four");
        CU_ASSERT_TRUE(kit_wait(kit, totals_are_two));
        get.filter.data = (uint8_t *)(uintptr_t) "#";
        get.filter.len = 1;
        CU_ASSERT_EQUAL(kit_call(kit, CALL_RETAINED_GET, &get), OK);
        got = sluice__retained_got__unpack(NULL, kit->answer.len, kit->answer.bytes);
        CU_ASSERT_PTR_NOT_NULL_FATAL(got);
        CU_ASSERT_EQUAL(got->n_records, 2);
        sluice__retained_got__free_unpacked(got, NULL);
        CU_ASSERT_EQUAL(metric_counter_get(kit->store->counters.dropped[STORE_DROP_RETAINED_FULL]),
                        2 * round + 2);
        publish(kit, 6 + 4 * round, "b", 1, true, "");
        kit->config.retained_max = 3;
        publish(kit, 100 + round, round == 0 ? "b" : "e", 1, true, "again");
        kit->config.retained_max = 2;
    }
    kit_free(kit);
}

static const struct cunit_case cases[] = {
    CUNIT_CASE(a_session_expires_also_over_a_restart),
    CUNIT_CASE(sessions_and_queues_keep_their_limits),
    CUNIT_CASE(further_topics_are_not_retained_at_the_limit),
    CUNIT_CASE(wills_go_out_unless_the_client_said_goodbye),
    CUNIT_CASE(retained_messages_follow_a_subscription),
    CUNIT_CASE(a_retained_message_is_not_replaced_by_an_older_one),
    CUNIT_CASE(who_was_not_admitted_by_its_gateway_stays_out),
    CUNIT_CASE(users_sign_in_with_their_password_only),
    CUNIT_CASE(a_full_queue_drops_the_oldest),
    CUNIT_CASE(a_clean_start_ends_the_session_and_its_routes),
    CUNIT_CASE(a_gateway_that_dies_publishes_wills_and_leaves_its_sessions_behind),
    CUNIT_CASE(a_subscription_that_no_core_answers_is_refused_and_undone),
    CUNIT_CASE(a_full_disk_refuses_what_is_new_and_loses_nothing_that_was_taken),
    CUNIT_CASE(hostile_records_and_calls_change_nothing),
};
CUNIT_MAIN("store_rules", cases)
