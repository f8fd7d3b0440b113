/* SPDX-License-Identifier: Apache-2.0 */
/* What the hub tells a worker to do, and what it is told about connections that begin and end. */
#include "tests/unit/gateway/worker_stage.h"

#include "proto/feed_records.h"

static void
a_kick_says_why_and_the_store_hears_that_the_will_is_due(void)
{
    struct stage stage;
    stage_init(&stage, 1);
    stage_start(&stage);
    int fd = stage_client(&stage, 0, CONNECT_5_PERSISTENT);
    CU_ASSERT(fake_hub_wait(&stage.hub, POST_READY, 1));
    struct post ready = fake_hub_last(&stage.hub, POST_READY);
    stage_tell(&stage,
               (struct post){
                   .kind = POST_KICK, .conn = ready.conn, .a = ready.a + 5, .b = 9, .flags = 0x8E});
    CU_ASSERT(stage_ping(fd)); /* somebody else's session */
    stage_tell(
        &stage,
        (struct post){
            .kind = POST_KICK, .conn = ready.conn, .a = ready.a, .b = ready.b, .flags = 0x8E});
    CU_ASSERT_EQUAL(stage_farewell(fd), 0xE08E);
    CU_ASSERT(fake_hub_wait(&stage.hub, POST_CLOSE, 1));
    struct post end = fake_hub_last(&stage.hub, POST_CLOSE);
    CU_ASSERT(end.a == ready.a && end.b == ready.b && end.flags == CLOSE_WILL);
    int old = stage_client(&stage, 0, CONNECT_311);
    stage_tell(&stage, (struct post){.kind = POST_KICK, .a = 2, .b = 1, .flags = 0x8E});
    CU_ASSERT(stage_is_closed(old));
    close(fd);
    close(old);
    int other = stage_client(&stage, 0, CONNECT_311);
    CU_ASSERT(stage_ping(other));
    CU_ASSERT_EQUAL(fake_hub_count(&stage.hub, POST_CLOSE), 2);
    close(other);
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
    stage_tell(&stage, (struct post){.kind = POST_HOLD, .flags = 1});
    CU_ASSERT(stage_ping(idle));
    stage_send(pub, "30 04 00 01 't' 'x'"); /* handled, and then it is not read any more */
    CU_ASSERT(stage_expect(idle, "30 04 00 01 't' 'x'"));
    stage_send(pub, "30 04 00 01 't' 'y'");
    CU_ASSERT(stage_ping(idle) && stage_ping(idle));
    stage_tell(&stage, (struct post){.kind = POST_HOLD, .flags = 0});
    CU_ASSERT(stage_expect(idle, "30 04 00 01 't' 'y'"));
    close(pub);
    close(idle);
    stage_stop(&stage);
}

static void
a_store_that_is_held_back_stops_the_qos_2_of_its_sessions_only(void)
{
    struct stage stage;
    stage_init(&stage, 1);
    stage_start(&stage);
    int pub = stage_client(&stage, 0, CONNECT_5_PERSISTENT);
    int idle = stage_client(&stage, 0, CONNECT_311);
    stage_tell(&stage, (struct post){.kind = POST_HOLD_STORES, .a = 2}); /* not its shard */
    stage_send(pub, "34 07 00 01 't' 00 01 00 'a'");                     /* QoS 2 */
    CU_ASSERT(fake_hub_wait(&stage.hub, POST_INBOUND_PUBLISH, 1));
    stage_tell(&stage, (struct post){.kind = POST_HOLD_STORES, .a = 3});
    CU_ASSERT(stage_ping(idle));
    stage_send(pub, "30 05 00 01 't' 00 'x'");       /* QoS 0 */
    stage_send(pub, "34 07 00 01 't' 00 02 00 'b'"); /* handled, and then it is not read any more */
    CU_ASSERT(fake_hub_wait(&stage.hub, POST_INBOUND_PUBLISH, 2));
    stage_send(pub, "34 07 00 01 't' 00 03 00 'c'");
    CU_ASSERT(stage_ping(idle) && stage_ping(idle));
    CU_ASSERT_EQUAL(fake_hub_count(&stage.hub, POST_INBOUND_PUBLISH), 2);
    stage_tell(&stage, (struct post){.kind = POST_HOLD_STORES, .a = 2});
    CU_ASSERT(fake_hub_wait(&stage.hub, POST_INBOUND_PUBLISH, 3));
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
    stage_tell(&stage, (struct post){.kind = POST_DRAIN, .aux = 100});
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
    int one = stage_client(&stage, 0, CONNECT_5_PERSISTENT),
        two = stage_client(&stage, 0, CONNECT_311);
    stage_tell(&stage, (struct post){.kind = POST_ANNOUNCE, .a = 3}); /* has none of them */
    CU_ASSERT(fake_hub_wait(&stage.hub, POST_ANNOUNCEMENT, 1));
    CU_ASSERT_EQUAL(fake_hub_last(&stage.hub, POST_ANNOUNCEMENT).a, 3);
    CU_ASSERT_EQUAL(fake_hub_last(&stage.hub, POST_ANNOUNCEMENT).conn, 0);
    stage_tell(&stage, (struct post){.kind = POST_ANNOUNCE, .a = 0});
    CU_ASSERT(fake_hub_wait(&stage.hub, POST_ANNOUNCEMENT, 4));
    CU_ASSERT_EQUAL(fake_hub_last(&stage.hub, POST_ANNOUNCEMENT).a, 0);
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
    stage_tell(&stage, (struct post){.kind = POST_LAPSED, .aux = 1});
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
    int fd = stage_client(&stage, 0,
                          "10 ?? 00 04 'MQTT' 05 EC 00 0A 08 11 00 00 10 00 21 00 05 00 01 'c'"
                          "05 18 00 00 00 07 00 01 'w' 00 02 'by' 00 01 'u' 00 02 'pw'");
    pthread_mutex_lock(&stage.hub.lock);
    const struct session_open_request *open = stage.hub.last_open;
    CU_ASSERT(slice_equal_cstr(open->client_id, "c"));
    CU_ASSERT(slice_equal_cstr(open->user, "u"));
    CU_ASSERT(slice_equal_cstr(stage.hub.last_sign_in->user, "u"));
    CU_ASSERT(slice_equal_cstr(stage.hub.last_sign_in->password, "pw"));
    CU_ASSERT_FALSE(stage.hub.last_sign_in->verified);
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
    stage_mute(&stage, POST_OPEN, true);
    int fd = stage_dial(&stage, 0);
    stage_send(fd, CONNECT_311);
    CU_ASSERT(fake_hub_wait(&stage.hub, POST_OPEN, 1));
    struct post open = fake_hub_last(&stage.hub, POST_OPEN);
    close(fd);
    struct session_opened opened = {.session = 77, .epoch = 3};
    /* The handle of a connection that never was: the next generation. */
    stage_tell(&stage, (struct post){.kind = POST_OPENED,
                                     .conn = open.conn + (UINT64_C(1) << 32),
                                     .body = session_opened_new(&opened)});
    CU_ASSERT(fake_hub_wait(&stage.hub, POST_CLOSE, 1));
    CU_ASSERT_EQUAL(fake_hub_last(&stage.hub, POST_CLOSE).a, 77);
    stage_stop(&stage);
}

static const struct cunit_case cases[] = {
    CUNIT_CASE(a_kick_says_why_and_the_store_hears_that_the_will_is_due),
    CUNIT_CASE(hold_stops_reading_publishers_only),
    CUNIT_CASE(a_store_that_is_held_back_stops_the_qos_2_of_its_sessions_only),
    CUNIT_CASE(draining_closes_everybody_and_says_so),
    CUNIT_CASE(sessions_are_announced_to_a_store_that_came_back),
    CUNIT_CASE(a_lapsed_lease_ends_clean_sessions_that_may_have_missed_something),
    CUNIT_CASE(what_a_connect_says_reaches_the_store),
    CUNIT_CASE(the_store_hears_how_a_connection_ended),
    CUNIT_CASE(a_session_opened_for_nobody_is_closed),
};
CUNIT_MAIN("worker_hub", cases)
