/* SPDX-License-Identifier: Apache-2.0 */
/* Rules of a request: each that cannot be is named, with its place. */
#include "services/rest/rules_check.h"

#include "tests/unit/cunit_main.h"

static void
right_rules_have_no_errors(void)
{
    json_t *rules = json_pack("[s, s, s]", "allow publish sensors/%u/#", "# a remark",
                              "deny all chat/room 1/+");
    json_t *errors = json_array();
    CU_ASSERT_TRUE(rules_check(rules, errors));
    CU_ASSERT_TRUE(rules_check(NULL, errors));
    CU_ASSERT_EQUAL(json_array_size(errors), 0);
    json_decref(rules);
    json_decref(errors);
}

static void
wrong_rules_are_named_with_their_place(void)
{
    json_t *rules = json_pack("[s, s, s]", "allow publish a/#/b", "allow publish a", "permit x");
    json_t *errors = json_array();
    CU_ASSERT_FALSE(rules_check(rules, errors));
    CU_ASSERT_EQUAL_FATAL(json_array_size(errors), 2);
    const json_t *first = json_array_get(errors, 0), *second = json_array_get(errors, 1);
    CU_ASSERT_STRING_EQUAL(json_string_value(json_object_get(first, "pointer")), "/rules/0");
    CU_ASSERT_PTR_NOT_NULL(
        strstr(json_string_value(json_object_get(first, "detail")), "rule 1, column 15: "));
    CU_ASSERT_STRING_EQUAL(json_string_value(json_object_get(second, "pointer")), "/rules/2");
    json_decref(rules);
    json_decref(errors);
}

static const struct cunit_case cases[] = {
    CUNIT_CASE(right_rules_have_no_errors),
    CUNIT_CASE(wrong_rules_are_named_with_their_place),
};

CUNIT_MAIN("rules_check", cases)
