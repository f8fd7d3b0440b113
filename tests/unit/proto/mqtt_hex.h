/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bytes written as hexadecimal text, for the tables of the MQTT tests. It checks nothing of MQTT.
 */
#ifndef SLUICE_TESTS_MQTT_HEX_H
#define SLUICE_TESTS_MQTT_HEX_H

#include "common/str.h"
#include "proto/mqtt_decode.h"

#include <CUnit/CUnit.h>
#include <stdio.h>

#define MQTT_HEX_MAX 4096

struct mqtt_hex {
    uint8_t data[MQTT_HEX_MAX];
    size_t len;
};

static inline int
mqtt_hex_digit(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* "10 ?? 'MQTT'": pairs of digits; text in single quotes stands for its bytes; ?? for the number of
 * bytes that follow (less than 128). */
static inline struct slice
mqtt_hex_parse(struct mqtt_hex *out, const char *text)
{
    size_t length_at = 0;
    out->len = 0;
    while (*text != '\0' && out->len < MQTT_HEX_MAX) {
        if (*text == '\'') {
            for (text++; *text != '\0' && *text != '\''; text++)
                out->data[out->len++] = (uint8_t)*text;
            text++;
        } else if (mqtt_hex_digit(text[0]) >= 0 && mqtt_hex_digit(text[1]) >= 0) {
            out->data[out->len++] =
                (uint8_t)(mqtt_hex_digit(text[0]) * 16 + mqtt_hex_digit(text[1]));
            text += 2;
        } else if (text[0] == '?' && text[1] == '?') {
            length_at = out->len++;
            text += 2;
        } else {
            text++;
        }
    }
    if (length_at > 0)
        out->data[length_at] = (uint8_t)(out->len - length_at - 1);
    return slice_of(out->data, out->len);
}

/* Whether the bytes are those of the text; prints them if not. */
static inline bool
mqtt_hex_is(struct slice bytes, const char *text)
{
    struct mqtt_hex want;
    if (slice_equal(bytes, mqtt_hex_parse(&want, text)))
        return true;
    printf("\n    want %s\n    got ", text);
    for (size_t i = 0; i < bytes.len; i++)
        printf(" %02X", (unsigned)bytes.data[i]);
    printf("\n");
    return false;
}

/* One whole packet of the text; the test fails if it is not exactly one. */
static inline struct mqtt_frame
mqtt_hex_frame(struct mqtt_hex *hex, const char *text)
{
    struct mqtt_frame frame = {.type = MQTT_WILL};
    size_t need = 0;
    struct slice bytes = mqtt_hex_parse(hex, text);
    enum err err = mqtt_decode_frame(bytes.data, bytes.len, LIMITS_PACKET, &need, &frame);
    if (err != OK || frame.total_len != bytes.len)
        printf("\n    not one packet: %s\n", text);
    CU_ASSERT_EQUAL(err, OK);
    CU_ASSERT_EQUAL(frame.total_len, bytes.len);
    return frame;
}

#endif
