/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The Variable Byte Integer of MQTT (5.0 §1.5.5): seven bits a byte, least significant first, at
 * most four bytes, the shortest form only. 321 = C1 02. Inline because it is on the hot path.
 */
#ifndef SLUICE_PROTO_MQTT_VARINT_H
#define SLUICE_PROTO_MQTT_VARINT_H

#include <stddef.h>
#include <stdint.h>

/* Bytes that value takes; value must be at most LIMITS_REMAINING_LENGTH. */
static inline size_t
mqtt_varint_size(uint32_t value)
{
    return value < 0x80u ? 1 : value < 0x4000u ? 2 : value < 0x200000u ? 3 : 4;
}

/* Writes value to out (room for mqtt_varint_size bytes) and returns the byte after it. */
static inline uint8_t *
mqtt_varint_put(uint8_t *out, uint32_t value)
{
    while (value >= 0x80u) {
        *out++ = (uint8_t)(value | 0x80u);
        value >>= 7;
    }
    *out++ = (uint8_t)value;
    return out;
}

enum { MQTT_VARINT_SHORT = 0, MQTT_VARINT_BAD = -1 };

/* Reads a varint from len bytes. Returns how many bytes it took (1 to 4) and sets *value, or
 * MQTT_VARINT_SHORT when it goes on behind the end, or MQTT_VARINT_BAD when it is longer than four
 * bytes or than needed [MQTT-1.5.5-1]. */
static inline int
mqtt_varint_get(const uint8_t *data, size_t len, uint32_t *value)
{
    if (len > 0 && data[0] < 0x80u) {
        *value = data[0];
        return 1;
    }
    uint32_t sum = 0;
    for (unsigned i = 0; i < 4; i++) {
        if (i == len)
            return MQTT_VARINT_SHORT;
        sum |= (uint32_t)(data[i] & 0x7Fu) << (7 * i);
        if (data[i] < 0x80u) {
            if (data[i] == 0)
                return MQTT_VARINT_BAD;
            *value = sum;
            return (int)i + 1;
        }
    }
    return MQTT_VARINT_BAD;
}

#endif
