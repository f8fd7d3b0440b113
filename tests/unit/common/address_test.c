/* SPDX-License-Identifier: Apache-2.0 */
/* Addresses and ranges of them. */
#include "common/address.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include "tests/unit/cunit_main.h"

/* What text reads as, written again; "" when it is refused. */
static const char *
again(const char *text, bool with_port)
{
    static char out[ADDRESS_TEXT_MAX];
    struct address address;
    struct slice in = slice_cstr(text);
    out[0] = '\0';
    if ((with_port ? address_parse_host(in, &address) : address_parse(in, &address)) == OK)
        address_format(&address, out);
    return out;
}

static void
an_address_is_read_and_written(void)
{
    static const char *const table[][2] = {
        {"192.0.2.1", "192.0.2.1"},
        {"0.0.0.0", "0.0.0.0"},
        {"2001:db8::1", "2001:db8::1"},
        {"2001:DB8:0:0::1", "2001:db8::1"},
        {"::", "::"},
        {"::ffff:192.0.2.1", "192.0.2.1"},
        {"", ""},
        {"192.0.2", ""},
        {"192.0.2.256", ""},
        {"192.0.2.1 ", ""},
        {"192.0.2.1:80", ""},
        {"fe80::1%eth0", ""},
        {"[::1]", ""},
        {"example.org", ""},
        {"1::2::3", ""},
        {"0000:0000:0000:0000:0000:0000:0000:0000:00001", ""},
    };
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
        CU_ASSERT_STRING_EQUAL(again(table[i][0], false), table[i][1]);
    struct address address;
    CU_ASSERT(address_parse(slice_of("::1\0::2", 7), &address) == ERR_MALFORMED);
}

static void
a_port_may_follow_an_address(void)
{
    static const char *const table[][2] = {
        {"192.0.2.1", "192.0.2.1"},
        {"192.0.2.1:80", "192.0.2.1:80"},
        {"2001:db8::1", "2001:db8::1"},
        {"[2001:db8::1]", "2001:db8::1"},
        {"[2001:db8::1]:65535", "[2001:db8::1]:65535"},
        {"", ""},
        {"192.0.2.1:", ""},
        {"192.0.2.1:65536", ""},
        {"192.0.2.1:-1", ""},
        {":80", ""},
        {"[2001:db8::1", ""},
        {"[2001:db8::1]80", ""},
        {"[2001:db8::1]:", ""},
        {"[192.0.2.1]:80", ""},
        {"[]", ""},
        {"[", ""},
        {"unknown", ""},
        {"_hidden", ""},
    };
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
        CU_ASSERT_STRING_EQUAL(again(table[i][0], true), table[i][1]);
}

static void
a_range_holds_what_begins_alike(void)
{
    static const struct {
        const char *range, *address;
        bool is_in;
    } table[] = {
        {"10.0.0.0/8", "10.255.0.1", true},
        {"10.0.0.0/8", "11.0.0.1", false},
        {"10.1.2.3/8", "10.9.9.9", true},
        {"192.0.2.128/25", "192.0.2.128", true},
        {"192.0.2.128/25", "192.0.2.127", false},
        {"192.0.2.1", "192.0.2.1", true},
        {"192.0.2.1", "192.0.2.2", false},
        {"192.0.2.1/31", "192.0.2.0", true},
        {"0.0.0.0/0", "203.0.113.9", true},
        {"0.0.0.0/0", "::1", false},
        {"::/0", "2001:db8::1", true},
        {"::/0", "10.0.0.1", false},
        {"2001:db8::/33", "2001:db8:7fff::1", true},
        {"2001:db8::/33", "2001:db8:8000::1", false},
        {"::ffff:10.0.0.0/104", "10.1.1.1", true},
        {"10.0.0.0/8", "::ffff:10.1.1.1", true},
    };
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        struct address_range range;
        struct address address;
        CU_ASSERT_FATAL(address_range_parse(slice_cstr(table[i].range), &range) == OK);
        CU_ASSERT_FATAL(address_parse(slice_cstr(table[i].address), &address) == OK);
        CU_ASSERT(address_is_in(&address, &range, 1) == table[i].is_in);
        CU_ASSERT(!address_is_in(&address, &range, 0));
    }
}

static void
what_is_no_range_is_refused(void)
{
    static const char *const bad[] = {"",     "10.0.0.0/",          "10.0.0.0/33", "::/129",
                                      "/8",   "10.0.0.0/8/",        "10.0.0.0/-1", "10.0.0.0/ 8",
                                      "10/8", "::ffff:10.0.0.0/95", "localhost"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct address_range range;
        CU_ASSERT(address_range_parse(slice_cstr(bad[i]), &range) == ERR_MALFORMED);
    }
}

static void
the_kernels_addresses_are_read(void)
{
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(1883)};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons(1)};
    struct sockaddr none = {.sa_family = AF_UNIX};
    struct address_range all = {{.family = ADDRESS_V4}, 0};
    struct address address;
    char text[ADDRESS_TEXT_MAX];
    v4.sin_addr.s_addr = htonl(0xc0000201);
    address_from_sockaddr(&address, (const struct sockaddr *)&v4, sizeof(v4));
    address_format(&address, text);
    CU_ASSERT_STRING_EQUAL(text, "192.0.2.1:1883");
    CU_ASSERT(inet_pton(AF_INET6, "::ffff:192.0.2.7", &v6.sin6_addr) == 1);
    address_from_sockaddr(&address, (const struct sockaddr *)&v6, sizeof(v6));
    address_format(&address, text);
    CU_ASSERT_STRING_EQUAL(text, "192.0.2.7:1");
    CU_ASSERT(address_is_in(&address, &all, 1));
    address_from_sockaddr(&address, &none, sizeof(none));
    address_format(&address, text);
    CU_ASSERT_STRING_EQUAL(text, "unix");
    CU_ASSERT(!address_is_in(&address, &all, 1));
}

static void
what_to_listen_on_may_stand_in_brackets(void)
{
    static const struct {
        const char *host, *is; /* "": refused */
    } table[] = {
        {"127.0.0.1", "127.0.0.1:7201"},
        {"::1", "[::1]:7201"},
        {"[::1]", "[::1]:7201"},
        {"[::]", "[::]:7201"},
        {"[127.0.0.1]", ""},
        {"[::1", ""},
        {"::1]", ""},
        {"[[::1]]", ""},
        {"[::1]:80", ""},
        {"localhost", ""},
        {"", ""},
        {"[]", ""},
    };
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        char text[ADDRESS_TEXT_MAX] = "";
        struct sockaddr_storage numbers;
        struct address address;
        socklen_t len;
        if (address_to_sockaddr(table[i].host, 7201, &numbers, &len) == OK) {
            address_from_sockaddr(&address, (const struct sockaddr *)&numbers, len);
            address_format(&address, text);
        }
        CU_ASSERT_STRING_EQUAL(text, table[i].is);
    }
}

static void
host_and_port_are_taken_apart(void)
{
    static const struct {
        const char *text, *host; /* NULL: refused */
        uint16_t port;
    } table[] = {
        {"core:7201", "core", 7201},
        {"127.0.0.1:0", "127.0.0.1", 0},
        {"[::1]:65535", "::1", 65535},
        {"::1:7201", NULL, 0},
        {"[::1]", NULL, 0},
        {"[::1]7201", NULL, 0},
        {"[::1]:", NULL, 0},
        {"[core]:1", NULL, 0},
        {"[127.0.0.1]:1", NULL, 0},
        {"[]:1", NULL, 0},
        {"[::1:7201", NULL, 0},
        {"core", NULL, 0},
        {":7201", NULL, 0},
        {"core:", NULL, 0},
        {"core:65536", NULL, 0},
        {"core:1:2", NULL, 0},
        {"", NULL, 0},
    };
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        struct slice host = {NULL, 0};
        uint16_t port = 0;
        enum err err = address_split(slice_cstr(table[i].text), &host, &port);
        CU_ASSERT(err == (table[i].host != NULL ? OK : ERR_MALFORMED));
        CU_ASSERT(slice_equal_cstr(host, table[i].host));
        CU_ASSERT(port == table[i].port);
    }
}

static void
a_site_is_an_address_or_the_first_half_of_one(void)
{
    struct address address;
    char text[ADDRESS_TEXT_MAX];
    CU_ASSERT(address_parse_host(slice_cstr("[2001:db8:1:2:3:4:5:6]:80"), &address) == OK);
    address_to_site(&address);
    address_format(&address, text);
    CU_ASSERT_STRING_EQUAL(text, "2001:db8:1:2::");
    CU_ASSERT(address_parse_host(slice_cstr("192.0.2.1:80"), &address) == OK);
    address_to_site(&address);
    address_format(&address, text);
    CU_ASSERT_STRING_EQUAL(text, "192.0.2.1");
}

static const struct cunit_case cases[] = {
    CUNIT_CASE(an_address_is_read_and_written),
    CUNIT_CASE(a_port_may_follow_an_address),
    CUNIT_CASE(a_range_holds_what_begins_alike),
    CUNIT_CASE(what_is_no_range_is_refused),
    CUNIT_CASE(the_kernels_addresses_are_read),
    CUNIT_CASE(what_to_listen_on_may_stand_in_brackets),
    CUNIT_CASE(host_and_port_are_taken_apart),
    CUNIT_CASE(a_site_is_an_address_or_the_first_half_of_one),
};
CUNIT_MAIN("address", cases)
