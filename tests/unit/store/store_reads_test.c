/* SPDX-License-Identifier: Apache-2.0 */
/* Reads that take their time or fail at first: nothing is lost, doubled or out of order by what
 * happens meanwhile. */
#include "tests/unit/store/store_talk.h"

static struct opened held;
static uint64_t held_last_seq;
static uint64_t held_acks[2];

/* Reads fail for about half a second. */
static void
make_slow(struct kit *kit)
{
    driver_read_fault_set(kit->store->driver, 4, ERR_BUSY);
}

static void
fill(struct kit *kit, uint64_t first, uint64_t last)
{
    char payload[16];
    uint64_t i;
    for (i = first; i <= last; i++) {
        (void)str_format(payload, sizeof(payload), "m%u", (unsigned)i);
        publish(kit, i, "t", 1, false, payload);
    }
}

static void
expect_payloads(struct kit *kit, size_t at, uint64_t first, uint64_t last)
{
    char payload[16];
    uint64_t i;
    await_seen(kit, at + (size_t)(last - first) + 1);
    for (i = first; i <= last; i++) {
        (void)str_format(payload, sizeof(payload), "m%u", (unsigned)i);
        CU_ASSERT_STRING_EQUAL(kit->seen[at + i - first].payload, payload);
    }
}

static void
a_queue_comes_in_order_though_it_is_read_late(void)
{
    struct kit *kit = kit_new();
    struct opened opened = open_session(kit, LASTING("c", 1));
    ready(kit, opened, 1, 0);
    CU_ASSERT_EQUAL(subscribe(kit, opened, "t", 1, 0), 1);
    close_session(kit, opened, 0);
    fill(kit, 1, 100);
    make_slow(kit);
    opened = open_session(kit, LASTING("c", 2));
    ready(kit, opened, 2, 0);
    kit_sync(kit);
    fill(kit, 101, 110); /* behind what is being read */
    expect_payloads(kit, 0, 1, 110);
    kit_free(kit);
}

static void
a_queue_that_cannot_be_read_ends_its_connection_instead_of_waiting_for_ever(void)
{
    struct kit *kit = kit_new();
    struct opened opened = open_session(kit, LASTING("c", 1));
    ready(kit, opened, 1, 0);
    CU_ASSERT_EQUAL(subscribe(kit, opened, "t", 1, 0), 1);
    close_session(kit, opened, 0);
    fill(kit, 1, 3);
    driver_read_fault_set(kit->store->driver, UINT64_MAX, ERR_MALFORMED);
    opened = open_session(kit, LASTING("c", 2));
    ready(kit, opened, 2, 0);
    await_seen(kit, 1);
    CU_ASSERT_EQUAL(kit->seen[0].type, FEED_SESSION_KICK);
    CU_ASSERT_EQUAL(kit->seen[0].conn, 2);
    CU_ASSERT_EQUAL(kit->seen[0].flags, 0x80);
    close_session(kit, opened, 0);
    kit_sync(kit); /* the next call does not overtake it */
    driver_read_fault_set(kit->store->driver, 0, OK);
    opened = open_session(kit, LASTING("c", 3)); /* mended */
    ready(kit, opened, 3, 0);
    expect_payloads(kit, 1, 1, 3);
    kit_free(kit);
}

static void
what_was_asked_for_a_former_connection_is_not_pushed_to_the_next(void)
{
    struct kit *kit = kit_new();
    struct opened opened = open_session(kit, LASTING("c", 1));
    uint64_t conn;
    ready(kit, opened, 1, 0);
    CU_ASSERT_EQUAL(subscribe(kit, opened, "t", 1, 0), 1);
    close_session(kit, opened, 0);
    fill(kit, 1, 5);
    driver_read_fault_set(kit->store->driver, UINT64_MAX, ERR_BUSY);
    for (conn = 2; conn <= 4; conn++) {
        opened = open_session(kit, LASTING("c", conn));
        ready(kit, opened, conn, 0);
        if (conn < 4)
            close_session(kit, opened, 0);
        kit_sync(kit);
    }
    driver_read_fault_set(kit->store->driver, 0, OK);
    expect_payloads(kit, 0, 1, 5);
    CU_ASSERT_EQUAL(kit->seen[0].conn, 4);
    CU_ASSERT_EQUAL(kit->seen[4].conn, 4);
    kit_free(kit);
}

static void
announce_and_acknowledge(struct kit *kit)
{
    Sluice__SessionAnnounce announce = SLUICE__SESSION_ANNOUNCE__INIT;
    Sluice__SessionOpen open = SLUICE__SESSION_OPEN__INIT;
    static char client[] = "c";
    uint8_t bytes[1024];
    struct slice part;
    size_t i;
    open.client_id.data = (uint8_t *)client;
    open.client_id.len = 1;
    open.conn = 1;
    open.expiry_s = 3600;
    open.version = 5;
    open.receive_maximum = 100;
    announce.open = &open;
    announce.session = held.session;
    announce.epoch = held.epoch;
    announce.last_seq = held_last_seq;
    part = slice_of(bytes, sluice__session_announce__pack(&announce, bytes));
    CU_ASSERT_EQUAL(
        peer_append(kit->gateway_peer, FEED_CONTROL, FEED_SESSION_ANNOUNCE, &part, 1, NULL), OK);
    for (i = 0; i < 2; i++) {
        struct records_queue record = {held.session, held.epoch, held_acks[i]};
        part = slice_of(bytes, records_queue_encode(&record, bytes));
        CU_ASSERT_EQUAL(
            peer_append(kit->gateway_peer, FEED_CONTROL, FEED_QUEUE_ACK, &part, 1, NULL), OK);
    }
}

static bool
has_one_queued(struct kit *kit)
{
    return kit->store->queue_count == 1;
}

/* The gateway kept its connection over a restart; acknowledgements come before the store has read
 * what they are about. */
static void
acknowledgements_wait_for_what_they_are_about(void)
{
    struct kit *kit = kit_new();
    held = open_session(kit, LASTING("c", 1));
    ready(kit, held, 1, 0);
    CU_ASSERT_EQUAL(subscribe(kit, held, "t", 1, 0), 1);
    fill(kit, 1, 3);
    await_seen(kit, 3);
    held_acks[0] = kit->seen[0].seq;
    held_acks[1] = kit->seen[2].seq;
    held_last_seq = kit->seen[2].seq;
    kit->on_gateway_up = announce_and_acknowledge;
    kit->gateway_ups_wanted = kit->gateway_ups + 1;
    kit->core_ups_wanted = kit->core_ups + 1;
    store_free(kit->store);
    kit_start_store(kit);
    make_slow(kit);
    CU_ASSERT_TRUE_FATAL(kit_wait(kit, kit_is_up));
    CU_ASSERT_TRUE(kit_wait(kit, has_one_queued));
    publish(kit, 4, "t", 1, false, "m4");
    await_seen(kit, 4); /* and nothing again */
    CU_ASSERT_STRING_EQUAL(kit->seen[3].payload, "m4");
    CU_ASSERT_EQUAL(kit->store->queue_count, 2);
    kit_free(kit);
}

static bool
has_ten_queued(struct kit *kit)
{
    return kit->store->queue_count == 10;
}

static void
a_full_queue_that_cannot_be_read_grows_no_further_than_twice(void)
{
    struct kit *kit = kit_new();
    struct opened opened = open_session(kit, LASTING("f", 1));
    kit->config.queue_messages = 10;
    kit->config.queue_bytes = 4000;
    ready(kit, opened, 1, 0);
    CU_ASSERT_EQUAL(subscribe(kit, opened, "t", 1, 0), 1);
    close_session(kit, opened, 0);
    driver_read_fault_set(kit->store->driver, UINT64_MAX, ERR_IO);
    fill(kit, 1, 200);
    CU_ASSERT(kit->store->queue_count > 10);
    CU_ASSERT(kit->store->queue_bytes <= 8200);
    driver_read_fault_set(kit->store->driver, 0, OK);
    CU_ASSERT_TRUE(kit_wait(kit, has_ten_queued));
    fill(kit, 201, 210);
    CU_ASSERT_TRUE(kit_wait(kit, has_ten_queued));
    opened = open_session(kit, LASTING("f", 2));
    ready(kit, opened, 2, 0);
    expect_payloads(kit, 0, 201, 210);
    kit_free(kit);
}

static void
retained_messages_come_though_they_are_read_late(void)
{
    struct kit *kit = kit_new();
    struct opened opened = open_session(kit, LASTING("r", 1));
    Sluice__RetainedGet get = SLUICE__RETAINED_GET__INIT;
    ready(kit, opened, 1, 0);
    publish(kit, 1, "s/1", 1, true, "one");
    publish(kit, 2, "s/2", 1, true, "two");
    make_slow(kit);
    CU_ASSERT_EQUAL(subscribe(kit, opened, "s/+", 1, 5), 1);
    publish(kit, 3, "s/2", 1, true, "newer"); /* live; what is retained there is older */
    await_seen(kit, 2);
    CU_ASSERT_STRING_EQUAL(kit->seen[0].payload, "newer");
    CU_ASSERT_STRING_EQUAL(kit->seen[1].payload, "one");
    make_slow(kit);
    get.filter.data = (uint8_t *)(uintptr_t) "#";
    get.filter.len = 1;
    CU_ASSERT_EQUAL(kit_call(kit, CALL_RETAINED_GET, &get), OK);
    CU_ASSERT(kit->answer.len > 20);
    kit_free(kit);
}

/* One message for the share that only sleeping members want. */
static void
share_publish(struct kit *kit, uint64_t token, const char *payload)
{
    struct publish_record record = {.origin = 42,
                                    .token = token,
                                    .floor = 1,
                                    .qos = 1,
                                    .topic = slice_cstr("job"),
                                    .payload = slice_cstr(payload)};
    struct records_shared shared = {.share = slice_cstr("$share/g/job")};
    uint8_t body[512];
    struct slice parts[2];
    size_t len = records_shared_publish_encode(&shared, body);
    memcpy(body + len, shared.share.data, shared.share.len);
    len += shared.share.len;
    len += publish_record_encode_head(&record, body + len);
    parts[0] = slice_of(body, len);
    parts[1] = record.payload;
    CU_ASSERT_EQUAL(
        peer_append(kit->core_peer, FEED_DATA, FEED_SHARED_PUBLISH, parts, 2, &awaited_ticket), OK);
    CU_ASSERT_TRUE(kit_wait(kit, is_done));
}

static bool
nothing_is_queued(struct kit *kit)
{
    return kit->store->queue_count == 0;
}

static bool
no_session_is_left(struct kit *kit)
{
    return sessions_count(kit->store->sessions) == 0;
}

static uint64_t
moved_count(struct kit *kit)
{
    return metric_counter_get(kit->store->counters.moved);
}

static void
what_waits_on_disk_for_a_share_goes_to_others_when_the_session_ends(void)
{
    unsigned how;
    for (how = 0; how < 2; how++) {
        struct kit *kit = kit_new();
        struct wish wish = LASTING("s", 1);
        struct opened opened;
        uint64_t i;
        wish.expiry_s = how == 0 ? 3600 : 1;
        opened = open_session(kit, wish);
        ready(kit, opened, 1, 0);
        CU_ASSERT_EQUAL(subscribe(kit, opened, "$share/g/job", 1, 0), 1);
        CU_ASSERT_EQUAL(subscribe(kit, opened, "t", 1, 0), 1);
        close_session(kit, opened, 0);
        kit_sync(kit);
        for (i = 1; i <= 5; i++)
            share_publish(kit, i, "work");
        fill(kit, 6, 7); /* not of the share: it ends with the session */
        CU_ASSERT_EQUAL(kit->store->queue_count, 7);
        make_slow(kit);
        if (how == 0) {
            wish.clean = true;
            wish.conn = 2;
            opened = open_session(kit, wish);
            CU_ASSERT_EQUAL(opened.reason, 0);
            CU_ASSERT_FALSE(opened.present);
            CU_ASSERT_EQUAL(opened.subscriptions, 0);
        } else {
            CU_ASSERT_TRUE(kit_wait(kit, no_session_is_left));
        }
        CU_ASSERT_TRUE(kit_wait(kit, nothing_is_queued));
        CU_ASSERT_EQUAL(moved_count(kit), 5);
        kit_free(kit);
    }
}

static bool
five_were_moved(struct kit *kit)
{
    return moved_count(kit) == 5;
}

static void
what_sleeps_on_disk_goes_to_a_member_that_comes(void)
{
    struct kit *kit = kit_new();
    struct opened sleeper = open_session(kit, LASTING("s", 1));
    struct opened other;
    uint64_t i;
    ready(kit, sleeper, 1, 0);
    CU_ASSERT_EQUAL(subscribe(kit, sleeper, "$share/g/job", 1, 0), 1);
    close_session(kit, sleeper, 0);
    kit_sync(kit);
    for (i = 1; i <= 5; i++)
        share_publish(kit, i, "work");
    make_slow(kit);
    other = open_session(kit, LASTING("o", 2));
    ready(kit, other, 2, 0);
    CU_ASSERT_EQUAL(subscribe(kit, other, "$share/g/job", 1, 0), 1);
    CU_ASSERT_TRUE(kit_wait(kit, five_were_moved));
    CU_ASSERT_TRUE(kit_wait(kit, nothing_is_queued));
    kit_free(kit);
}

static void
users_are_found_though_they_are_read_late(void)
{
    struct kit *kit = kit_new();
    struct wish wish = {.client = "u", .conn = 1, .clean = true, .user = "ann"};
    Sluice__UserStatus status = SLUICE__USER_STATUS__INIT;
    Sluice__UserStatuses *statuses;
    Sluice__UserDelete gone = SLUICE__USER_DELETE__INIT;
    Sluice__UserGet get = SLUICE__USER_GET__INIT;
    static char ann[] = "ann";
    static char bob[] = "bob";
    char *names[] = {ann, bob};
    make_slow(kit);
    put_user(kit, "ann", "pw", OK);
    put_user(kit, "ann", "other", ERR_EXISTS);
    make_slow(kit);
    CU_ASSERT_EQUAL(sign_in(kit, "ann", "pw").reason, 0);
    CU_ASSERT_EQUAL(sign_in(kit, "ann", "wrong").reason, 0x86);
    CU_ASSERT_TRUE(sign_in(kit, "ann", NULL).known);
    CU_ASSERT_EQUAL(open_session(kit, wish).reason, 0);
    make_slow(kit);
    status.n_names = 2;
    status.names = names;
    CU_ASSERT_EQUAL(kit_call(kit, CALL_USER_STATUS, &status), OK);
    statuses = sluice__user_statuses__unpack(NULL, kit->answer.len, kit->answer.bytes);
    CU_ASSERT_PTR_NOT_NULL_FATAL(statuses);
    CU_ASSERT_EQUAL_FATAL(statuses->n_users, 2);
    CU_ASSERT_STRING_EQUAL(statuses->users[0]->status, "on");
    CU_ASSERT_STRING_EQUAL(statuses->users[1]->status, "notFound");
    sluice__user_statuses__free_unpacked(statuses, NULL);
    gone.name = ann;
    CU_ASSERT_EQUAL(kit_call(kit, CALL_USER_DELETE, &gone), OK);
    get.name = ann;
    CU_ASSERT_EQUAL(kit_call(kit, CALL_USER_GET, &get), ERR_NOT_FOUND);
    CU_ASSERT_EQUAL(sign_in(kit, "ann", "pw").reason, 0x86);
    put_user(kit, "ann", "new", OK);
    CU_ASSERT_EQUAL(sign_in(kit, "ann", "new").reason, 0);
    kit_free(kit);
}

static void
a_remembered_user_signs_in_while_the_database_is_away(void)
{
    struct kit *kit = kit_new();
    put_user(kit, "ann", "pw", OK);
    CU_ASSERT_EQUAL(sign_in(kit, "ann", "pw").reason, 0);
    driver_read_fault_set(kit->store->driver, UINT64_MAX, ERR_IO);
    CU_ASSERT_EQUAL(sign_in(kit, "ann", "pw").reason, 0);
    /* sessions need no row */
    CU_ASSERT_EQUAL(
        open_session(kit, (struct wish){.client = "e", .conn = 3, .clean = true}).reason, 0);
    driver_read_fault_set(kit->store->driver, 0, OK);
    kit_free(kit);
}

static const struct cunit_case cases[] = {
    CUNIT_CASE(users_are_found_though_they_are_read_late),
    CUNIT_CASE(a_remembered_user_signs_in_while_the_database_is_away),
    CUNIT_CASE(a_queue_comes_in_order_though_it_is_read_late),
    CUNIT_CASE(a_queue_that_cannot_be_read_ends_its_connection_instead_of_waiting_for_ever),
    CUNIT_CASE(what_was_asked_for_a_former_connection_is_not_pushed_to_the_next),
    CUNIT_CASE(acknowledgements_wait_for_what_they_are_about),
    CUNIT_CASE(a_full_queue_that_cannot_be_read_grows_no_further_than_twice),
    CUNIT_CASE(retained_messages_come_though_they_are_read_late),
    CUNIT_CASE(what_waits_on_disk_for_a_share_goes_to_others_when_the_session_ends),
    CUNIT_CASE(what_sleeps_on_disk_goes_to_a_member_that_comes),
};
CUNIT_MAIN("store_reads", cases)
