/* SPDX-License-Identifier: Apache-2.0 */
/* The bytes of FEED_AGAIN and of the question and answers about a repeat. */
#include "proto/repeats.h"

#include "proto/feed_records.h"
#include "tests/unit/cunit_main.h"

#include <string.h>

static void
again_says_what_it_wraps(void)
{
    uint8_t bytes[REPEATS_AGAIN_BYTES + 3] = {0};
    struct repeats_again again = {.attempt = 7, .age_ms = 1000, .type = FEED_SHARED_RETURN};
    CU_ASSERT_EQUAL(repeats_again_encode(&again, bytes), REPEATS_AGAIN_BYTES);
    memcpy(bytes + REPEATS_AGAIN_BYTES, "abc", 3);
    memset(&again, 0, sizeof(again));
    CU_ASSERT_EQUAL(repeats_again_decode(slice_of(bytes, sizeof(bytes)), &again), OK);
    CU_ASSERT_EQUAL(again.attempt, 7);
    CU_ASSERT_EQUAL(again.age_ms, 1000);
    CU_ASSERT_EQUAL(again.type, FEED_SHARED_RETURN);
    CU_ASSERT_TRUE(slice_equal_cstr(again.body, "abc"));
}

static void
again_wraps_nothing_else(void)
{
    uint8_t bytes[REPEATS_AGAIN_BYTES] = {0};
    struct repeats_again again = {.type = FEED_ROUTE_ADD};
    (void)repeats_again_encode(&again, bytes);
    CU_ASSERT_EQUAL(repeats_again_decode(slice_of(bytes, sizeof(bytes)), &again), ERR_MALFORMED);
    CU_ASSERT_EQUAL(repeats_again_decode(slice_of(bytes, 16), &again), ERR_MALFORMED);
}

static void
question_names_publish_and_group(void)
{
    const char share[] = "$share/g/a/+";
    uint8_t bytes[REPEATS_ASK_BYTES + sizeof(share) - 1];
    struct repeats_ask ask = {.id = 1, .origin = 2, .token = 3, .floor = 4, .attempt = 5};
    CU_ASSERT_EQUAL(repeats_ask_encode(&ask, bytes), REPEATS_ASK_BYTES);
    memcpy(bytes + REPEATS_ASK_BYTES, share, sizeof(share) - 1);
    memset(&ask, 0, sizeof(ask));
    CU_ASSERT_EQUAL(repeats_ask_decode(slice_of(bytes, sizeof(bytes)), &ask), OK);
    CU_ASSERT_TRUE(ask.id == 1 && ask.origin == 2 && ask.token == 3 && ask.floor == 4 &&
                   ask.attempt == 5);
    CU_ASSERT_TRUE(slice_equal_cstr(ask.share, share));
    CU_ASSERT_EQUAL(repeats_ask_decode(slice_of(bytes, sizeof(bytes) - 5), &ask), ERR_MALFORMED);
    memset(bytes + 16, 0, 8); /* token 0 is no publish that comes again */
    CU_ASSERT_EQUAL(repeats_ask_decode(slice_of(bytes, sizeof(bytes)), &ask), ERR_MALFORMED);
}

static void
answers_are_strict(void)
{
    uint8_t bytes[REPEATS_ANSWER_BYTES + 1] = {0};
    enum repeats_verdict verdict;
    uint64_t id;
    CU_ASSERT_EQUAL(repeats_answer_encode(9, REPEATS_PASSED, bytes), REPEATS_ANSWER_BYTES);
    CU_ASSERT_EQUAL(repeats_answer_decode(slice_of(bytes, REPEATS_ANSWER_BYTES), &id, &verdict),
                    OK);
    CU_ASSERT_TRUE(id == 9 && verdict == REPEATS_PASSED);
    CU_ASSERT_EQUAL(repeats_answer_decode(slice_of(bytes, sizeof(bytes)), &id, &verdict),
                    ERR_MALFORMED);
    bytes[8] = REPEATS_PASSED + 1;
    CU_ASSERT_EQUAL(repeats_answer_decode(slice_of(bytes, REPEATS_ANSWER_BYTES), &id, &verdict),
                    ERR_MALFORMED);
}

static void
taken_carries_a_number_and_flags(void)
{
    uint8_t bytes[REPEATS_TAKEN_BYTES], flags;
    uint64_t number;
    CU_ASSERT_EQUAL(repeats_taken_encode(77, TAKEN_BEGIN, bytes), REPEATS_TAKEN_BYTES);
    CU_ASSERT_EQUAL(repeats_taken_decode(slice_of(bytes, sizeof(bytes)), &number, &flags), OK);
    CU_ASSERT_TRUE(number == 77 && flags == TAKEN_BEGIN);
    CU_ASSERT_EQUAL(repeats_taken_decode(slice_of(bytes, 8), &number, &flags), ERR_MALFORMED);
}

static const struct cunit_case cases[] = {
    CUNIT_CASE(again_says_what_it_wraps),         CUNIT_CASE(again_wraps_nothing_else),
    CUNIT_CASE(question_names_publish_and_group), CUNIT_CASE(answers_are_strict),
    CUNIT_CASE(taken_carries_a_number_and_flags),
};
CUNIT_MAIN("repeats", cases)
