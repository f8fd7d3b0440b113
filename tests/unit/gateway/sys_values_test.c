/* SPDX-License-Identifier: Apache-2.0 */
/* The values of $SYS: what counts as one, the last one of each, and their bound. */
#include "services/gateway/sys_values.h"

#include "tests/unit/cunit_main.h"

#include <stdio.h>

static struct message *
value_of(const char *topic, const char *payload)
{
    const struct publish_record record = {
        .retain = true, .topic = slice_cstr(topic), .payload = slice_cstr(payload)};
    return message_new(&record);
}

static void
put(struct sys_values *values, const char *topic, const char *payload)
{
    struct message *message = value_of(topic, payload);
    sys_values_put(values, message);
    message_unref(message);
}

/* The payloads of those that match, in a row. */
static void
match(const struct sys_values *values, const char *filter, char out[64])
{
    struct message *found[SYS_VALUES_MAX];
    size_t n = sys_values_match(values, slice_cstr(filter), found), at = 0;
    for (size_t i = 0; i < n; i++) {
        struct slice payload = message_payload(found[i]);
        memcpy(out + at, payload.data, payload.len);
        at += payload.len;
        message_unref(found[i]);
    }
    out[at] = '\0';
}

static void
only_its_own_names_are_sys(void)
{
    CU_ASSERT_TRUE(sys_values_is_topic(slice_cstr("$SYS")));
    CU_ASSERT_TRUE(sys_values_is_topic(slice_cstr("$SYS/#")));
    CU_ASSERT_TRUE(sys_values_is_topic(slice_cstr("$SYS/broker/uptime")));
    CU_ASSERT_FALSE(sys_values_is_topic(slice_cstr("$SYSTEM")));
    CU_ASSERT_FALSE(sys_values_is_topic(slice_cstr("$sys/x")));
    CU_ASSERT_FALSE(sys_values_is_topic(slice_cstr("a/$SYS")));
    CU_ASSERT_FALSE(sys_values_is_topic(slice_cstr("")));
}

static void
names_of_groups_and_sys_are_reserved_and_others_with_a_dollar_are_not(void)
{
    CU_ASSERT_TRUE(sys_values_is_reserved(slice_cstr("$SYS")));
    CU_ASSERT_TRUE(sys_values_is_reserved(slice_cstr("$SYS/x")));
    CU_ASSERT_TRUE(sys_values_is_reserved(slice_cstr("$share/g/t")));
    CU_ASSERT_FALSE(sys_values_is_reserved(slice_cstr("$share")));
    CU_ASSERT_FALSE(sys_values_is_reserved(slice_cstr("$aws/x")));
    CU_ASSERT_FALSE(sys_values_is_reserved(slice_cstr("share/$SYS")));
    CU_ASSERT_FALSE(sys_values_is_reserved(slice_cstr("")));
}

static void
the_last_value_of_a_topic_is_kept(void)
{
    struct sys_values *values = sys_values_new();
    char found[64];
    put(values, "$SYS/a", "1");
    put(values, "$SYS/b", "2");
    put(values, "$SYS/a", "3");
    match(values, "$SYS/#", found);
    CU_ASSERT_STRING_EQUAL(found, "32");
    match(values, "$SYS/b", found);
    CU_ASSERT_STRING_EQUAL(found, "2");
    match(values, "#", found); /* [MQTT-4.7.2-1] */
    CU_ASSERT_STRING_EQUAL(found, "");
    sys_values_free(values);
}

static void
topics_beyond_the_bound_are_not_kept(void)
{
    struct sys_values *values = sys_values_new();
    struct message *found[SYS_VALUES_MAX];
    char topic[32], last[64];
    for (unsigned i = 0; i < SYS_VALUES_MAX + 2; i++) {
        (void)snprintf(topic, sizeof(topic), "$SYS/%u", i);
        put(values, topic, "x");
    }
    size_t n = sys_values_match(values, slice_cstr("$SYS/#"), found);
    CU_ASSERT_EQUAL(n, SYS_VALUES_MAX);
    while (n > 0)
        message_unref(found[--n]);
    put(values, "$SYS/7", "new"); /* what is there still follows */
    match(values, "$SYS/7", last);
    CU_ASSERT_STRING_EQUAL(last, "new");
    match(values, "$SYS/256", last);
    CU_ASSERT_STRING_EQUAL(last, "");
    sys_values_free(values);
}

static const struct cunit_case cases[] = {
    CUNIT_CASE(only_its_own_names_are_sys),
    CUNIT_CASE(names_of_groups_and_sys_are_reserved_and_others_with_a_dollar_are_not),
    CUNIT_CASE(the_last_value_of_a_topic_is_kept),
    CUNIT_CASE(topics_beyond_the_bound_are_not_kept),
};
CUNIT_MAIN("sys_values", cases)
