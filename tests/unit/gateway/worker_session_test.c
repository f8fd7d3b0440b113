/* SPDX-License-Identifier: Apache-2.0 */
/* Workers and the hub: persistent sessions, the acknowledgement contract, subscriptions across workers, and
 * what the hub may tell a worker to do. */
#include "tests/unit/gateway/worker_stage.h"

#include "proto/feed.h"

/* Tells the (only) worker. */
static void
tell(struct stage *stage, struct post post)
{
    fake_hub_post(&stage->hub, 0, &post);
}

static struct message *
sample(const char *topic, const char *payload, uint8_t qos)
{
    struct publish_record record = {.qos = qos, .topic = slice_cstr(topic), .payload = slice_cstr(payload)};
    return message_new(&record);
}

static void
mute(struct stage *stage, uint8_t kind, bool on)
{
    pthread_mutex_lock(&stage->hub.lock);
    stage->hub.mute = on ? stage->hub.mute | UINT64_C(1) << kind : stage->hub.mute & ~(UINT64_C(1) << kind);
    pthread_mutex_unlock(&stage->hub.lock);
}

static void
acknowledgements_wait_for_tokens_and_keep_their_order(void)
{
    struct stage stage;
    stage_init(&stage, 1);
    stage_start(&stage);
    mute(&stage, POST_PUBLISH, true);
    int pub = stage_client(&stage, 0, CONNECT_311);
    stage_send(pub, "33 06 00 01 't' 00 01 'x' 32 06 00 01 't' 00 02 'x' 35 06 00 01 't' 00 03 'x'");
    CU_ASSERT(fake_hub_wait(&stage.hub, POST_PUBLISH, 2));
    CU_ASSERT(stage_ping(pub)); /* no acknowledgement yet */
    struct post last = fake_hub_last(&stage.hub, POST_PUBLISH);
    CU_ASSERT_NOT_EQUAL(last.a, 0);
    tell(&stage, (struct post){.kind = POST_TOKEN_DONE, .conn = last.conn, .a = last.a, .flags = 1});
    CU_ASSERT(stage_ping(pub)); /* the third is done, but not the first */
    tell(&stage, (struct post){.kind = POST_TOKEN_DONE, .conn = last.conn, .a = last.a - 2});
    CU_ASSERT(stage_expect(pub, "40 02 00 01 40 02 00 02 50 02 00 03"));
    stage_send(pub, "62 02 00 03");
    CU_ASSERT(stage_expect(pub, "70 02 00 03"));
    close(pub);
    stage_stop(&stage);
}

static void
without_a_valid_digest_the_hub_gets_every_acknowledged_publish(void)
{
    struct stage stage;
    stage_init(&stage, 1);
    stage_start(&stage);
    int pub = stage_client(&stage, 0, CONNECT_311);
    tell(&stage, (struct post){.kind = POST_DIGEST_VALID, .flags = 0});
    CU_ASSERT(stage_ping(pub));
    stage_send(pub, "32 06 00 01 't' 00 01 'x' 30 04 00 01 't' 'x'");
    CU_ASSERT(stage_expect(pub, "40 02 00 01"));
    CU_ASSERT(stage_ping(pub));
    CU_ASSERT_EQUAL(fake_hub_count(&stage.hub, POST_PUBLISH), 1);
    close(pub);
    stage_stop(&stage);
}

static void
a_publish_goes_where_places_want_it(void)
{
    struct stage stage;
    stage_init(&stage, 1);
    stage_start(&stage);
    int pub = stage_client(&stage, 0, CONNECT_311);
    tell(&stage, (struct post){.kind = POST_PLACE_ADD, .a = 5, .flags = PLACE_REMOTE,
                               .body = post_filter_new(slice_cstr("far/#"))});
    CU_ASSERT(fake_hub_wait(&stage.hub, POST_PLACE_ACK, 1));
    CU_ASSERT_EQUAL(fake_hub_last(&stage.hub, POST_PLACE_ACK).a, 5);
    stage_send(pub, "30 08 00 05 'far/x' 'y' 30 05 00 02 'no' 'y' C0 00");
    CU_ASSERT(stage_expect(pub, "D0 00"));
    CU_ASSERT(fake_hub_wait(&stage.hub, POST_PUBLISH, 1));
    tell(&stage, (struct post){.kind = POST_PLACE_REMOVE, .a = 6, .flags = PLACE_REMOTE,
                               .body = post_filter_new(slice_cstr("far/#"))});
    CU_ASSERT(fake_hub_wait(&stage.hub, POST_PLACE_ACK, 2));
    stage_send(pub, "30 08 00 05 'far/x' 'y' C0 00");
    CU_ASSERT(stage_expect(pub, "D0 00"));
    CU_ASSERT_EQUAL(fake_hub_count(&stage.hub, POST_PUBLISH), 1);
    close(pub);
    stage_stop(&stage);
}

static void
workers_deliver_to_each_others_clients(void)
{
    struct stage stage;
    stage_init(&stage, 2);
    stage_start(&stage);
    int sub = stage_client(&stage, 1, CONNECT_311), pub = stage_client(&stage, 0, CONNECT_311);
    stage_send(sub, "82 06 00 01 00 01 't' 01");
    CU_ASSERT(stage_expect(sub, "90 03 00 01 01"));
    CU_ASSERT(fake_hub_wait(&stage.hub, POST_PLACE_ACK, 1));
    stage_send(pub, "32 06 00 01 't' 00 07 'x'");
    CU_ASSERT(stage_expect(pub, "40 02 00 07"));
    CU_ASSERT(stage_expect(sub, "32 06 00 01 't' 00 01 'x'"));
    CU_ASSERT_EQUAL(fake_hub_count(&stage.hub, POST_PUBLISH), 0);
    close(sub);
    close(pub);
    stage_stop(&stage);
}

static void
messages_of_the_hub_reach_clients(void)
{
    struct stage stage;
    stage_init(&stage, 1);
    stage_start(&stage);
    int sub = stage_client(&stage, 0, CONNECT_5);
    stage_send(sub, "82 07 00 01 00 00 01 '+' 02");
    CU_ASSERT(stage_expect(sub, "90 04 00 01 00 02"));
    tell(&stage, (struct post){.kind = POST_MESSAGE, .body = sample("t", "hi", 1)});
    CU_ASSERT(stage_expect(sub, "32 08 00 01 't' 00 01 00 'hi'"));
    close(sub);
    stage_stop(&stage);
}

static void
a_persistent_session_gets_its_queue_from_the_store(void)
{
    struct stage stage;
    stage_init(&stage, 1);
    stage_start(&stage);
    int sub = stage_client(&stage, 0, CONNECT_311_PERSISTENT);
    int pub = stage_client(&stage, 0, CONNECT_311);
    CU_ASSERT(fake_hub_wait(&stage.hub, POST_READY, 1));
    uint64_t conn = fake_hub_last(&stage.hub, POST_READY).conn;
    stage_send(sub, "82 06 00 01 00 01 't' 02");
    CU_ASSERT(stage_expect(sub, "90 03 00 01 02"));
    CU_ASSERT_EQUAL(fake_hub_count(&stage.hub, POST_SUBSCRIBE), 1);
    CU_ASSERT_EQUAL(fake_hub_count(&stage.hub, POST_RETAINED_GET), 0);
    stage_send(pub, "32 06 00 01 't' 00 01 'x' 30 04 00 01 't' 'y'");
    CU_ASSERT(stage_expect(sub, "30 04 00 01 't' 'y'")); /* QoS 1 is left to the store */
    tell(&stage, (struct post){.kind = POST_DELIVER, .conn = conn, .a = 9, .flags = 1,
                               .body = delivery_new(sample("t", "x", 1), NULL, 0)});
    CU_ASSERT(stage_expect(sub, "32 06 00 01 't' 00 0A 'x'"));
    stage_send(sub, "40 02 00 0A");
    CU_ASSERT(fake_hub_wait(&stage.hub, POST_QUEUE_ACK, 1));
    CU_ASSERT_EQUAL(fake_hub_last(&stage.hub, POST_QUEUE_ACK).c, 9);
    tell(&stage, (struct post){.kind = POST_DELIVER, .conn = conn, .a = 10, .flags = 2 | DELIVER_DUP | DELIVER_RETAIN,
                               .body = delivery_new(sample("t", "x", 2), NULL, 0)});
    CU_ASSERT(stage_expect(sub, "3D 06 00 01 't' 00 0B 'x'"));
    stage_send(sub, "50 02 00 0B");
    CU_ASSERT(stage_expect(sub, "62 02 00 0B"));
    CU_ASSERT_EQUAL(fake_hub_count(&stage.hub, POST_QUEUE_REC), 1);
    stage_send(sub, "70 02 00 0B");
    CU_ASSERT(fake_hub_wait(&stage.hub, POST_QUEUE_ACK, 2));
    tell(&stage, (struct post){.kind = POST_DELIVER, .conn = conn, .a = 11, .flags = 2 | DELIVER_REL,
                               .body = delivery_new(NULL, NULL, 0)});
    CU_ASSERT(stage_expect(sub, "62 02 00 0C"));
    close(sub);
    close(pub);
    stage_stop(&stage);
}

static void
a_persistent_publisher_at_qos_2_goes_through_the_store(void)
{
    struct stage stage;
    stage_init(&stage, 1);
    stage_start(&stage);
    mute(&stage, POST_INBOUND_PUBLISH, true);
    int pub = stage_client(&stage, 0, CONNECT_311_PERSISTENT);
    int sub = stage_client(&stage, 0, CONNECT_311);
    stage_send(sub, "82 06 00 01 00 01 't' 02");
    CU_ASSERT(stage_expect(sub, "90 03 00 01 02"));
    stage_send(pub, "34 06 00 01 't' 00 07 'x' 3C 06 00 01 't' 00 07 'x'");
    CU_ASSERT(fake_hub_wait(&stage.hub, POST_INBOUND_PUBLISH, 1));
    CU_ASSERT(stage_ping(pub)); /* no PUBREC before the store has it */
    CU_ASSERT(stage_ping(sub)); /* and nothing is delivered from here */
    CU_ASSERT_EQUAL(fake_hub_count(&stage.hub, POST_INBOUND_PUBLISH), 1);
    struct post last = fake_hub_last(&stage.hub, POST_INBOUND_PUBLISH);
    tell(&stage, (struct post){.kind = POST_INBOUND_DONE, .conn = last.conn, .aux = 7});
    CU_ASSERT(stage_expect(pub, "50 02 00 07"));
    stage_send(pub, "3C 06 00 01 't' 00 07 'x'");
    CU_ASSERT(stage_expect(pub, "50 02 00 07"));
    stage_send(pub, "62 02 00 07");
    CU_ASSERT(stage_expect(pub, "70 02 00 07"));
    CU_ASSERT_EQUAL(fake_hub_count(&stage.hub, POST_INBOUND_RELEASE), 1);
    close(pub);
    close(sub);
    stage_stop(&stage);
}

static void
a_resumed_session_has_its_subscriptions_and_packet_ids(void)
{
    struct stage stage;
    stage_init(&stage, 1);
    stage.hub.session_present = true;
    stage.hub.restored = (struct session_subscription){.filter = slice_cstr("t"), .qos = 1};
    stage.hub.restored_inbound = 7;
    stage_start(&stage);
    int fd = stage_dial(&stage, 0);
    stage_send(fd, CONNECT_311_PERSISTENT);
    CU_ASSERT(stage_expect(fd, "20 02 01 00"));
    stage_send(fd, "3C 06 00 01 't' 00 07 'x'");
    CU_ASSERT(stage_expect(fd, "50 02 00 07"));
    CU_ASSERT_EQUAL(fake_hub_count(&stage.hub, POST_INBOUND_PUBLISH), 0);
    stage_send(fd, "30 04 00 01 't' 'y'");
    CU_ASSERT(stage_expect(fd, "30 04 00 01 't' 'y'"));
    CU_ASSERT(fake_hub_wait(&stage.hub, POST_FILTER_ADD, 1));
    close(fd);
    CU_ASSERT(fake_hub_wait(&stage.hub, POST_CLOSE, 1));
    CU_ASSERT(fake_hub_wait(&stage.hub, POST_FILTER_REMOVE, 1));
    stage_stop(&stage);
}

static void
the_store_hears_how_a_connection_ended(void)
{
    static const struct {
        const char *connect, *farewell; /* "": just gone */
        uint8_t flags;
        uint32_t expiry_s;
    } rows[] = {
        {CONNECT_311, "E0 00", 0, 0},
        {CONNECT_311, "", CLOSE_WILL, 0},
        {CONNECT_5, "E0 01 04", CLOSE_WILL, 0},
        {CONNECT_5_PERSISTENT, "E0 07 00 05 11 00 00 00 09", CLOSE_HAS_EXPIRY, 9},
        {CONNECT_5, "E0 07 00 05 11 00 00 00 09", CLOSE_WILL, 0}, /* a protocol error */
    };
    struct stage stage;
    stage_init(&stage, 1);
    stage_start(&stage);
    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        int fd = stage_client(&stage, 0, rows[i].connect);
        stage_send(fd, rows[i].farewell);
        if (rows[i].farewell[0] == '\0')
            close(fd);
        CU_ASSERT(fake_hub_wait(&stage.hub, POST_CLOSE, i + 1));
        struct post post = fake_hub_last(&stage.hub, POST_CLOSE);
        CU_ASSERT_EQUAL(post.flags, rows[i].flags);
        CU_ASSERT_EQUAL(post.aux, rows[i].expiry_s);
        CU_ASSERT_EQUAL(post.a, i + 1);
        if (rows[i].farewell[0] != '\0')
            close(fd);
    }
    stage_stop(&stage);
}

static void
a_session_opened_for_nobody_is_closed(void)
{
    struct stage stage;
    stage_init(&stage, 1);
    stage_start(&stage);
    mute(&stage, POST_OPEN, true);
    int fd = stage_dial(&stage, 0);
    stage_send(fd, CONNECT_311);
    CU_ASSERT(fake_hub_wait(&stage.hub, POST_OPEN, 1));
    struct post open = fake_hub_last(&stage.hub, POST_OPEN);
    close(fd);
    struct session_opened opened = {.session = 77, .epoch = 3};
    /* The handle of a connection that never was: the next generation. */
    tell(&stage, (struct post){.kind = POST_OPENED, .conn = open.conn + (UINT64_C(1) << 32),
                               .body = session_opened_new(&opened)});
    CU_ASSERT(fake_hub_wait(&stage.hub, POST_CLOSE, 1));
    CU_ASSERT_EQUAL(fake_hub_last(&stage.hub, POST_CLOSE).a, 77);
    stage_stop(&stage);
}

static void
a_kick_says_why_and_does_not_close_the_session(void)
{
    struct stage stage;
    stage_init(&stage, 1);
    stage_start(&stage);
    int fd = stage_client(&stage, 0, CONNECT_5_PERSISTENT);
    CU_ASSERT(fake_hub_wait(&stage.hub, POST_READY, 1));
    struct post ready = fake_hub_last(&stage.hub, POST_READY);
    tell(&stage, (struct post){.kind = POST_KICK, .conn = ready.conn, .a = ready.a + 5, .b = 9, .flags = 0x8E});
    CU_ASSERT(stage_ping(fd)); /* somebody else's session */
    tell(&stage, (struct post){.kind = POST_KICK, .conn = ready.conn, .a = ready.a, .b = ready.b, .flags = 0x8E});
    CU_ASSERT_EQUAL(stage_farewell(fd), 0xE08E);
    int old = stage_client(&stage, 0, CONNECT_311);
    tell(&stage, (struct post){.kind = POST_KICK, .a = 2, .b = 1, .flags = 0x8E});
    CU_ASSERT(stage_is_closed(old));
    close(fd);
    close(old);
    int other = stage_client(&stage, 0, CONNECT_311);
    CU_ASSERT(stage_ping(other));
    CU_ASSERT_EQUAL(fake_hub_count(&stage.hub, POST_CLOSE), 0);
    close(other);
    stage_stop(&stage);
}

static void
retained_messages_follow_suback_page_by_page(void)
{
    struct stage stage;
    stage_init(&stage, 1);
    stage.hub.retained = sample("t", "old", 1);
    stage.hub.retained_pages = 3;
    stage_start(&stage);
    int sub = stage_client(&stage, 0, CONNECT_311);
    stage_send(sub, "82 06 00 01 00 01 '#' 00");
    CU_ASSERT(stage_expect(sub, "90 03 00 01 00"));
    CU_ASSERT(stage_expect(sub, "31 06 00 01 't' 'old' 31 06 00 01 't' 'old' 31 06 00 01 't' 'old'"));
    CU_ASSERT(stage_ping(sub));
    CU_ASSERT_EQUAL(fake_hub_count(&stage.hub, POST_RETAINED_GET), 3);
    close(sub);
    stage_stop(&stage);
}

static void
a_filter_that_fails_is_refused_and_undone(void)
{
    struct stage stage;
    stage_init(&stage, 1);
    stage.hub.filter_result = ERR_TIMEOUT;
    stage_start(&stage);
    int sub = stage_client(&stage, 0, CONNECT_5);
    stage_send(sub, "82 07 00 01 00 00 01 't' 01");
    CU_ASSERT(stage_expect(sub, "90 04 00 01 00 80"));
    CU_ASSERT(fake_hub_wait(&stage.hub, POST_FILTER_REMOVE, 1));
    stage_send(sub, "30 05 00 01 't' 00 'x'");
    CU_ASSERT(stage_ping(sub));
    int old = stage_client(&stage, 0, CONNECT_311_PERSISTENT);
    stage_send(old, "82 06 00 01 00 01 't' 01");
    CU_ASSERT(stage_expect(old, "90 03 00 01 80"));
    CU_ASSERT(fake_hub_wait(&stage.hub, POST_UNSUBSCRIBE, 1)); /* the store forgets it too */
    close(sub);
    close(old);
    stage_stop(&stage);
}

static void
two_clients_wait_for_the_same_filter(void)
{
    struct stage stage;
    stage_init(&stage, 1);
    stage_start(&stage);
    mute(&stage, POST_FILTER_ADD, true);
    int one = stage_client(&stage, 0, CONNECT_311), two = stage_client(&stage, 0, CONNECT_311);
    stage_send(one, "82 06 00 01 00 01 't' 00");
    CU_ASSERT(fake_hub_wait(&stage.hub, POST_FILTER_ADD, 1));
    stage_send(two, "82 06 00 02 00 01 't' 00");
    CU_ASSERT(stage_ping(two));
    CU_ASSERT_EQUAL(fake_hub_count(&stage.hub, POST_FILTER_ADD), 1);
    tell(&stage, (struct post){.kind = POST_FILTER_READY, .a = fake_hub_last(&stage.hub, POST_FILTER_ADD).a});
    CU_ASSERT(stage_expect(one, "90 03 00 01 00"));
    CU_ASSERT(stage_expect(two, "90 03 00 02 00"));
    close(one);
    close(two);
    stage_stop(&stage);
}

static void
shared_subscriptions_are_refused_for_now(void)
{
    struct stage stage;
    stage_init(&stage, 1);
    stage_start(&stage);
    int sub = stage_client(&stage, 0, CONNECT_5);
    stage_send(sub, "82 ?? 00 01 00 00 0A '$share/g/t' 01");
    CU_ASSERT(stage_expect(sub, "90 04 00 01 00 9E"));
    close(sub);
    stage_stop(&stage);
}

static void
unsubscribing_ends_delivery(void)
{
    struct stage stage;
    stage_init(&stage, 1);
    stage_start(&stage);
    int sub = stage_client(&stage, 0, CONNECT_5), keep = stage_client(&stage, 0, CONNECT_5_PERSISTENT);
    stage_send(sub, "82 07 00 01 00 00 01 't' 00");
    CU_ASSERT(stage_expect(sub, "90 04 00 01 00 00"));
    stage_send(sub, "A2 ?? 00 02 00 00 01 't' 00 01 'u'");
    CU_ASSERT(stage_expect(sub, "B0 05 00 02 00 00 11"));
    CU_ASSERT(fake_hub_wait(&stage.hub, POST_FILTER_REMOVE, 1));
    stage_send(sub, "30 05 00 01 't' 00 'x'");
    CU_ASSERT(stage_ping(sub));
    stage_send(keep, "A2 ?? 00 02 00 00 01 't'");
    CU_ASSERT(stage_expect(keep, "B0 04 00 02 00 00"));
    CU_ASSERT_EQUAL(fake_hub_count(&stage.hub, POST_UNSUBSCRIBE), 1);
    close(sub);
    close(keep);
    stage_stop(&stage);
}

static void
hold_stops_reading_publishers_only(void)
{
    struct stage stage;
    stage_init(&stage, 1);
    stage_start(&stage);
    int pub = stage_client(&stage, 0, CONNECT_311), idle = stage_client(&stage, 0, CONNECT_311);
    stage_send(idle, "82 06 00 01 00 01 't' 00");
    CU_ASSERT(stage_expect(idle, "90 03 00 01 00"));
    tell(&stage, (struct post){.kind = POST_HOLD, .flags = 1});
    CU_ASSERT(stage_ping(idle));
    stage_send(pub, "30 04 00 01 't' 'x'"); /* handled, and then it is not read any more */
    CU_ASSERT(stage_expect(idle, "30 04 00 01 't' 'x'"));
    stage_send(pub, "30 04 00 01 't' 'y'");
    CU_ASSERT(stage_ping(idle) && stage_ping(idle));
    tell(&stage, (struct post){.kind = POST_HOLD, .flags = 0});
    CU_ASSERT(stage_expect(idle, "30 04 00 01 't' 'y'"));
    close(pub);
    close(idle);
    stage_stop(&stage);
}

static void
draining_closes_everybody_and_says_so(void)
{
    struct stage stage;
    stage_init(&stage, 1);
    stage_start(&stage);
    int fds[5];
    for (int i = 0; i < 5; i++)
        fds[i] = stage_client(&stage, 0, CONNECT_5);
    tell(&stage, (struct post){.kind = POST_DRAIN, .aux = 100});
    for (int i = 0; i < 5; i++) {
        CU_ASSERT_EQUAL(stage_farewell(fds[i]), 0xE08B);
        close(fds[i]);
    }
    CU_ASSERT(fake_hub_wait(&stage.hub, POST_DRAINED, 1));
    CU_ASSERT_EQUAL(fake_hub_count(&stage.hub, POST_CLOSE), 5);
    stage_stop(&stage);
}

static void
sessions_are_announced_to_a_store_that_came_back(void)
{
    struct stage stage;
    stage_init(&stage, 1);
    stage_start(&stage);
    int one = stage_client(&stage, 0, CONNECT_5_PERSISTENT), two = stage_client(&stage, 0, CONNECT_311);
    tell(&stage, (struct post){.kind = POST_ANNOUNCE, .a = 3});
    CU_ASSERT(fake_hub_wait(&stage.hub, POST_ANNOUNCEMENT, 3));
    CU_ASSERT_EQUAL(fake_hub_last(&stage.hub, POST_ANNOUNCEMENT).a, 3);
    CU_ASSERT_EQUAL(fake_hub_last(&stage.hub, POST_ANNOUNCEMENT).conn, 0);
    close(one);
    close(two);
    stage_stop(&stage);
}

static void
a_lapsed_lease_ends_clean_sessions_that_may_have_missed_something(void)
{
    struct stage stage;
    stage_init(&stage, 1);
    stage_start(&stage);
    int qos1 = stage_client(&stage, 0, CONNECT_5), qos0 = stage_client(&stage, 0, CONNECT_5);
    int keep = stage_client(&stage, 0, CONNECT_5_PERSISTENT);
    stage_send(qos1, "82 07 00 01 00 00 01 't' 01");
    CU_ASSERT(stage_expect(qos1, "90 04 00 01 00 01"));
    stage_send(qos0, "82 07 00 01 00 00 01 't' 00");
    CU_ASSERT(stage_expect(qos0, "90 04 00 01 00 00"));
    stage_send(keep, "82 07 00 01 00 00 01 't' 01");
    CU_ASSERT(stage_expect(keep, "90 04 00 01 00 01"));
    tell(&stage, (struct post){.kind = POST_LAPSED, .aux = 1});
    CU_ASSERT_EQUAL(stage_farewell(qos1), 0xE08B);
    CU_ASSERT(stage_ping(qos0) && stage_ping(keep));
    close(qos1);
    close(qos0);
    close(keep);
    stage_stop(&stage);
}

static void
what_a_connect_says_reaches_the_store(void)
{
    struct stage stage;
    stage_init(&stage, 1);
    stage.options.session_expiry_max_s = 100;
    stage_start(&stage);
    int fd = stage_client(&stage, 0, "10 ?? 00 04 'MQTT' 05 EC 00 0A 08 11 00 00 10 00 21 00 05 00 01 'c'"
                                     "05 18 00 00 00 07 00 01 'w' 00 02 'by' 00 01 'u' 00 02 'pw'");
    pthread_mutex_lock(&stage.hub.lock);
    const struct session_open_request *open = stage.hub.last_open;
    CU_ASSERT(slice_equal_cstr(open->client_id, "c"));
    CU_ASSERT(slice_equal_cstr(open->user, "u"));
    CU_ASSERT(slice_equal_cstr(open->password, "pw"));
    CU_ASSERT_EQUAL(open->version, 5);
    CU_ASSERT_EQUAL(open->keep_alive_s, 10);
    CU_ASSERT_EQUAL(open->expiry_s, 100);
    CU_ASSERT_EQUAL(open->receive_maximum, 5);
    CU_ASSERT_FALSE(open->clean_start);
    CU_ASSERT_TRUE(open->has_will);
    CU_ASSERT_EQUAL(open->will.qos, 1);
    CU_ASSERT_TRUE(open->will.retain);
    CU_ASSERT_EQUAL(open->will.delay_s, 7);
    CU_ASSERT(slice_equal_cstr(open->will.topic, "w"));
    CU_ASSERT(slice_equal_cstr(open->will.payload, "by"));
    CU_ASSERT(strncmp(open->address, "127.0.0.1:", 10) == 0);
    pthread_mutex_unlock(&stage.hub.lock);
    close(fd);
    stage_stop(&stage);
}

static const struct cunit_case cases[] = {
    CUNIT_CASE(acknowledgements_wait_for_tokens_and_keep_their_order),
    CUNIT_CASE(without_a_valid_digest_the_hub_gets_every_acknowledged_publish),
    CUNIT_CASE(a_publish_goes_where_places_want_it),
    CUNIT_CASE(workers_deliver_to_each_others_clients),
    CUNIT_CASE(messages_of_the_hub_reach_clients),
    CUNIT_CASE(a_persistent_session_gets_its_queue_from_the_store),
    CUNIT_CASE(a_persistent_publisher_at_qos_2_goes_through_the_store),
    CUNIT_CASE(a_resumed_session_has_its_subscriptions_and_packet_ids),
    CUNIT_CASE(the_store_hears_how_a_connection_ended),
    CUNIT_CASE(a_session_opened_for_nobody_is_closed),
    CUNIT_CASE(a_kick_says_why_and_does_not_close_the_session),
    CUNIT_CASE(retained_messages_follow_suback_page_by_page),
    CUNIT_CASE(a_filter_that_fails_is_refused_and_undone),
    CUNIT_CASE(two_clients_wait_for_the_same_filter),
    CUNIT_CASE(shared_subscriptions_are_refused_for_now),
    CUNIT_CASE(unsubscribing_ends_delivery),
    CUNIT_CASE(hold_stops_reading_publishers_only),
    CUNIT_CASE(draining_closes_everybody_and_says_so),
    CUNIT_CASE(sessions_are_announced_to_a_store_that_came_back),
    CUNIT_CASE(a_lapsed_lease_ends_clean_sessions_that_may_have_missed_something),
    CUNIT_CASE(what_a_connect_says_reaches_the_store),
};
CUNIT_MAIN("worker_session", cases)
