/* SPDX-License-Identifier: Apache-2.0 */
/* Variable byte integers: table 1-1 of the standard, and what is no varint. */
#include "proto/mqtt_varint.h"

#include "tests/unit/cunit_main.h"
#include "tests/unit/proto/mqtt_hex.h"

static const struct {
    uint32_t value;
    const char *bytes;
} rows[] = {
    {0, "00"},
    {1, "01"},
    {127, "7F"},
    {128, "80 01"},
    {321, "C1 02"},
    {16383, "FF 7F"},
    {16384, "80 80 01"},
    {2097151, "FF FF 7F"},
    {2097152, "80 80 80 01"},
    {268435455, "FF FF FF 7F"},
};

static void
the_bounds_of_each_length_are_right(void)
{
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        uint8_t out[4];
        uint32_t value = 0;
        size_t len = (size_t)(mqtt_varint_put(out, rows[i].value) - out);
        CU_ASSERT_EQUAL(len, mqtt_varint_size(rows[i].value));
        CU_ASSERT(mqtt_hex_is(slice_of(out, len), rows[i].bytes));
        CU_ASSERT_EQUAL(mqtt_varint_get(out, len, &value), (int)len);
        CU_ASSERT_EQUAL(value, rows[i].value);
        for (size_t cut = 0; cut < len; cut++)
            CU_ASSERT_EQUAL(mqtt_varint_get(out, cut, &value), MQTT_VARINT_SHORT);
    }
}

static void
long_and_endless_forms_are_bad(void)
{
    static const char *const bad[] = {"80 00",       "81 00",       "FF 80 00",
                                      "80 80 80 00", "FF FF FF FF", "80 80 80 80 01"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct mqtt_hex hex;
        uint32_t value = 7;
        struct slice bytes = mqtt_hex_parse(&hex, bad[i]);
        CU_ASSERT_EQUAL(mqtt_varint_get(bytes.data, bytes.len, &value), MQTT_VARINT_BAD);
        CU_ASSERT_EQUAL(value, 7);
    }
}

static const struct cunit_case cases[] = {
    CUNIT_CASE(the_bounds_of_each_length_are_right),
    CUNIT_CASE(long_and_endless_forms_are_bad),
};

CUNIT_MAIN("mqtt_varint", cases)
