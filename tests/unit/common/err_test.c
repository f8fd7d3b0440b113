/* SPDX-License-Identifier: Apache-2.0 */
/* Tests of the result table. */
#include "common/err.h"
#include "tests/unit/cunit_main.h"

#include <string.h>

static void
values_on_the_wire_never_change(void)
{
    CU_ASSERT_EQUAL(OK, 0);
    CU_ASSERT_EQUAL(ERR_BUSY, 2);
    CU_ASSERT_EQUAL(ERR_PEER_LOST, 5);
    CU_ASSERT_EQUAL(ERR_STALE, 15);
    CU_ASSERT_EQUAL(ERR_INTERNAL, 20);
    CU_ASSERT_EQUAL(ERR_CONFLICT, 22);
}

static void
every_value_has_a_text_and_comes_back(void)
{
    uint32_t i;
    for (i = 0; i <= ERR_CONFLICT; i++) {
        CU_ASSERT_EQUAL(err_from_wire(i), (enum err)i);
        CU_ASSERT_STRING_NOT_EQUAL(err_text((enum err)i), "unknown error");
    }
}

static void
an_unknown_number_becomes_internal(void)
{
    CU_ASSERT_EQUAL(err_from_wire(9999), ERR_INTERNAL);
    CU_ASSERT_EQUAL(err_from_wire(UINT32_MAX), ERR_INTERNAL);
}

static const struct cunit_case cases[] = {
    CUNIT_CASE(values_on_the_wire_never_change),
    CUNIT_CASE(every_value_has_a_text_and_comes_back),
    CUNIT_CASE(an_unknown_number_becomes_internal),
};
CUNIT_MAIN("err", cases)
