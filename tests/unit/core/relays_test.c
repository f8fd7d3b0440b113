/* SPDX-License-Identifier: Apache-2.0 */
#include "services/core/relays.h"

#include "tests/unit/cunit_main.h"

static void
an_answer_finds_its_question_once(void)
{
    struct relays *relays = relays_new();
    struct call_request request;
    uint64_t a, b;
    CU_ASSERT_EQUAL(relays_add(relays, 7, (struct call_request){1, 1}, 100, &a), OK);
    CU_ASSERT_EQUAL(relays_add(relays, 7, (struct call_request){2, 1}, 100, &b), OK);
    CU_ASSERT_EQUAL(relays_take(relays, b, 8, &request), ERR_NOT_FOUND); /* another gateway */
    CU_ASSERT_EQUAL_FATAL(relays_take(relays, b, 7, &request), OK);
    CU_ASSERT_EQUAL(request.slot, 2);
    CU_ASSERT_EQUAL(relays_take(relays, b, 7, &request), ERR_NOT_FOUND);
    CU_ASSERT_EQUAL(relays_take(relays, 0, 7, &request), ERR_NOT_FOUND);
    CU_ASSERT_EQUAL(relays_take(relays, b + RELAYS_MAX, 7, &request), ERR_NOT_FOUND);
    CU_ASSERT_EQUAL(relays_count(relays), 1);
    relays_free(relays);
}

static void
what_is_late_or_gone_is_taken_out(void)
{
    struct relays *relays = relays_new();
    struct call_request request;
    uint64_t id;
    CU_ASSERT_EQUAL(relays_add(relays, 1, (struct call_request){1, 1}, 100, &id), OK);
    CU_ASSERT_EQUAL(relays_add(relays, 2, (struct call_request){2, 1}, 200, &id), OK);
    CU_ASSERT_EQUAL(relays_take_due(relays, 99, &request), ERR_NOT_FOUND);
    CU_ASSERT_EQUAL_FATAL(relays_take_due(relays, 100, &request), OK);
    CU_ASSERT_EQUAL(request.slot, 1);
    CU_ASSERT_EQUAL(relays_take_of(relays, 1, &request), ERR_NOT_FOUND);
    CU_ASSERT_EQUAL_FATAL(relays_take_of(relays, 2, &request), OK);
    CU_ASSERT_EQUAL(relays_count(relays), 0);
    relays_free(relays);
}

static void
there_are_only_so_many(void)
{
    struct relays *relays = relays_new();
    struct call_request request;
    uint64_t id, first = 0;
    for (unsigned i = 0; i < RELAYS_MAX; i++) {
        CU_ASSERT_EQUAL(relays_add(relays, 1, (struct call_request){i, 1}, 100, &id), OK);
        first = first == 0 ? id : first;
    }
    CU_ASSERT_EQUAL(relays_add(relays, 1, (struct call_request){0, 1}, 100, &id), ERR_BUSY);
    CU_ASSERT_EQUAL(relays_take(relays, first, 1, &request), OK);
    CU_ASSERT_EQUAL(relays_add(relays, 1, (struct call_request){9, 1}, 100, &id), OK);
    CU_ASSERT_EQUAL_FATAL(relays_take(relays, id, 1, &request), OK);
    CU_ASSERT_EQUAL(request.slot, 9);
    relays_free(relays);
}

static const struct cunit_case cases[] = {
    CUNIT_CASE(an_answer_finds_its_question_once),
    CUNIT_CASE(what_is_late_or_gone_is_taken_out),
    CUNIT_CASE(there_are_only_so_many),
};

CUNIT_MAIN("relays", cases)
