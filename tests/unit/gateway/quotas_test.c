/* SPDX-License-Identifier: Apache-2.0 */
/* Limits that all workers share. */
#include "services/gateway/quotas.h"

#include "tests/unit/cunit_main.h"

static void
the_gateway_and_each_listener_have_their_own_number(void)
{
    const struct listener_options listeners[LISTENER_KINDS] = {[LISTENER_WS] = {.connections = 2}};
    struct quotas *quotas = quotas_new(4, 0, listeners);
    CU_ASSERT_EQUAL(quotas_enter(quotas, LISTENER_WS), QUOTAS_OK);
    CU_ASSERT_EQUAL(quotas_enter(quotas, LISTENER_WS), QUOTAS_OK);
    for (int i = 0; i < 3; i++)
        CU_ASSERT_EQUAL(quotas_enter(quotas, LISTENER_WS), QUOTAS_LISTENER_FULL);
    CU_ASSERT_EQUAL(quotas_enter(quotas, LISTENER_MQTT), QUOTAS_OK);
    CU_ASSERT_EQUAL(quotas_enter(quotas, LISTENER_MQTT), QUOTAS_OK);
    CU_ASSERT_EQUAL(quotas_enter(quotas, LISTENER_MQTT), QUOTAS_GATEWAY_FULL);
    quotas_leave(quotas, LISTENER_WS);
    CU_ASSERT_EQUAL(quotas_enter(quotas, LISTENER_WS), QUOTAS_OK);
    CU_ASSERT_EQUAL(quotas_enter(quotas, LISTENER_WS), QUOTAS_GATEWAY_FULL);
    quotas_free(quotas);
}

static void
an_address_has_no_more_than_it_may(void)
{
    const struct listener_options listeners[LISTENER_KINDS] = {{.connections = 0}};
    struct quotas *quotas = quotas_new(10, 2, listeners);
    struct address address = {.bytes = {127, 0, 0, 1}, .family = ADDRESS_V4};
    uint32_t place[3];
    CU_ASSERT_TRUE(quotas_enter_address(quotas, &address, &place[0]));
    CU_ASSERT_TRUE(quotas_enter_address(quotas, &address, &place[1]));
    CU_ASSERT_FALSE(quotas_enter_address(quotas, &address, &place[2]));
    quotas_leave_address(quotas, place[2]);
    quotas_leave_address(quotas, place[0]);
    CU_ASSERT_TRUE(quotas_enter_address(quotas, &address, &place[0]));
    quotas_free(quotas);
}

static void
nothing_is_limited_that_no_setting_limits(void)
{
    const struct listener_options listeners[LISTENER_KINDS] = {{.messages = 5}};
    struct quotas *quotas = quotas_new(0, 0, listeners);
    struct address address = {.bytes = {127, 0, 0, 1}, .family = ADDRESS_V4};
    uint32_t place;
    for (int i = 0; i < 1000; i++) {
        CU_ASSERT_EQUAL(quotas_enter(quotas, LISTENER_TLS), QUOTAS_OK);
        CU_ASSERT_TRUE(quotas_enter_address(quotas, &address, &place));
    }
    CU_ASSERT_PTR_NOT_NULL(quotas_messages(quotas, LISTENER_MQTT));
    CU_ASSERT_PTR_NULL(quotas_messages(quotas, LISTENER_TLS));
    CU_ASSERT_PTR_NULL(quotas_bytes(quotas, LISTENER_MQTT));
    quotas_free(quotas);
}

static const struct cunit_case cases[] = {
    CUNIT_CASE(the_gateway_and_each_listener_have_their_own_number),
    CUNIT_CASE(an_address_has_no_more_than_it_may),
    CUNIT_CASE(nothing_is_limited_that_no_setting_limits),
};
CUNIT_MAIN("quotas", cases)
