/* SPDX-License-Identifier: Apache-2.0 */
/* Tests of the clocks' order and of the text of a time. */
#include "common/clock.h"
#include "tests/unit/cunit_main.h"

static void
monotonic_time_never_goes_back(void)
{
    uint64_t last = clock_monotonic_us();
    unsigned i;
    int back = 0;
    for (i = 0; i < 10000; i++) {
        uint64_t now = clock_monotonic_us();
        back += now < last;
        last = now;
    }
    CU_ASSERT_EQUAL(back, 0);
    CU_ASSERT(clock_wall_ms() > UINT64_C(1700000000000));
}

static void
times_have_iso_text(void)
{
    char out[CLOCK_ISO8601_SIZE];
    clock_iso8601(0, out);
    CU_ASSERT_STRING_EQUAL(out, "1970-01-01T00:00:00.000Z");
    clock_iso8601(UINT64_C(1709210096789), out);
    CU_ASSERT_STRING_EQUAL(out, "2024-02-29T12:34:56.789Z");
    clock_iso8601(UINT64_MAX, out);
    CU_ASSERT_STRING_EQUAL(out, "9999-12-31T23:59:59.999Z");
}

static const struct cunit_case cases[] = {
    CUNIT_CASE(monotonic_time_never_goes_back),
    CUNIT_CASE(times_have_iso_text),
};
CUNIT_MAIN("clock", cases)
