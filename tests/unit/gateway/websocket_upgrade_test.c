/* SPDX-License-Identifier: Apache-2.0 */
/* The request that opens a WebSocket; more of them in tests/integration/websocket_test.py. */
#include "services/gateway/websocket_upgrade.h"

#include <string.h>

#include "tests/unit/cunit_main.h"

static const struct address nobody = {0};

/* The example of RFC 6455, 1.3, with protocols of ours. */
static const char example[] = "GET /chat HTTP/1.1\r\nHost: server.example.com\r\n"
                              "Upgrade: websocket\r\nConnection: Upgrade\r\n"
                              "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
                              "Origin: http://example.com\r\n"
                              "Sec-WebSocket-Protocol: chat, mqtt\r\n"
                              "Sec-WebSocket-Version: 13\r\n\r\n";

static unsigned
status_of(const char *text, const struct websocket_upgrade_options *options)
{
    static const struct websocket_upgrade_options any = {0};
    struct websocket_upgrade up;
    if (websocket_upgrade_decode(slice_cstr(text), options != NULL ? options : &any, &nobody,
                                 &up) != OK)
        return 0;
    CU_ASSERT(up.response_len == strlen(up.response) &&
              strstr(up.response, "\r\n\r\n") == up.response + up.response_len - 4);
    return up.status;
}

static void
the_example_of_the_standard_is_accepted(void)
{
    static const struct websocket_upgrade_options any = {0};
    struct websocket_upgrade up;
    char text[1024];
    CU_ASSERT_FATAL(str_format(text, sizeof(text), "%s\x82\x80", example) == OK);
    CU_ASSERT_FATAL(websocket_upgrade_decode(slice_cstr(text), &any, &nobody, &up) == OK);
    CU_ASSERT(up.status == 101 && up.head_len == strlen(example));
    CU_ASSERT_STRING_EQUAL(up.protocol, "mqtt");
    CU_ASSERT_STRING_EQUAL(up.response, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                                        "Connection: Upgrade\r\n"
                                        "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"
                                        "Sec-WebSocket-Protocol: mqtt\r\n\r\n");
}

static void
a_head_is_awaited_until_its_end_or_its_limit(void)
{
    static const struct websocket_upgrade_options any = {0};
    static uint8_t filler[WEBSOCKET_UPGRADE_HEAD_MAX + 10];
    struct websocket_upgrade up;
    for (size_t n = 0; n < strlen(example); n++)
        CU_ASSERT(websocket_upgrade_decode(slice_of(example, n), &any, &nobody, &up) == ERR_AGAIN);
    memset(filler, 'x', sizeof(filler));
    CU_ASSERT(websocket_upgrade_decode(slice_of(filler, WEBSOCKET_UPGRADE_HEAD_MAX - 1), &any,
                                       &nobody, &up) == ERR_AGAIN);
    CU_ASSERT(websocket_upgrade_decode(slice_of(filler, sizeof(filler)), &any, &nobody, &up) ==
                  OK &&
              up.status == 431);
}

static void
an_origin_must_be_on_the_list_if_there_is_one(void)
{
    char ours[] = "HTTP://Example.com", other[] = "http://example.org";
    char *const list[] = {other, ours}, *const foreign[] = {other};
    CU_ASSERT_EQUAL(
        status_of(example, &(struct websocket_upgrade_options){.origins = list, .origin_count = 2}),
        101);
    CU_ASSERT_EQUAL(status_of(example, &(struct websocket_upgrade_options){.origins = foreign,
                                                                           .origin_count = 1}),
                    403);
    CU_ASSERT_EQUAL(status_of(example, NULL), 101);
}

static void
a_stray_line_feed_is_refused_wherever_it_stands(void)
{
    char text[sizeof(example)];
    for (size_t i = 0; i < sizeof(example) - 5; i++) { /* the end stays, else it is awaited */
        if (example[i] == '\n')
            continue;
        memcpy(text, example, sizeof(text));
        text[i] = '\n';
        CU_ASSERT(status_of(text, NULL) >= 400);
    }
}

static void
the_last_address_that_is_no_proxy_is_the_client(void)
{
    static const struct {
        const char *headers, *client;
    } table[] = {
        {"", "10.0.0.9:5"},
        {"X-Forwarded-For: 192.0.2.1\r\n", "192.0.2.1"},
        {"x-forwarded-for: 192.0.2.1:4711\r\n", "192.0.2.1:4711"},
        {"X-Forwarded-For: [2001:db8::1]:80\r\n", "[2001:db8::1]:80"},
        {"X-Forwarded-For: 2001:db8::1\r\n", "2001:db8::1"},
        {"X-Forwarded-For: 203.0.113.1, 192.0.2.1\r\n", "192.0.2.1"},
        {"X-Forwarded-For: 203.0.113.1, 192.0.2.1, 10.0.0.1,10.0.0.2\r\n", "192.0.2.1"},
        {"X-Forwarded-For: 10.0.0.7, 192.0.2.1, 10.0.0.1\r\n", "192.0.2.1"},
        {"X-Forwarded-For: 10.0.0.1, 10.0.0.2\r\n", "10.0.0.1"},
        {"X-Forwarded-For: 203.0.113.1\r\nX-Forwarded-For: 192.0.2.1\r\n"
         "X-Forwarded-For: 10.0.0.1\r\n",
         "192.0.2.1"},
        {"X-Forwarded-For: 192.0.2.1, unknown, 10.0.0.1\r\n", "10.0.0.1"},
        {"X-Forwarded-For: 192.0.2.1, unknown\r\n", "10.0.0.9:5"},
        {"X-Forwarded-For: unknown, 192.0.2.1\r\n", "192.0.2.1"},
        {"X-Forwarded-For: ,, 192.0.2.1 ,\r\n", "192.0.2.1"},
        {"X-Forwarded-For:\r\n", "10.0.0.9:5"},
        {"X-Forwarded-For: 192.0.2.1\r\nX-Forwarded-For: <script>\r\n", "10.0.0.9:5"},
        {"Forwarded: for=192.0.2.1\r\n", "10.0.0.9:5"},
    };
    struct address_range proxies;
    struct address peer, stranger;
    CU_ASSERT_FATAL(address_range_parse(slice_cstr("10.0.0.0/8"), &proxies) == OK);
    CU_ASSERT_FATAL(address_parse_host(slice_cstr("10.0.0.9:5"), &peer) == OK);
    CU_ASSERT_FATAL(address_parse_host(slice_cstr("11.0.0.9:5"), &stranger) == OK);
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        const struct websocket_upgrade_options options = {.proxies = &proxies, .proxy_count = 1};
        static const struct websocket_upgrade_options off = {0};
        struct websocket_upgrade up;
        char text[1024], client[ADDRESS_TEXT_MAX];
        (void)str_format(text, sizeof(text), "%.*s%s\r\n", (int)strlen(example) - 2, example,
                         table[i].headers);
        CU_ASSERT_FATAL(websocket_upgrade_decode(slice_cstr(text), &options, &peer, &up) == OK);
        address_format(&up.client, client);
        CU_ASSERT(up.status == 101);
        CU_ASSERT_STRING_EQUAL(client, table[i].client);
        CU_ASSERT_FATAL(websocket_upgrade_decode(slice_cstr(text), &options, &stranger, &up) == OK);
        address_format(&up.client, client);
        CU_ASSERT_STRING_EQUAL(client, "11.0.0.9:5");
        CU_ASSERT_FATAL(websocket_upgrade_decode(slice_cstr(text), &off, &peer, &up) == OK);
        address_format(&up.client, client);
        CU_ASSERT_STRING_EQUAL(client, "10.0.0.9:5");
    }
}

static const struct cunit_case cases[] = {
    CUNIT_CASE(the_example_of_the_standard_is_accepted),
    CUNIT_CASE(a_head_is_awaited_until_its_end_or_its_limit),
    CUNIT_CASE(an_origin_must_be_on_the_list_if_there_is_one),
    CUNIT_CASE(a_stray_line_feed_is_refused_wherever_it_stands),
    CUNIT_CASE(the_last_address_that_is_no_proxy_is_the_client),
};
CUNIT_MAIN("websocket_upgrade", cases)
