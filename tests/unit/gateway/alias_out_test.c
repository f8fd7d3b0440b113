/* SPDX-License-Identifier: Apache-2.0 */
/* Which topics get an alias towards a client. */
#include "services/gateway/alias_out.h"
#include "tests/unit/cunit_main.h"

#include <stdio.h>

static struct alias_out_choice
send_topic(struct alias_out *aliases, const char *topic)
{
    struct alias_out_choice choice = alias_out_choose(aliases, slice_cstr(topic));
    alias_out_sent(aliases, choice, slice_cstr(topic));
    return choice;
}

static void
first_topics_get_the_free_aliases_and_keep_them(void)
{
    struct alias_out *a = alias_out_new(2);
    struct alias_out_choice one = send_topic(a, "t/one");
    struct alias_out_choice two = send_topic(a, "t/two");
    CU_ASSERT(one.alias == 1 && !one.is_known);
    CU_ASSERT(two.alias == 2 && !two.is_known);
    one = send_topic(a, "t/one");
    CU_ASSERT(one.alias == 1 && one.is_known);
    CU_ASSERT_EQUAL(send_topic(a, "t/three").alias, 0);
    alias_out_free(a);
}

static void
alias_that_was_not_sent_is_not_known(void)
{
    struct alias_out *a = alias_out_new(1);
    CU_ASSERT_EQUAL(alias_out_choose(a, slice_cstr("t/one")).alias, 1);
    CU_ASSERT(!alias_out_choose(a, slice_cstr("t/one")).is_known);
    CU_ASSERT(!send_topic(a, "t/two").is_known);
    CU_ASSERT(send_topic(a, "t/two").is_known);
    CU_ASSERT_EQUAL(send_topic(a, "t/one").alias, 0);
    alias_out_free(a);
}

static void
frequent_topic_takes_the_alias_of_the_rarest(void)
{
    struct alias_out *a = alias_out_new(2);
    struct alias_out_choice choice = {0};
    int i;
    for (i = 0; i < 20; i++)
        send_topic(a, "t/often");
    send_topic(a, "t/rare");
    for (i = 0; i < 10 && choice.alias == 0; i++)
        choice = send_topic(a, "t/late");
    CU_ASSERT(i > 1);
    CU_ASSERT(choice.alias == 2 && !choice.is_known);
    choice = send_topic(a, "t/late");
    CU_ASSERT(choice.alias == 2 && choice.is_known);
    CU_ASSERT_EQUAL(send_topic(a, "t/often").alias, 1);
    CU_ASSERT_EQUAL(send_topic(a, "t/rare").alias, 0);
    alias_out_free(a);
}

static void
topics_sent_once_each_do_not_take_aliases_over(void)
{
    struct alias_out *a = alias_out_new(4);
    char topic[32];
    for (int i = 0; i < 4; i++) {
        (void)snprintf(topic, sizeof(topic), "steady/%d", i);
        send_topic(a, topic);
        send_topic(a, topic);
    }
    for (int i = 0; i < 10000; i++) {
        (void)snprintf(topic, sizeof(topic), "once/%d", i);
        CU_ASSERT_EQUAL(send_topic(a, topic).alias, 0);
        (void)snprintf(topic, sizeof(topic), "steady/%d", i % 4);
        CU_ASSERT(send_topic(a, topic).is_known);
    }
    alias_out_free(a);
}

static void
frequent_topics_that_take_turns_all_get_an_alias(void)
{
    struct alias_out *a = alias_out_new(3);
    char topic[32];
    for (int i = 0; i < 10; i++) {
        (void)snprintf(topic, sizeof(topic), "topic/%d", i);
        send_topic(a, topic);
    }
    for (int i = 0; i < 60; i++) {
        (void)snprintf(topic, sizeof(topic), "topic/%d", 7 + i % 3);
        send_topic(a, topic);
    }
    CU_ASSERT(send_topic(a, "topic/7").is_known);
    CU_ASSERT(send_topic(a, "topic/8").is_known);
    CU_ASSERT(send_topic(a, "topic/9").is_known);
    alias_out_free(a);
}

static void
choice_follows_what_is_sent_now(void)
{
    struct alias_out *a = alias_out_new(1);
    int taken = 0;
    for (int i = 0; i < 3000; i++)
        send_topic(a, "t/before");
    for (int i = 0; i < 20000 && taken == 0; i++)
        taken = send_topic(a, "t/now").alias != 0 ? i : 0;
    CU_ASSERT(taken > 0 && taken < 5000);
    CU_ASSERT(send_topic(a, "t/now").is_known);
    alias_out_free(a);
}

static void
short_and_very_long_topics_have_none(void)
{
    static char large[ALIAS_OUT_TOPIC_MAX + 2];
    struct alias_out *a = alias_out_new(300);
    memset(large, 'x', sizeof(large) - 1);
    CU_ASSERT_EQUAL(send_topic(a, "a/b").alias, 0);
    CU_ASSERT_EQUAL(send_topic(a, large).alias, 0);
    CU_ASSERT_EQUAL(send_topic(a, large + 1).alias, 1);
    alias_out_free(a);
}

static const struct cunit_case cases[] = {
    CUNIT_CASE(first_topics_get_the_free_aliases_and_keep_them),
    CUNIT_CASE(alias_that_was_not_sent_is_not_known),
    CUNIT_CASE(frequent_topic_takes_the_alias_of_the_rarest),
    CUNIT_CASE(topics_sent_once_each_do_not_take_aliases_over),
    CUNIT_CASE(frequent_topics_that_take_turns_all_get_an_alias),
    CUNIT_CASE(choice_follows_what_is_sent_now),
    CUNIT_CASE(short_and_very_long_topics_have_none),
};
CUNIT_MAIN("alias_out", cases)
