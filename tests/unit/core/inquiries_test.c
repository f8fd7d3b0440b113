/* SPDX-License-Identifier: Apache-2.0 */
/* Messages that places are asked for, and gateways that cannot be asked. */
#include "services/core/inquiries.h"

#include "services/core/ghosts.h"
#include "tests/unit/cunit_main.h"

static void
answers_are_awaited_once(void)
{
    struct inquiries *all = inquiries_new(1 << 20);
    struct inquiry *one =
        inquiries_add(all, 1, 2, slice_cstr("$share/g/t"), slice_cstr("record"), 0);
    CU_ASSERT_PTR_EQUAL_FATAL(inquiries_get(all, one->id), one);
    inquiry_await(one, 3);
    inquiry_await(one, 3);
    inquiry_await(one, 4095);
    CU_ASSERT_EQUAL(one->left, 2);
    CU_ASSERT_FALSE(inquiry_answered(one, 4));
    CU_ASSERT_TRUE(inquiry_answered(one, 3));
    CU_ASSERT_FALSE(inquiry_answered(one, 3));
    CU_ASSERT_EQUAL(one->left, 1);
    CU_ASSERT_TRUE(slice_equal_cstr(inquiry_share(one), "$share/g/t"));
    CU_ASSERT_TRUE(slice_equal_cstr(inquiry_record(one), "record"));
    CU_ASSERT_FALSE(inquiry_is_denied(one, 9));
    inquiry_deny(one, 9);
    inquiry_deny(one, 9);
    CU_ASSERT_TRUE(inquiry_is_denied(one, 9) && one->denied_count == 1);
    inquiries_free(all);
}

static void
former_copies_are_void(void)
{
    struct inquiries *all = inquiries_new(1 << 20);
    struct inquiry *one = inquiries_add(all, 1, 2, slice_cstr("$share/g/t"), slice_cstr("r"), 0);
    CU_ASSERT_FALSE(inquiries_voids(all, 1, 3, 10));
    CU_ASSERT_TRUE(inquiries_voids(all, 1, 2, 10)); /* not decided */
    CU_ASSERT_PTR_EQUAL(inquiries_about(all, 1, 2), one);
    inquiries_decided(all, one, 10);
    inquiries_remove(all, one);
    CU_ASSERT_PTR_NULL(inquiries_about(all, 1, 2));
    CU_ASSERT_TRUE(inquiries_voids(all, 1, 2, 10));
    CU_ASSERT_FALSE(inquiries_voids(all, 1, 2, 11)); /* of the place that was chosen */
    inquiries_tick(all, 600000);
    CU_ASSERT_FALSE(inquiries_voids(all, 1, 2, 10));
    inquiries_free(all);
}

static void
bytes_are_bounded(void)
{
    struct inquiries *all = inquiries_new(2000);
    unsigned n = 0;
    while (inquiries_add(all, 1, n + 1, slice_cstr("$share/g/t"), slice_cstr("r"), 0) != NULL)
        n++;
    CU_ASSERT_TRUE(n >= 1 && n < 4);
    CU_ASSERT_EQUAL(inquiries_count(all), n);
    inquiries_remove(all, inquiries_next(all, NULL));
    CU_ASSERT_PTR_NOT_NULL(inquiries_add(all, 1, 9, slice_cstr("$share/g/t"), slice_cstr("r"), 0));
    inquiries_free(all);
}

static void
ghosts_are_remembered_by_group(void)
{
    struct ghosts *ghosts = ghosts_new();
    const struct ghost *list = NULL;
    struct slice share = slice_cstr("$share/g/t");
    uint32_t i;
    CU_ASSERT_EQUAL(ghosts_of(ghosts, share, &list), 0);
    ghosts_add(ghosts, share, &(struct ghost){.incarnation = 1, .until_ms = 10, .place = 3});
    ghosts_add(ghosts, share, &(struct ghost){.incarnation = 1, .until_ms = 20, .place = 3});
    CU_ASSERT_EQUAL(ghosts_of(ghosts, share, &list), 1);
    CU_ASSERT_EQUAL(list[0].until_ms, 20);
    CU_ASSERT_EQUAL(ghosts_of(ghosts, slice_cstr("$share/h/t"), &list), 0);
    for (i = 0; i < 2 * GHOSTS_MAX; i++)
        ghosts_add(ghosts, share, &(struct ghost){.incarnation = 100 + i, .until_ms = 30});
    CU_ASSERT_EQUAL(ghosts_of(ghosts, share, &list), GHOSTS_MAX);
    ghosts_sweep(ghosts, 30);
    CU_ASSERT_EQUAL(ghosts_count(ghosts), 1);
    ghosts_sweep(ghosts, 31);
    CU_ASSERT_EQUAL(ghosts_count(ghosts), 0);
    ghosts_free(ghosts);
}

static const struct cunit_case cases[] = {
    CUNIT_CASE(answers_are_awaited_once),
    CUNIT_CASE(former_copies_are_void),
    CUNIT_CASE(bytes_are_bounded),
    CUNIT_CASE(ghosts_are_remembered_by_group),
};
CUNIT_MAIN("inquiries", cases)
