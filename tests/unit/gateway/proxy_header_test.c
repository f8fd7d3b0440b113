/* SPDX-License-Identifier: Apache-2.0 */
/* Headers of the PROXY protocol; over the wire in tests/integration/proxy_test.py. */
#include "services/gateway/proxy_header.h"

#include "tests/unit/cunit_main.h"
#include "tests/unit/proto/mqtt_hex.h"

#define SIGNATURE "0D0A0D0A000D0A515549540A "
#define V4        "C0000201 C6336401 DC04 075B"
#define V6        "20010DB8000000000000000000000001 20010DB8000000000000000000000002 DC04 075B"

static enum err
decode_hex(const char *hex, struct mqtt_hex *bytes, struct proxy_header *out)
{
    return proxy_header_decode(mqtt_hex_parse(bytes, hex), out);
}

static bool
source_is(const struct proxy_header *header, const char *want)
{
    char text[ADDRESS_TEXT_MAX];
    address_format(&header->source, text);
    return header->has_source && strcmp(text, want) == 0;
}

static void
the_example_of_version_2_names_the_client(void)
{
    struct mqtt_hex bytes;
    struct proxy_header header;
    CU_ASSERT_FATAL(decode_hex(SIGNATURE "21 11 000C" V4 "10 20", &bytes, &header) == OK);
    CU_ASSERT(header.len == 28 && header.user.len == 0);
    CU_ASSERT(source_is(&header, "192.0.2.1:56324"));
    CU_ASSERT_FATAL(decode_hex(SIGNATURE "21 21 0024" V6, &bytes, &header) == OK);
    CU_ASSERT(header.len == 52 && source_is(&header, "[2001:db8::1]:56324"));
}

static void
version_1_names_the_client(void)
{
    static const struct {
        const char *line, *source;
    } table[] = {
        {"PROXY TCP4 192.0.2.1 198.51.100.1 56324 1883\r\n", "192.0.2.1:56324"},
        {"PROXY TCP6 2001:db8::1 2001:db8::2 1 65535\r\n", "[2001:db8::1]:1"},
        {"PROXY TCP6 ::ffff:192.0.2.1 ::1 1 2\r\n", "192.0.2.1:1"},
        {"PROXY UNKNOWN\r\n", NULL},
        {"PROXY UNKNOWN whatever it says 1 2\r\n", NULL},
    };
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        struct proxy_header header;
        char text[128];
        (void)str_format(text, sizeof(text), "%s\x10\x20", table[i].line);
        CU_ASSERT_FATAL(proxy_header_decode(slice_cstr(text), &header) == OK);
        CU_ASSERT(header.len == strlen(table[i].line));
        CU_ASSERT(table[i].source == NULL ? !header.has_source
                                          : source_is(&header, table[i].source));
    }
}

static void
a_header_is_awaited_until_its_end(void)
{
    static const char line[] = "PROXY TCP4 192.0.2.1 198.51.100.1 56324 1883\r\n";
    struct mqtt_hex bytes;
    struct proxy_header header;
    struct slice in = mqtt_hex_parse(&bytes, SIGNATURE "21 11 000C" V4);
    for (size_t n = 0; n < in.len; n++)
        CU_ASSERT(proxy_header_decode(slice_of(in.data, n), &header) == ERR_AGAIN);
    for (size_t n = 0; n < sizeof(line) - 1; n++)
        CU_ASSERT(proxy_header_decode(slice_of(line, n), &header) == ERR_AGAIN);
}

static void
a_version_1_line_has_107_bytes_at_most(void)
{
    char text[120];
    struct proxy_header header;
    memset(text, 'x', sizeof(text));
    memcpy(text, "PROXY UNKNOWN ", 14);
    CU_ASSERT(proxy_header_decode(slice_of(text, 106), &header) == ERR_AGAIN);
    CU_ASSERT(proxy_header_decode(slice_of(text, 107), &header) == ERR_MALFORMED);
    memcpy(text + 105, "\r\n", 2);
    CU_ASSERT(proxy_header_decode(slice_of(text, 107), &header) == OK && header.len == 107);
}

static void
what_is_no_header_is_refused(void)
{
    static const char *const lines[] = {
        "PROXY TCP4 192.0.2.1 198.51.100.1 56324 1883\n",
        "PROXY TCP4 192.0.2.1 198.51.100.1 56324\r\n",
        "PROXY TCP4 192.0.2.1 198.51.100.1 56324 \r\n",
        "PROXY TCP4 192.0.2.1 198.51.100.1 56324 1883 9\r\n",
        "PROXY TCP4 192.0.2.1 198.51.100.1 65536 1883\r\n",
        "PROXY TCP4 192.0.2.1 198.51.100.1 -1 1883\r\n",
        "PROXY TCP4  192.0.2.1 198.51.100.1 1 1883\r\n",
        "PROXY TCP4 2001:db8::1 2001:db8::2 1 2\r\n",
        "PROXY TCP6 192.0.2.1 198.51.100.1 1 2\r\n",
        "PROXY TCP4 client 198.51.100.1 1 2\r\n",
        "PROXY TCP5 192.0.2.1 198.51.100.1 1 2\r\n",
        "PROXY UDP4 192.0.2.1 198.51.100.1 1 2\r\n",
        "PROXY \r\n",
        "PROXYTCP4",
        "proxy TCP4",
        "GET / HTTP/1.1\r\n",
        "\x10\x20",
        "\x16\x03\x01",
    };
    static const char *const bytes[] = {
        SIGNATURE "11 11 000C" V4,                     /* version 1 in binary */
        SIGNATURE "22 11 000C" V4,                     /* no such command */
        SIGNATURE "21 12 000C" V4,                     /* datagrams */
        SIGNATURE "21 41 000C" V4,                     /* no such family */
        SIGNATURE "21 11 000B C0000201C6336401DC0407", /* too short for its family */
        SIGNATURE "21 31 000C" V4,
        SIGNATURE "21 11 000E" V4 "0400",           /* half a TLV */
        SIGNATURE "21 11 000F" V4 "04 0001",        /* a TLV that is longer than the header */
        SIGNATURE "21 11 0012" V4 "20 0003 070000", /* SSL without its numbers */
        SIGNATURE "21 11 0017" V4 "20 0008 07 00000000 22 0009",
        "0D0A0D0A000D0A515549540B 21 11 000C" V4, /* not the signature */
    };
    struct proxy_header header;
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
        CU_ASSERT(proxy_header_decode(slice_cstr(lines[i]), &header) == ERR_MALFORMED);
    for (size_t i = 0; i < sizeof(bytes) / sizeof(bytes[0]); i++) {
        struct mqtt_hex hex;
        CU_ASSERT(decode_hex(bytes[i], &hex, &header) == ERR_MALFORMED);
    }
    struct mqtt_hex hex;
    CU_ASSERT(decode_hex(SIGNATURE "21 11 0FF1", &hex, &header) == ERR_TOO_LARGE);
    CU_ASSERT(decode_hex(SIGNATURE "21 11 0FF0", &hex, &header) == ERR_AGAIN);
}

static void
local_and_unspecified_headers_name_nobody(void)
{
    static const char *const bytes[] = {
        SIGNATURE "20 00 0000",        SIGNATURE "20 11 000C" V4,
        SIGNATURE "20 00 0003 FFFFFF", /* whatever follows LOCAL */
        SIGNATURE "21 00 0000",        SIGNATURE "21 00 0005 0102030405",
    };
    for (size_t i = 0; i < sizeof(bytes) / sizeof(bytes[0]); i++) {
        struct mqtt_hex hex;
        struct proxy_header header;
        CU_ASSERT_FATAL(decode_hex(bytes[i], &hex, &header) == OK);
        CU_ASSERT(!header.has_source && header.user.len == 0 && header.len == hex.len);
    }
}

static void
a_unix_client_has_no_address(void)
{
    uint8_t bytes[16 + 216] = {0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d, 0x0a, 0x51,
                               0x55, 0x49, 0x54, 0x0a, 0x21, 0x31, 0x00, 216};
    struct proxy_header header;
    CU_ASSERT_FATAL(proxy_header_decode(slice_of(bytes, sizeof(bytes)), &header) == OK);
    CU_ASSERT(!header.has_source && header.len == sizeof(bytes));
}

static void
only_the_one_verified_common_name_is_the_user(void)
{
    static const struct {
        const char *tlvs, *user;
    } table[] = {
        {"20 000B 07 00000000 22 0003 616263", "abc"},
        {"04 0002 0000 20 000B 05 00000000 22 0003 616263", "abc"}, /* behind NOOP */
        {"20 0013 03 00000000 21 0005 544C537631 22 0003 616263", "abc"},
        {"20 000B 01 00000000 22 0003 616263", ""}, /* it showed no certificate */
        {"20 000B 07 00000001 22 0003 616263", ""}, /* not verified */
        {"20 000B 07 00000000 22 0003 610063", ""}, /* NUL */
        {"20 000B 07 00000000 22 0003 61FF63", ""}, /* not UTF-8 */
        {"20 0008 07 00000000 22 0000", ""},
        {"20 0011 07 00000000 22 0003 616263 22 0003 646566", ""}, /* which of them? */
        {"22 0003 616263", ""},                                    /* not inside SSL */
    };
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        char text[256];
        struct mqtt_hex tlvs, bytes;
        struct proxy_header header;
        size_t len = mqtt_hex_parse(&tlvs, table[i].tlvs).len;
        (void)str_format(text, sizeof(text), SIGNATURE "21 11 %04zX" V4 "%s", 12 + len,
                         table[i].tlvs);
        CU_ASSERT_FATAL(decode_hex(text, &bytes, &header) == OK);
        CU_ASSERT(slice_equal_cstr(header.user, table[i].user));
    }
}

static void
two_ssl_tlvs_are_refused(void)
{
    struct mqtt_hex bytes;
    struct proxy_header header;
    CU_ASSERT(decode_hex(SIGNATURE "21 11 001C" V4 "20 0005 0700000000 20 0005 0700000000", &bytes,
                         &header) == ERR_MALFORMED);
}

static void
the_first_byte_tells_a_header_from_a_client(void)
{
    CU_ASSERT(proxy_header_begins(slice_cstr("PROXY T")) && proxy_header_begins(slice_cstr("P")));
    CU_ASSERT(proxy_header_begins(slice_cstr("\r")) && proxy_header_begins(slice_cstr("\r\n\r\n")));
    CU_ASSERT(!proxy_header_begins(slice_cstr("\x10")) && !proxy_header_begins(slice_cstr("\x16")));
    CU_ASSERT(!proxy_header_begins(slice_cstr("GET /")) && !proxy_header_begins(slice_cstr("")));
    CU_ASSERT(!proxy_header_begins(slice_cstr("POST /")));
}

static const struct cunit_case cases[] = {
    CUNIT_CASE(the_example_of_version_2_names_the_client),
    CUNIT_CASE(version_1_names_the_client),
    CUNIT_CASE(a_header_is_awaited_until_its_end),
    CUNIT_CASE(a_version_1_line_has_107_bytes_at_most),
    CUNIT_CASE(what_is_no_header_is_refused),
    CUNIT_CASE(local_and_unspecified_headers_name_nobody),
    CUNIT_CASE(a_unix_client_has_no_address),
    CUNIT_CASE(only_the_one_verified_common_name_is_the_user),
    CUNIT_CASE(two_ssl_tlvs_are_refused),
    CUNIT_CASE(the_first_byte_tells_a_header_from_a_client),
};
CUNIT_MAIN("proxy_header", cases)
