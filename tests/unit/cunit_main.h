/* SPDX-License-Identifier: Apache-2.0 */
/* The main of every unit test: registers a table of cases, runs them, prints CUnit's summary, and
 * exits non-zero when any assertion failed. It tests nothing itself.
 *
 *     static const struct cunit_case cases[] = {CUNIT_CASE(plus_does_not_match_two_levels), ...};
 *     CUNIT_MAIN("topic", cases)
 */
#ifndef SLUICE_TESTS_CUNIT_MAIN_H
#define SLUICE_TESTS_CUNIT_MAIN_H

#include <CUnit/Basic.h>
#include <stddef.h>

struct cunit_case {
    const char *name;
    void (*fn)(void);
};

#define CUNIT_CASE(test_)                                                                          \
    {                                                                                              \
        .name = #test_, .fn = test_                                                                \
    }

static inline int
cunit_run(const char *suite_name, const struct cunit_case *cases, size_t count)
{
    CU_pSuite suite;
    size_t i;
    unsigned failed;
    if (CU_initialize_registry() != CUE_SUCCESS)
        return 2;
    suite = CU_add_suite(suite_name, NULL, NULL);
    for (i = 0; suite != NULL && i < count; i++) {
        if (CU_add_test(suite, cases[i].name, cases[i].fn) == NULL)
            suite = NULL;
    }
    if (suite == NULL) {
        CU_cleanup_registry();
        return 2;
    }
    CU_basic_set_mode(CU_BRM_VERBOSE);
    if (CU_basic_run_tests() != CUE_SUCCESS) {
        CU_cleanup_registry();
        return 2;
    }
    failed = CU_get_number_of_failures() + CU_get_number_of_tests_failed() +
             CU_get_number_of_suites_failed();
    if (CU_get_number_of_tests_run() != count)
        failed++;
    CU_cleanup_registry();
    return failed == 0 ? 0 : 1;
}

#define CUNIT_MAIN(suite_name, cases)                                                              \
    int main(void)                                                                                 \
    {                                                                                              \
        return cunit_run((suite_name), (cases), sizeof(cases) / sizeof((cases)[0]));               \
    }

#endif
