/* SPDX-License-Identifier: Apache-2.0 */
/* Reason codes: every error has an answer, every code a name, and 3.x its return codes. */
#include "proto/mqtt_reason.h"

#include "tests/unit/cunit_main.h"

static void
every_error_has_an_answer(void)
{
    CU_ASSERT_EQUAL(mqtt_reason(OK), MQTT_SUCCESS);
    CU_ASSERT_EQUAL(mqtt_reason(ERR_MALFORMED), MQTT_MALFORMED_PACKET);
    CU_ASSERT_EQUAL(mqtt_reason(ERR_PROTOCOL), MQTT_PROTOCOL_ERROR);
    CU_ASSERT_EQUAL(mqtt_reason(ERR_TOO_LARGE), MQTT_PACKET_TOO_LARGE);
    CU_ASSERT_EQUAL(mqtt_reason(ERR_VERSION), MQTT_UNSUPPORTED_VERSION);
    CU_ASSERT_EQUAL(mqtt_reason(ERR_DENIED), MQTT_NOT_AUTHORIZED);
    CU_ASSERT_EQUAL(mqtt_reason(ERR_TIMEOUT), MQTT_SERVER_UNAVAILABLE);
    for (unsigned err = 1; err < 64; err++)
        CU_ASSERT(mqtt_reason((enum err)err) >= MQTT_UNSPECIFIED_ERROR);
}

static void
codes_have_names(void)
{
    CU_ASSERT_STRING_EQUAL(mqtt_reason_name(MQTT_MALFORMED_PACKET), "malformed packet");
    CU_ASSERT_STRING_EQUAL(mqtt_reason_name(MQTT_WILDCARDS_NOT_SUPPORTED),
                           "wildcard subscriptions not supported");
    CU_ASSERT_STRING_EQUAL(mqtt_reason_name((enum mqtt_reason)0x7F), "unknown reason");
    unsigned named = 0;
    for (unsigned code = 0; code < 256; code++)
        named +=
            mqtt_reason_name((enum mqtt_reason)code) != mqtt_reason_name((enum mqtt_reason)0x7F);
    CU_ASSERT_EQUAL(named, 43);
}

static void
three_x_return_codes_are_0_to_5(void)
{
    CU_ASSERT_EQUAL(mqtt_reason_connack_v3(MQTT_SUCCESS), 0);
    CU_ASSERT_EQUAL(mqtt_reason_connack_v3(MQTT_UNSUPPORTED_VERSION), 1);
    CU_ASSERT_EQUAL(mqtt_reason_connack_v3(MQTT_CLIENT_ID_NOT_VALID), 2);
    CU_ASSERT_EQUAL(mqtt_reason_connack_v3(MQTT_SERVER_UNAVAILABLE), 3);
    CU_ASSERT_EQUAL(mqtt_reason_connack_v3(MQTT_BAD_USER_NAME_OR_PASSWORD), 4);
    CU_ASSERT_EQUAL(mqtt_reason_connack_v3(MQTT_NOT_AUTHORIZED), 5);
    for (unsigned code = 0x80; code < 256; code++) {
        uint8_t v3 = mqtt_reason_connack_v3((enum mqtt_reason)code);
        CU_ASSERT(v3 >= 1 && v3 <= 5);
    }
}

static void
three_x_subscriptions_fail_with_0x80(void)
{
    CU_ASSERT_EQUAL(mqtt_reason_suback(MQTT_3_1_1, MQTT_GRANTED_QOS_2), 2);
    CU_ASSERT_EQUAL(mqtt_reason_suback(MQTT_3_1_1, MQTT_NOT_AUTHORIZED), 0x80);
    CU_ASSERT_EQUAL(mqtt_reason_suback(MQTT_5_0, MQTT_NOT_AUTHORIZED), 0x87);
}

static void
codes_belong_to_packets_and_sides(void)
{
    CU_ASSERT(mqtt_reason_is_allowed(MQTT_DISCONNECT, false, 0x04));
    CU_ASSERT_FALSE(mqtt_reason_is_allowed(MQTT_DISCONNECT, true, 0x04));
    CU_ASSERT(mqtt_reason_is_allowed(MQTT_DISCONNECT, true, 0x8E));
    CU_ASSERT_FALSE(mqtt_reason_is_allowed(MQTT_DISCONNECT, false, 0x8E));
    CU_ASSERT(mqtt_reason_is_allowed(MQTT_PUBREL, false, 0x92));
    CU_ASSERT_FALSE(mqtt_reason_is_allowed(MQTT_PUBACK, false, 0x92));
    CU_ASSERT(mqtt_reason_is_allowed(MQTT_UNSUBACK, true, 0x11));
    CU_ASSERT_FALSE(mqtt_reason_is_allowed(MQTT_PINGREQ, false, 0));
    CU_ASSERT_FALSE(mqtt_reason_is_allowed(MQTT_DISCONNECT, false, 0x7F));
}

static const struct cunit_case cases[] = {
    CUNIT_CASE(every_error_has_an_answer),         CUNIT_CASE(codes_have_names),
    CUNIT_CASE(three_x_return_codes_are_0_to_5),   CUNIT_CASE(three_x_subscriptions_fail_with_0x80),
    CUNIT_CASE(codes_belong_to_packets_and_sides),
};

CUNIT_MAIN("mqtt_reason", cases)
