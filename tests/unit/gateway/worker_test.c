/* SPDX-License-Identifier: Apache-2.0 */
/* Workers as clients see them: connecting, publishing, subscribing, and what breaks the rules. */
#include "tests/unit/gateway/worker_stage.h"

#include "proto/feed_records.h"

static void
every_version_is_welcome(void)
{
    struct stage stage;
    stage_init(&stage, 1);
    stage_start(&stage);
    int v31 = stage_dial(&stage, 0), v311 = stage_dial(&stage, 0), v5 = stage_dial(&stage, 0);
    stage_send(v31, CONNECT_31);
    CU_ASSERT(stage_expect(v31, "20 02 00 00"));
    stage_send(v311, CONNECT_311);
    CU_ASSERT(stage_expect(v311, "20 02 00 00"));
    stage_send(v5, CONNECT_5);
    /* Receive Maximum 1024, Topic Alias Maximum 16, Maximum Packet Size, no shared subscriptions */
    uint8_t head[2], body[64];
    CU_ASSERT_EQUAL(stage_read(v5, head, 2), 2);
    CU_ASSERT_EQUAL(head[0], 0x20);
    CU_ASSERT_EQUAL(stage_read(v5, body, head[1]), head[1]);
    CU_ASSERT_EQUAL(body[0], 0);
    CU_ASSERT_EQUAL(body[1], 0);
    CU_ASSERT_EQUAL(body[2], head[1] - 3);
    CU_ASSERT(stage_ping(v31) && stage_ping(v311) && stage_ping(v5));
    close(v31);
    close(v311);
    close(v5);
    stage_stop(&stage);
}

static void
a_client_without_an_id_is_given_one(void)
{
    struct stage stage;
    stage_init(&stage, 1);
    stage.options.receive_maximum = 65535;
    stage.options.topic_alias_maximum = 0;
    stage_start(&stage);
    int fd = stage_dial(&stage, 0);
    stage_send(fd, "10 ?? 00 04 'MQTT' 05 02 00 3C 00 00 00");
    uint8_t got[64];
    CU_ASSERT_EQUAL(stage_read(fd, got, 2), 2);
    size_t n = stage_read(fd, got + 2, got[1]);
    bool found = false;
    for (size_t i = 2; i + 13 <= n + 2; i++)
        found |= memcmp(got + i,
                        "\x12\x00\x0A"
                        "assigned-1",
                        13) == 0;
    CU_ASSERT_TRUE(found);
    close(fd);
    stage_stop(&stage);
}

static void
the_store_may_refuse(void)
{
    static const struct {
        const char *connect;
        uint8_t reason;
        const char *answer;
    } rows[] = {
        {CONNECT_311, 0x86, "20 02 00 04"},
        {CONNECT_311, 0x87, "20 02 00 05"},
        {CONNECT_311, 0x88, "20 02 00 03"},
        {CONNECT_31, 0x85, "20 02 00 02"},
        {CONNECT_5, 0x87, "20 ?? 00 87 11 1F 00 0E 'not authorized'"},
        {CONNECT_5, 0x89, "20 ?? 00 89 0E 1F 00 0B 'server busy'"},
        /* overtaken before it was there: CONNACK may not carry 0x8E */
        {CONNECT_5, 0x8E, "20 ?? 00 80 14 1F 00 11 'unspecified error'"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct stage stage;
        stage_init(&stage, 1);
        stage.hub.open_reason = rows[i].reason;
        stage_start(&stage);
        int fd = stage_dial(&stage, 0);
        stage_send(fd, rows[i].connect);
        CU_ASSERT(stage_expect(fd, rows[i].answer));
        CU_ASSERT(stage_is_closed(fd));
        close(fd);
        stage_stop(&stage);
    }
}

static void
connects_that_break_the_rules_are_refused(void)
{
    static const struct {
        const char *bytes;
        unsigned answer; /* type and reason of the packet before the end; 0: none */
    } rows[] = {
        {"10 ?? 00 04 'MQTT' 06 02 00 3C 00 01 'a'", 0x2084},
        {"10 ?? 00 04 'MQTT' 04 00 00 3C 00 00", 0x2002}, /* no id, no clean session */
        {"10 ?? 00 04 'MQTT' 04 03 00 3C 00 01 'a'", 0},  /* reserved flag */
        {"C0 00", 0},                                     /* not CONNECT */
        {"30 03 00 01 'a'", 0},
        {"00 00", 0},
        {"10 FF FF FF FF 01", 0},
        {"10 ?? 00 04 'MQTT' 05 02 00 3C 06 15 00 03 'abc' 00 01 'a'", 0x208C},
        {"'GET / HTTP/1.1'", 0},
    };
    struct stage stage;
    stage_init(&stage, 1);
    stage_start(&stage);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        int fd = stage_dial(&stage, 0);
        stage_send(fd, rows[i].bytes);
        CU_ASSERT_EQUAL(stage_farewell(fd), rows[i].answer);
        close(fd);
    }
    stage_stop(&stage);
}

static void
a_connection_that_never_speaks_is_closed(void)
{
    struct stage stage;
    stage_init(&stage, 1);
    stage.options.connect_timeout_ms = 60;
    stage_start(&stage);
    int fd = stage_dial(&stage, 0);
    CU_ASSERT(stage_is_closed(fd));
    close(fd);
    stage_stop(&stage);
}

static void
packets_after_connect_wait_for_the_welcome(void)
{
    struct stage stage;
    stage_init(&stage, 1);
    stage_start(&stage);
    int fd = stage_dial(&stage, 0);
    stage_send(fd, CONNECT_311 "");
    stage_send(fd, "82 06 00 01 00 01 't' 00 30 04 00 01 't' 'x' C0 00");
    CU_ASSERT(stage_expect(fd, "20 02 00 00"));
    uint8_t got[5 + 6 + 2];
    CU_ASSERT_EQUAL(stage_read(fd, got, sizeof(got)),
                    sizeof(got)); /* SUBACK may come after the message */
    close(fd);
    stage_stop(&stage);
}

static void
any_split_of_packets_is_the_same(void)
{
    struct stage stage;
    struct mqtt_hex bytes;
    stage_init(&stage, 1);
    stage_start(&stage);
    int fd = stage_dial(&stage, 0);
    struct slice s =
        mqtt_hex_parse(&bytes, "10 0D 00 04 'MQTT' 04 02 00 3C 00 01 'a'"
                               "82 06 00 01 00 01 't' 01 32 08 00 01 't' 00 07 'abc' C0 00");
    for (size_t i = 0; i < s.len; i++) {
        if (send(fd, s.data + i, 1, MSG_NOSIGNAL) != 1) {
            CU_FAIL("not sent");
        }
        if (i % 3 == 0)
            usleep(1000); /* so that reads really are split */
    }
    CU_ASSERT(stage_expect(fd, "20 02 00 00"));
    uint8_t got[5 + 10 + 4 + 2];
    CU_ASSERT_EQUAL(stage_read(fd, got, sizeof(got)), sizeof(got));
    close(fd);
    stage_stop(&stage);
}

static void
each_quality_of_service_is_delivered(void)
{
    struct stage stage;
    stage_init(&stage, 1);
    stage_start(&stage);
    int sub = stage_client(&stage, 0, CONNECT_311);
    int pub = stage_client(&stage, 0, CONNECT_311);
    stage_send(sub, "82 06 00 01 00 01 't' 02");
    CU_ASSERT(stage_expect(sub, "90 03 00 01 02"));
    stage_send(pub, "30 05 00 01 't' 'hi'");
    CU_ASSERT(stage_expect(sub, "30 05 00 01 't' 'hi'"));
    stage_send(pub, "32 07 00 01 't' 00 09 'hi'");
    CU_ASSERT(stage_expect(pub, "40 02 00 09"));
    CU_ASSERT(stage_expect(sub, "32 07 00 01 't' 00 01 'hi'"));
    stage_send(sub, "40 02 00 01");
    stage_send(pub, "34 07 00 01 't' 00 0A 'hi'");
    CU_ASSERT(stage_expect(pub, "50 02 00 0A"));
    stage_send(pub, "3C 07 00 01 't' 00 0A 'hi'"); /* again: not delivered again */
    CU_ASSERT(stage_expect(pub, "50 02 00 0A"));
    stage_send(pub, "62 02 00 0A");
    CU_ASSERT(stage_expect(pub, "70 02 00 0A"));
    CU_ASSERT(stage_expect(sub, "34 07 00 01 't' 00 02 'hi'"));
    stage_send(sub, "50 02 00 02");
    CU_ASSERT(stage_expect(sub, "62 02 00 02"));
    stage_send(sub, "70 02 00 02");
    CU_ASSERT(stage_ping(sub));
    CU_ASSERT_EQUAL(fake_hub_count(&stage.hub, POST_PUBLISH), 0); /* nobody elsewhere wants it */
    close(sub);
    close(pub);
    stage_stop(&stage);
}

static void
overlapping_filters_deliver_once_with_all_identifiers(void)
{
    struct stage stage;
    stage_init(&stage, 1);
    stage_start(&stage);
    int sub = stage_client(&stage, 0, CONNECT_5);
    stage_send(sub, "82 09 00 01 02 0B 05 00 01 't' 00");
    CU_ASSERT(stage_expect(sub, "90 04 00 01 00 00"));
    stage_send(sub, "82 09 00 02 02 0B 07 00 01 '#' 01");
    CU_ASSERT(stage_expect(sub, "90 04 00 02 00 01"));
    int pub = stage_client(&stage, 0, CONNECT_311);
    stage_send(pub, "32 07 00 01 't' 00 09 'hi'");
    uint8_t got[14];
    CU_ASSERT_EQUAL(stage_read(sub, got, sizeof(got)), sizeof(got));
    CU_ASSERT_EQUAL(got[0], 0x32);
    CU_ASSERT_EQUAL(got[1], 12);
    CU_ASSERT_EQUAL(got[7], 4); /* properties: two identifiers in any order */
    CU_ASSERT_EQUAL(got[8] + got[10], 0x16);
    CU_ASSERT_EQUAL(got[9] + got[11], 12);
    CU_ASSERT(stage_ping(sub));
    close(sub);
    close(pub);
    stage_stop(&stage);
}

static void
no_local_and_retain_as_published_are_kept(void)
{
    struct stage stage;
    stage_init(&stage, 1);
    stage_start(&stage);
    int one = stage_client(&stage, 0, CONNECT_5);
    int two = stage_client(&stage, 0, CONNECT_5);
    stage_send(one, "82 07 00 01 00 00 01 't' 24"); /* no local, retain handling 2 */
    CU_ASSERT(stage_expect(one, "90 04 00 01 00 00"));
    stage_send(two, "82 07 00 01 00 00 01 't' 28"); /* retain as published, handling 2 */
    CU_ASSERT(stage_expect(two, "90 04 00 01 00 00"));
    stage_send(one, "31 06 00 01 't' 00 'hi'");
    CU_ASSERT(stage_expect(two, "31 06 00 01 't' 00 'hi'"));
    CU_ASSERT(stage_ping(one)); /* nothing came before */
    stage_send(two, "31 06 00 01 't' 00 'hi'");
    CU_ASSERT(stage_expect(one, "30 06 00 01 't' 00 'hi'"));
    CU_ASSERT_EQUAL(fake_hub_count(&stage.hub, POST_RETAINED_GET), 0);
    CU_ASSERT(fake_hub_wait(&stage.hub, POST_PUBLISH, 2)); /* retained: the store wants it */
    close(one);
    close(two);
    stage_stop(&stage);
}

static void
aliases_stand_for_topics(void)
{
    struct stage stage;
    stage_init(&stage, 1);
    stage_start(&stage);
    int sub = stage_client(&stage, 0, CONNECT_311);
    int pub = stage_client(&stage, 0, CONNECT_5);
    stage_send(sub, "82 06 00 01 00 01 't' 00");
    CU_ASSERT(stage_expect(sub, "90 03 00 01 00"));
    stage_send(pub, "30 09 00 01 't' 03 23 00 10 'hi'");
    CU_ASSERT(stage_expect(sub, "30 05 00 01 't' 'hi'"));
    stage_send(pub, "30 08 00 00 03 23 00 10 'ho'");
    CU_ASSERT(stage_expect(sub, "30 05 00 01 't' 'ho'"));
    stage_send(pub, "30 08 00 00 03 23 00 11 'ho'");
    CU_ASSERT(stage_expect(pub, "E0 ?? 94 16 1F 00 13 'topic alias invalid'"));
    CU_ASSERT(stage_is_closed(pub));
    pub = stage_client(&stage, 0, CONNECT_5);
    stage_send(pub, "30 08 00 00 03 23 00 01 'ho'"); /* never set on this connection */
    CU_ASSERT_EQUAL(stage_farewell(pub), 0xE082);
    close(sub);
    close(pub);
    stage_stop(&stage);
}

static void
properties_are_forwarded_and_expiry_counts_down(void)
{
    struct stage stage;
    stage_init(&stage, 1);
    stage_start(&stage);
    int sub = stage_client(&stage, 0, CONNECT_5);
    int pub = stage_client(&stage, 0, CONNECT_5);
    stage_send(sub, "82 07 00 01 00 00 01 't' 00");
    CU_ASSERT(stage_expect(sub, "90 04 00 01 00 00"));
    stage_send(pub, "30 ?? 00 01 't' 11 01 01 02 00 00 00 64 26 00 01 'k' 00 01 'v' 23 00 01 'x'");
    uint8_t got[64];
    CU_ASSERT_EQUAL(stage_read(sub, got, 2), 2);
    CU_ASSERT_EQUAL(stage_read(sub, got + 2, got[1]), got[1]);
    CU_ASSERT_EQUAL(got[1], 3 + 1 + 14 + 1);
    bool has_user = false, has_expiry = false;
    for (size_t i = 5; i < 20; i++) {
        has_user |= memcmp(got + i, "\x26\x00\x01k\x00\x01v", 7) == 0;
        has_expiry |= got[i] == 2 && got[i + 1] == 0 && got[i + 2] == 0 && got[i + 3] == 0 &&
                      (got[i + 4] == 0x64 || got[i + 4] == 0x63);
    }
    CU_ASSERT(has_user);
    CU_ASSERT(has_expiry);
    close(sub);
    close(pub);
    stage_stop(&stage);
}

static void
the_clients_receive_maximum_is_kept(void)
{
    struct stage stage;
    stage_init(&stage, 1);
    stage_start(&stage);
    int sub = stage_client(&stage, 0, "10 ?? 00 04 'MQTT' 05 02 00 3C 03 21 00 02 00 01 'a'");
    int pub = stage_client(&stage, 0, CONNECT_311);
    stage_send(sub, "82 07 00 01 00 00 01 't' 01");
    CU_ASSERT(stage_expect(sub, "90 04 00 01 00 01"));
    for (int i = 0; i < 4; i++)
        stage_send(pub, "32 06 00 01 't' 00 09 'x'");
    CU_ASSERT(stage_expect(pub, "40 02 00 09 40 02 00 09 40 02 00 09 40 02 00 09"));
    CU_ASSERT(stage_expect(sub, "32 07 00 01 't' 00 01 00 'x' 32 07 00 01 't' 00 02 00 'x'"));
    CU_ASSERT(stage_ping(sub)); /* the third waits */
    stage_send(sub, "40 02 00 02");
    CU_ASSERT(stage_expect(sub, "32 07 00 01 't' 00 03 00 'x'"));
    stage_send(sub, "40 02 00 01 40 02 00 03");
    CU_ASSERT(stage_expect(sub, "32 07 00 01 't' 00 04 00 'x'"));
    close(sub);
    close(pub);
    stage_stop(&stage);
}

static void
a_client_over_our_receive_maximum_is_told(void)
{
    struct stage stage;
    stage_init(&stage, 1);
    stage.options.receive_maximum = 2;
    stage_start(&stage);
    int pub = stage_client(&stage, 0, CONNECT_5);
    stage_send(pub, "34 07 00 01 't' 00 01 00 'x' 34 07 00 01 't' 00 02 00 'x'");
    CU_ASSERT(stage_expect(pub, "50 03 00 01 10 50 03 00 02 10"));
    stage_send(pub, "34 07 00 01 't' 00 03 00 'x'");
    CU_ASSERT_EQUAL(stage_farewell(pub), 0xE093);
    close(pub);
    stage_stop(&stage);
}

static void
violations_end_the_connection_with_a_reason(void)
{
    static const struct {
        const char *packet;
        unsigned answer;
    } rows[] = {
        {CONNECT_5, 0xE082},                      /* a second CONNECT */
        {"36 07 00 01 't' 00 01 00 'x'", 0xE081}, /* QoS 3 */
        {"20 02 00 00", 0xE082},                  /* a server's packet */
        {"30 05 00 01 '#' 00 'x'", 0xE090},
        {"32 07 00 01 't' 00 00 00 'x'", 0xE082}, /* packet id 0 */
        {"82 03 00 01 00", 0xE082},               /* no filter */
        {"F0 00", 0xE082},
        {"F0 ?? 19 06 15 00 03 'abc'", 0xE082},
        {"30 FF FF FF 7F", 0xE095},
    };
    struct stage stage;
    stage_init(&stage, 1);
    stage_start(&stage);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        int fd = stage_client(&stage, 0, CONNECT_5);
        stage_send(fd, rows[i].packet);
        unsigned answer = stage_farewell(fd);
        if (answer != rows[i].answer)
            fprintf(stderr, "row %zu: %04x\n", i, answer);
        CU_ASSERT_EQUAL(answer, rows[i].answer);
        close(fd);
        fd = stage_client(&stage, 0, CONNECT_311);
        stage_send(fd, rows[i].packet);
        CU_ASSERT(stage_is_closed(fd) || i == 4);
        close(fd);
    }
    stage_stop(&stage);
}

static void
sys_topics_are_the_brokers_own(void)
{
    struct stage stage;
    stage_init(&stage, 1);
    stage_start(&stage);
    int sub = stage_client(&stage, 0, CONNECT_5);
    stage_send(sub, "82 0C 00 01 00 00 06 '$SYS/#' 01");
    CU_ASSERT(stage_expect(sub, "90 04 00 01 00 01"));
    stage_send(sub, "32 0C 00 06 '$SYS/x' 00 07 00 'x'");
    CU_ASSERT(stage_expect(sub, "40 03 00 07 87"));
    CU_ASSERT(stage_ping(sub));
    close(sub);
    stage_stop(&stage);
}

static void
a_packet_above_the_clients_maximum_is_left_out(void)
{
    struct stage stage;
    stage_init(&stage, 1);
    stage_start(&stage);
    int sub = stage_client(&stage, 0, "10 ?? 00 04 'MQTT' 05 02 00 3C 05 27 00 00 00 64 00 01 'a'");
    int pub = stage_client(&stage, 0, CONNECT_311);
    stage_send(sub, "82 07 00 01 00 00 01 't' 01");
    CU_ASSERT(stage_expect(sub, "90 04 00 01 00 01"));
    uint8_t big[2 + 3 + 2 + 120] = {0x32, 3 + 2 + 120, 0, 1, 't', 0, 5};
    CU_ASSERT_EQUAL(send(pub, big, sizeof(big), 0), (ssize_t)sizeof(big));
    CU_ASSERT(stage_expect(pub, "40 02 00 05"));
    stage_send(pub, "32 06 00 01 't' 00 06 'x'");
    CU_ASSERT(stage_expect(sub, "32 07 00 01 't' 00"));
    uint8_t rest[3];
    CU_ASSERT_EQUAL(stage_read(sub, rest, 3), 3);
    CU_ASSERT_EQUAL(rest[2], 'x');
    close(sub);
    close(pub);
    stage_stop(&stage);
}

static void
large_payloads_arrive_whole(void)
{
    enum { N = 900000 };
    struct stage stage;
    stage_init(&stage, 2);
    stage_start(&stage);
    int here = stage_client(&stage, 0, CONNECT_311), there = stage_client(&stage, 1, CONNECT_311);
    int pub = stage_client(&stage, 0, CONNECT_311);
    stage_send(here, "82 06 00 01 00 01 't' 00");
    CU_ASSERT(stage_expect(here, "90 03 00 01 00"));
    stage_send(there, "82 06 00 01 00 01 't' 00");
    CU_ASSERT(stage_expect(there, "90 03 00 01 00"));
    CU_ASSERT(fake_hub_wait(&stage.hub, POST_PLACE_ACK, 1));
    uint8_t *packet = malloc(N + 7), *got = malloc(N + 7);
    uint8_t head[7] = {0x30,
                       (uint8_t)((N + 3) % 128 | 128),
                       (uint8_t)((N + 3) / 128 % 128 | 128),
                       (uint8_t)((N + 3) / 16384),
                       0,
                       1,
                       't'};
    memcpy(packet, head, 7);
    for (size_t i = 0; i < N; i++)
        packet[7 + i] = (uint8_t)(i * 31 >> 3);
    for (int round = 0; round < 3; round++) {
        for (size_t at = 0; at < N + 7;) {
            ssize_t n = send(pub, packet + at, N + 7 - at, 0);
            if (n <= 0) {
                CU_FAIL_FATAL("not sent");
            }
            at += (size_t)n;
        }
        CU_ASSERT_EQUAL(stage_read(here, got, N + 7), N + 7);
        CU_ASSERT_EQUAL(memcmp(got, packet, N + 7), 0);
        CU_ASSERT_EQUAL(stage_read(there, got, N + 7), N + 7);
        CU_ASSERT_EQUAL(memcmp(got, packet, N + 7), 0);
    }
    free(packet);
    free(got);
    close(here);
    close(there);
    close(pub);
    stage_stop(&stage);
}

static const struct cunit_case cases[] = {
    CUNIT_CASE(every_version_is_welcome),
    CUNIT_CASE(a_client_without_an_id_is_given_one),
    CUNIT_CASE(the_store_may_refuse),
    CUNIT_CASE(connects_that_break_the_rules_are_refused),
    CUNIT_CASE(a_connection_that_never_speaks_is_closed),
    CUNIT_CASE(packets_after_connect_wait_for_the_welcome),
    CUNIT_CASE(any_split_of_packets_is_the_same),
    CUNIT_CASE(each_quality_of_service_is_delivered),
    CUNIT_CASE(overlapping_filters_deliver_once_with_all_identifiers),
    CUNIT_CASE(no_local_and_retain_as_published_are_kept),
    CUNIT_CASE(aliases_stand_for_topics),
    CUNIT_CASE(properties_are_forwarded_and_expiry_counts_down),
    CUNIT_CASE(the_clients_receive_maximum_is_kept),
    CUNIT_CASE(a_client_over_our_receive_maximum_is_told),
    CUNIT_CASE(violations_end_the_connection_with_a_reason),
    CUNIT_CASE(sys_topics_are_the_brokers_own),
    CUNIT_CASE(a_packet_above_the_clients_maximum_is_left_out),
    CUNIT_CASE(large_payloads_arrive_whole),
};
CUNIT_MAIN("worker", cases)
