/* SPDX-License-Identifier: Apache-2.0 */
/* Workers and the hub: persistent sessions, the acknowledgement contract, subscriptions across
 * workers, and what the hub may tell a worker to do. */
#include "common/clock.h"
#include "proto/mqtt_varint.h"
#include "tests/unit/gateway/worker_stage.h"

#include "proto/feed_records.h"

static struct message *
sample(const char *topic, const char *payload, uint8_t qos)
{
    struct publish_record record = {
        .qos = qos, .topic = slice_cstr(topic), .payload = slice_cstr(payload)};
    return message_new(&record);
}

static void
acknowledgements_wait_for_tokens_and_keep_their_order(void)
{
    struct stage stage;
    stage_init(&stage, 1);
    stage_start(&stage);
    stage_mute(&stage, POST_PUBLISH, true);
    int pub = stage_client(&stage, 0, CONNECT_311);
    stage_send(pub,
               "33 06 00 01 't' 00 01 'x' 32 06 00 01 't' 00 02 'x' 35 06 00 01 't' 00 03 'x'");
    CU_ASSERT(fake_hub_wait(&stage.hub, POST_PUBLISH, 2));
    CU_ASSERT(stage_ping(pub)); /* no acknowledgement yet */
    struct post last = fake_hub_last(&stage.hub, POST_PUBLISH);
    CU_ASSERT_NOT_EQUAL(last.a, 0);
    stage_tell(&stage,
               (struct post){.kind = POST_TOKEN_DONE, .conn = last.conn, .a = last.a, .flags = 1});
    CU_ASSERT(stage_ping(pub)); /* the third is done, but not the first */
    stage_tell(&stage, (struct post){.kind = POST_TOKEN_DONE, .conn = last.conn, .a = last.a - 2});
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
    stage_tell(&stage, (struct post){.kind = POST_DIGEST_VALID, .flags = 0});
    CU_ASSERT(stage_ping(pub));
    stage_send(pub, "32 06 00 01 't' 00 01 'x' 30 04 00 01 't' 'x'");
    CU_ASSERT(stage_expect(pub, "40 02 00 01"));
    CU_ASSERT(stage_ping(pub));
    CU_ASSERT_EQUAL(fake_hub_count(&stage.hub, POST_PUBLISH), 1);
    close(pub);
    stage_stop(&stage);
}

static void
a_digest_that_has_run_out_counts_no_more(void)
{
    struct stage stage;
    stage_init(&stage, 1);
    stage_start(&stage);
    int pub = stage_client(&stage, 0, CONNECT_311);
    uint64_t until_ms = clock_monotonic_ms() + 100;
    stage_tell(&stage, (struct post){.kind = POST_DIGEST_VALID, .flags = 1, .a = until_ms});
    CU_ASSERT(stage_ping(pub));
    while (clock_monotonic_ms() < until_ms)
        CU_ASSERT(stage_ping(pub));
    stage_send(pub, "32 06 00 01 't' 00 01 'x'");
    CU_ASSERT(stage_expect(pub, "40 02 00 01"));
    CU_ASSERT_EQUAL(fake_hub_count(&stage.hub, POST_PUBLISH), 1);
    stage_tell(&stage, (struct post){.kind = POST_DIGEST_VALID, .flags = 1, .a = until_ms + 60000});
    CU_ASSERT(stage_ping(pub));
    stage_send(pub, "32 06 00 01 't' 00 02 'x'");
    CU_ASSERT(stage_expect(pub, "40 02 00 02"));
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
    stage_tell(&stage, (struct post){.kind = POST_PLACE_ADD,
                                     .a = 5,
                                     .flags = PLACE_REMOTE,
                                     .body = post_filter_new(slice_cstr("far/#"))});
    CU_ASSERT(fake_hub_wait(&stage.hub, POST_PLACE_ACK, 1));
    CU_ASSERT_EQUAL(fake_hub_last(&stage.hub, POST_PLACE_ACK).a, 5);
    stage_send(pub, "30 08 00 05 'far/x' 'y' 30 05 00 02 'no' 'y' C0 00");
    CU_ASSERT(stage_expect(pub, "D0 00"));
    CU_ASSERT(fake_hub_wait(&stage.hub, POST_PUBLISH, 1));
    stage_tell(&stage, (struct post){.kind = POST_PLACE_REMOVE,
                                     .a = 6,
                                     .flags = PLACE_REMOTE,
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
    stage_tell(&stage, (struct post){.kind = POST_MESSAGE, .body = sample("t", "hi", 1)});
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
    stage_tell(&stage, (struct post){.kind = POST_DELIVER,
                                     .conn = conn,
                                     .a = 9,
                                     .flags = 1,
                                     .body = delivery_new(sample("t", "x", 1), NULL, 0)});
    CU_ASSERT(stage_expect(sub, "32 06 00 01 't' 00 0A 'x'"));
    stage_send(sub, "40 02 00 0A");
    CU_ASSERT(fake_hub_wait(&stage.hub, POST_QUEUE_ACK, 1));
    CU_ASSERT_EQUAL(fake_hub_last(&stage.hub, POST_QUEUE_ACK).c, 9);
    stage_tell(&stage, (struct post){.kind = POST_DELIVER,
                                     .conn = conn,
                                     .a = 10,
                                     .flags = 2 | DELIVER_DUP | DELIVER_RETAIN,
                                     .body = delivery_new(sample("t", "x", 2), NULL, 0)});
    CU_ASSERT(stage_expect(sub, "3D 06 00 01 't' 00 0B 'x'"));
    stage_send(sub, "50 02 00 0B");
    CU_ASSERT(stage_expect(sub, "62 02 00 0B"));
    CU_ASSERT_EQUAL(fake_hub_count(&stage.hub, POST_QUEUE_REC), 1);
    stage_send(sub, "70 02 00 0B");
    CU_ASSERT(fake_hub_wait(&stage.hub, POST_QUEUE_ACK, 2));
    stage_tell(&stage, (struct post){.kind = POST_DELIVER,
                                     .conn = conn,
                                     .a = 11,
                                     .flags = 2 | DELIVER_REL,
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
    stage_mute(&stage, POST_INBOUND_PUBLISH, true);
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
    stage_tell(&stage, (struct post){.kind = POST_INBOUND_DONE, .conn = last.conn, .aux = 7});
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
connack_waits_until_the_resumed_filters_are_known_everywhere(void)
{
    struct stage stage;
    stage_init(&stage, 1);
    stage.hub.session_present = true;
    stage.hub.restored = (struct session_subscription){.filter = slice_cstr("t"), .qos = 1};
    stage_start(&stage);
    stage_mute(&stage, POST_FILTER_ADD, true);
    int fd = stage_dial(&stage, 0);
    stage_send(fd, CONNECT_311_PERSISTENT);
    stage_send(fd, "C0 00");
    CU_ASSERT(fake_hub_wait(&stage.hub, POST_FILTER_ADD, 1));
    uint64_t ticket = fake_hub_last(&stage.hub, POST_FILTER_ADD).a;
    stage_tell(&stage, (struct post){.kind = POST_PLACE_ADD,
                                     .a = 5,
                                     .flags = PLACE_REMOTE,
                                     .body = post_filter_new(slice_cstr("far/#"))});
    CU_ASSERT(fake_hub_wait(&stage.hub, POST_PLACE_ACK, 1)); /* the worker has gone round */
    uint8_t byte;
    CU_ASSERT(recv(fd, &byte, 1, MSG_DONTWAIT) < 0);
    CU_ASSERT_EQUAL(fake_hub_count(&stage.hub, POST_READY), 0);
    stage_tell(&stage, (struct post){.kind = POST_FILTER_READY, .a = ticket});
    CU_ASSERT(stage_expect(fd, "20 02 01 00 D0 00"));
    CU_ASSERT(fake_hub_wait(&stage.hub, POST_READY, 1));
    close(fd);
    stage_stop(&stage);
}

static void
connack_refuses_when_a_resumed_filter_cannot_be_made_known(void)
{
    struct stage stage;
    stage_init(&stage, 1);
    stage.hub.session_present = true;
    stage.hub.restored = (struct session_subscription){.filter = slice_cstr("t"), .qos = 1};
    stage.hub.filter_result = ERR_TIMEOUT;
    stage_start(&stage);
    int fd = stage_dial(&stage, 0);
    stage_send(fd, CONNECT_5_PERSISTENT);
    CU_ASSERT_EQUAL(stage_farewell(fd), 0x2088);
    CU_ASSERT(fake_hub_wait(&stage.hub, POST_CLOSE, 1));
    CU_ASSERT_EQUAL(fake_hub_last(&stage.hub, POST_CLOSE).flags, 0); /* it never was connected */
    CU_ASSERT(fake_hub_wait(&stage.hub, POST_FILTER_REMOVE, 1));
    CU_ASSERT_EQUAL(fake_hub_count(&stage.hub, POST_READY), 0);
    close(fd);
    stage_stop(&stage);
}

static void
a_store_that_comes_back_while_connack_waits_ends_the_connection(void)
{
    struct stage stage;
    stage_init(&stage, 1);
    stage.hub.session_present = true;
    stage.hub.restored = (struct session_subscription){.filter = slice_cstr("t"), .qos = 1};
    stage_start(&stage);
    stage_mute(&stage, POST_FILTER_ADD, true);
    int fd = stage_dial(&stage, 0);
    stage_send(fd, CONNECT_5_PERSISTENT);
    CU_ASSERT(fake_hub_wait(&stage.hub, POST_FILTER_ADD, 1));
    stage_tell(&stage, (struct post){.kind = POST_ANNOUNCE});
    CU_ASSERT_EQUAL(stage_farewell(fd), 0x2088);
    CU_ASSERT(fake_hub_wait(&stage.hub, POST_CLOSE, 1));
    CU_ASSERT_EQUAL(fake_hub_count(&stage.hub, POST_ANNOUNCEMENT), 1); /* the end of it */
    close(fd);
    stage_stop(&stage);
}

static void
a_release_without_answer_is_told_again_to_a_store_that_came_back(void)
{
    struct stage stage;
    stage_init(&stage, 1);
    stage_start(&stage);
    stage_mute(&stage, POST_INBOUND_RELEASE, true);
    int pub = stage_client(&stage, 0, CONNECT_311_PERSISTENT);
    stage_send(pub, "34 06 00 01 't' 00 07 'x'");
    CU_ASSERT(stage_expect(pub, "50 02 00 07"));
    stage_send(pub, "62 02 00 07 62 02 00 07");
    CU_ASSERT(fake_hub_wait(&stage.hub, POST_INBOUND_RELEASE, 1));
    CU_ASSERT(stage_ping(pub));
    stage_tell(&stage, (struct post){.kind = POST_ANNOUNCE});
    CU_ASSERT(fake_hub_wait(&stage.hub, POST_INBOUND_RELEASE, 2));
    struct post last = fake_hub_last(&stage.hub, POST_INBOUND_RELEASE);
    CU_ASSERT_EQUAL(last.aux, 7);
    /* both are answered in the end: one PUBCOMP, and a new use of the id stays untouched */
    struct post released = {.kind = POST_INBOUND_RELEASED, .conn = last.conn, .aux = 7};
    stage_tell(&stage, released);
    CU_ASSERT(stage_expect(pub, "70 02 00 07"));
    stage_mute(&stage, POST_INBOUND_PUBLISH, true);
    stage_send(pub, "34 06 00 01 't' 00 07 'y'");
    CU_ASSERT(fake_hub_wait(&stage.hub, POST_INBOUND_PUBLISH, 2));
    stage_tell(&stage, released);
    CU_ASSERT(stage_ping(pub));
    stage_tell(&stage, (struct post){.kind = POST_INBOUND_DONE, .conn = last.conn, .aux = 7});
    CU_ASSERT(stage_expect(pub, "50 02 00 07"));
    close(pub);
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
    CU_ASSERT(
        stage_expect(sub, "31 06 00 01 't' 'old' 31 06 00 01 't' 'old' 31 06 00 01 't' 'old'"));
    CU_ASSERT(stage_ping(sub));
    CU_ASSERT_EQUAL(fake_hub_count(&stage.hub, POST_RETAINED_GET), 3);
    close(sub);
    stage_stop(&stage);
}

/* SUBSCRIBE to one filter a thousand times; returns how many were granted. */
static unsigned
subscribe_again(int fd)
{
    enum { COUNT = 1000, SUBACK = 6 + COUNT };
    static const uint8_t head[] = {0x82, 0xA3, 0x1F, 0, 1, 0}, one[] = {0, 1, 't', 0};
    uint8_t packet[sizeof(head) + COUNT * sizeof(one)], answer[SUBACK] = {0};
    unsigned granted = 0;
    memcpy(packet, head, sizeof(head));
    for (size_t i = 0; i < COUNT; i++)
        memcpy(packet + sizeof(head) + i * sizeof(one), one, sizeof(one));
    CU_ASSERT_EQUAL(send(fd, packet, sizeof(packet), MSG_NOSIGNAL), (ssize_t)sizeof(packet));
    CU_ASSERT_EQUAL_FATAL(stage_read(fd, answer, SUBACK), SUBACK);
    CU_ASSERT(answer[0] == 0x90 && answer[4] == 1);
    for (size_t i = 6; i < SUBACK; i++) {
        CU_ASSERT(answer[i] == 0 || answer[i] == MQTT_QUOTA_EXCEEDED);
        granted += answer[i] == 0;
    }
    return granted;
}

static void
a_filter_asked_for_again_and_again_gathers_no_fetches_without_end(void)
{
    struct stage stage;
    stage_init(&stage, 1);
    stage_start(&stage);
    stage_mute(&stage, POST_RETAINED_GET, true);
    int sub = stage_client(&stage, 0, CONNECT_5);
    CU_ASSERT_EQUAL(subscribe_again(sub), 1000);
    unsigned granted = 0;
    for (int i = 0; i < 5; i++)
        granted += subscribe_again(sub);
    CU_ASSERT_EQUAL(granted, 4096 - 1000);
    stage_send(sub, "82 07 00 02 00 00 01 'u' 00"); /* another one */
    CU_ASSERT(stage_expect(sub, "90 04 00 02 00 00"));
    stage_send(sub, "A2 06 00 03 00 00 01 't'");
    CU_ASSERT(stage_expect(sub, "B0 04 00 03 00 00"));
    CU_ASSERT_EQUAL(subscribe_again(sub), 1000);
    close(sub);
    stage_stop(&stage);
}

/* SUBSCRIBE (or UNSUBSCRIBE) with one filter of so many letters; what is answered. */
static unsigned
subscribe_long(int fd, uint8_t first, char letter, uint16_t len)
{
    uint32_t left = len + (first == 0x82 ? 6u : 5u);
    uint8_t *packet = mem_zalloc(left + 5), *at = packet, answer[6] = {0};
    *at++ = first;
    at = mqtt_varint_put(at, left);
    buf_store_u16(at, 1);
    buf_store_u16(at + 3, len);
    memset(at + 5, letter, len); /* and QoS 0 */
    size_t size = (size_t)(at - packet) + left;
    CU_ASSERT_EQUAL(send(fd, packet, size, MSG_NOSIGNAL), (ssize_t)size);
    CU_ASSERT_EQUAL(stage_read(fd, answer, sizeof(answer)), sizeof(answer));
    mem_free(packet);
    return answer[5];
}

static void
long_filters_are_bounded_in_bytes(void)
{
    struct stage stage;
    stage_init(&stage, 1);
    stage.options.max_subscriptions = 10;
    stage_start(&stage);
    int sub = stage_client(&stage, 0, CONNECT_5);
    CU_ASSERT_EQUAL(subscribe_long(sub, 0x82, 'a', 60000), 0);
    CU_ASSERT_EQUAL(subscribe_long(sub, 0x82, 'b', 60000), 0);
    CU_ASSERT_EQUAL(subscribe_long(sub, 0x82, 'c', 60000), MQTT_QUOTA_EXCEEDED);
    CU_ASSERT_EQUAL(subscribe_long(sub, 0x82, 'b', 60000), 0); /* it has it already */
    CU_ASSERT_EQUAL(subscribe_long(sub, 0x82, 'c', 9000), 0);
    CU_ASSERT_EQUAL(subscribe_long(sub, 0xA2, 'a', 60000), 0);
    CU_ASSERT_EQUAL(subscribe_long(sub, 0x82, 'd', 60000), 0);
    close(sub);
    stage_stop(&stage);
}

/* Subscribes to one filter after the other until this is the answer. */
static bool
comes_to(int fd, unsigned reason)
{
    static uint16_t len = 100;
    for (int i = 0; i < 2000; i++) {
        unsigned got = subscribe_long(fd, 0x82, 'x', ++len);
        if (got == reason)
            return true;
        usleep(1000);
    }
    return false;
}

static void
nobody_subscribes_to_more_while_memory_is_full(void)
{
    struct stage stage;
    stage_init(&stage, 1);
    stage.options.memory_max = mem_used() + (64u << 20);
    stage_start(&stage);
    int sub = stage_client(&stage, 0, CONNECT_5);
    CU_ASSERT_EQUAL(subscribe_long(sub, 0x82, 'a', 10), 0);
    void *ballast = mem_alloc(128u << 20);
    CU_ASSERT_TRUE(comes_to(sub, MQTT_QUOTA_EXCEEDED));
    CU_ASSERT_EQUAL(subscribe_long(sub, 0x82, 'a', 10), 0); /* costs nothing */
    mem_free(ballast);
    CU_ASSERT_TRUE(comes_to(sub, 0));
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
    CU_ASSERT(stage_expect(sub, "90 04 00 01 00 83")); /* not now */
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
    stage_mute(&stage, POST_FILTER_ADD, true);
    int one = stage_client(&stage, 0, CONNECT_311), two = stage_client(&stage, 0, CONNECT_311);
    stage_send(one, "82 06 00 01 00 01 't' 00");
    CU_ASSERT(fake_hub_wait(&stage.hub, POST_FILTER_ADD, 1));
    stage_send(two, "82 06 00 02 00 01 't' 00");
    CU_ASSERT(stage_ping(two));
    CU_ASSERT_EQUAL(fake_hub_count(&stage.hub, POST_FILTER_ADD), 1);
    stage_tell(&stage, (struct post){.kind = POST_FILTER_READY,
                                     .a = fake_hub_last(&stage.hub, POST_FILTER_ADD).a});
    CU_ASSERT(stage_expect(one, "90 03 00 01 00"));
    CU_ASSERT(stage_expect(two, "90 03 00 02 00"));
    close(one);
    close(two);
    stage_stop(&stage);
}

static void
shared_subscriptions_are_granted(void)
{
    struct stage stage;
    stage_init(&stage, 1);
    stage_start(&stage);
    int sub = stage_client(&stage, 0, CONNECT_5);
    stage_send(sub, "82 ?? 00 01 00 00 0A '$share/g/t' 01");
    CU_ASSERT(stage_expect(sub, "90 04 00 01 00 01"));
    close(sub);
    stage_stop(&stage);
}

/* A client whose SUBACK has come and whose retained messages have not. */
static int
fetching_client(struct stage *stage, struct post *fetch)
{
    stage_mute(stage, POST_RETAINED_GET, true);
    int sub = stage_client(stage, 0, CONNECT_311);
    stage_send(sub, "82 06 00 01 00 01 '#' 00");
    CU_ASSERT(stage_expect(sub, "90 03 00 01 00"));
    CU_ASSERT(fake_hub_wait(&stage->hub, POST_RETAINED_GET, 1));
    *fetch = fake_hub_last(&stage->hub, POST_RETAINED_GET);
    return sub;
}

static void
answer_fetch(struct stage *stage, const struct post *fetch)
{
    struct message *list[2] = {sample("t", "old", 0), sample("u", "old", 0)};
    stage_tell(stage, (struct post){.kind = POST_RETAINED,
                                    .conn = fetch->conn,
                                    .a = fetch->a,
                                    .body = retained_answer_new(slice_of(NULL, 0), list, 2)});
}

static void
a_retained_message_does_not_follow_the_one_that_replaced_it(void)
{
    struct stage stage;
    struct post fetch;
    stage_init(&stage, 1);
    stage_start(&stage);
    int sub = fetching_client(&stage, &fetch);
    int pub = stage_client(&stage, 0, CONNECT_5);
    stage_send(pub, "31 07 00 01 't' 00 'new'"); /* retained: replaces */
    CU_ASSERT(stage_expect(sub, "30 06 00 01 't' 'new'"));
    stage_send(pub, "30 07 00 01 'u' 00 'now'"); /* replaces nothing */
    CU_ASSERT(stage_expect(sub, "30 06 00 01 'u' 'now'"));
    answer_fetch(&stage, &fetch);
    CU_ASSERT(stage_expect(sub, "31 06 00 01 'u' 'old'"));
    CU_ASSERT(stage_ping(sub));
    stage_send(sub, "82 06 00 02 00 01 '#' 00"); /* another subscription starts anew */
    CU_ASSERT(stage_expect(sub, "90 03 00 02 00"));
    CU_ASSERT(fake_hub_wait(&stage.hub, POST_RETAINED_GET, 2));
    fetch = fake_hub_last(&stage.hub, POST_RETAINED_GET);
    answer_fetch(&stage, &fetch);
    CU_ASSERT(stage_expect(sub, "31 06 00 01 't' 'old' 31 06 00 01 'u' 'old'"));
    close(sub);
    close(pub);
    stage_stop(&stage);
}

static void
unsubscribing_ends_what_is_fetched(void)
{
    struct stage stage;
    struct post fetch;
    stage_init(&stage, 1);
    stage_start(&stage);
    int sub = fetching_client(&stage, &fetch);
    stage_send(sub, "82 06 00 02 00 01 't' 00"); /* waits its turn */
    CU_ASSERT(stage_expect(sub, "90 03 00 02 00"));
    stage_send(sub, "A2 ?? 00 03 00 01 '#'");
    CU_ASSERT(stage_expect(sub, "B0 02 00 03"));
    CU_ASSERT(fake_hub_wait(&stage.hub, POST_RETAINED_GET, 2)); /* its turn */
    answer_fetch(&stage, &fetch);
    CU_ASSERT(stage_ping(sub));
    stage_send(sub, "A2 ?? 00 04 00 01 't'");
    CU_ASSERT(stage_expect(sub, "B0 02 00 04"));
    fetch = fake_hub_last(&stage.hub, POST_RETAINED_GET);
    answer_fetch(&stage, &fetch);
    CU_ASSERT(stage_ping(sub));
    close(sub);
    stage_stop(&stage);
}

static void
unsubscribing_ends_delivery(void)
{
    struct stage stage;
    stage_init(&stage, 1);
    stage_start(&stage);
    int sub = stage_client(&stage, 0, CONNECT_5),
        keep = stage_client(&stage, 0, CONNECT_5_PERSISTENT);
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

static const struct cunit_case cases[] = {
    CUNIT_CASE(acknowledgements_wait_for_tokens_and_keep_their_order),
    CUNIT_CASE(without_a_valid_digest_the_hub_gets_every_acknowledged_publish),
    CUNIT_CASE(a_digest_that_has_run_out_counts_no_more),
    CUNIT_CASE(a_publish_goes_where_places_want_it),
    CUNIT_CASE(workers_deliver_to_each_others_clients),
    CUNIT_CASE(messages_of_the_hub_reach_clients),
    CUNIT_CASE(a_persistent_session_gets_its_queue_from_the_store),
    CUNIT_CASE(a_persistent_publisher_at_qos_2_goes_through_the_store),
    CUNIT_CASE(a_resumed_session_has_its_subscriptions_and_packet_ids),
    CUNIT_CASE(connack_waits_until_the_resumed_filters_are_known_everywhere),
    CUNIT_CASE(connack_refuses_when_a_resumed_filter_cannot_be_made_known),
    CUNIT_CASE(a_store_that_comes_back_while_connack_waits_ends_the_connection),
    CUNIT_CASE(a_release_without_answer_is_told_again_to_a_store_that_came_back),
    CUNIT_CASE(retained_messages_follow_suback_page_by_page),
    CUNIT_CASE(a_filter_asked_for_again_and_again_gathers_no_fetches_without_end),
    CUNIT_CASE(long_filters_are_bounded_in_bytes),
    CUNIT_CASE(nobody_subscribes_to_more_while_memory_is_full),
    CUNIT_CASE(a_filter_that_fails_is_refused_and_undone),
    CUNIT_CASE(two_clients_wait_for_the_same_filter),
    CUNIT_CASE(shared_subscriptions_are_granted),
    CUNIT_CASE(a_retained_message_does_not_follow_the_one_that_replaced_it),
    CUNIT_CASE(unsubscribing_ends_what_is_fetched),
    CUNIT_CASE(unsubscribing_ends_delivery),
};
CUNIT_MAIN("worker_session", cases)
