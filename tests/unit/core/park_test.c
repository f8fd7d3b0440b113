/* SPDX-License-Identifier: Apache-2.0 */
/* Records that cannot go on yet. */
#include "services/core/park.h"
#include "tests/unit/cunit_main.h"

static struct slice
bytes_of(const struct park_item *item)
{
    return slice_of(item->bytes, item->len);
}

static void
records_leave_in_the_order_in_which_they_came(void)
{
    struct slice parts[3] = {slice_cstr("ab"), slice_of(NULL, 0), slice_cstr("c")};
    struct park park;
    park_init(&park);
    CU_ASSERT_PTR_NULL(park_first(&park));
    park_put(&park, 1, 10, parts, 3);
    park_put(&park, 2, 20, NULL, 0);
    CU_ASSERT_EQUAL(park.count, 2);
    CU_ASSERT_EQUAL(park.bytes, 2 * sizeof(struct park_item) + 3);
    CU_ASSERT_EQUAL(park_first(&park)->type, 1);
    CU_ASSERT_EQUAL(park_first(&park)->tag, 10);
    CU_ASSERT_TRUE(slice_equal_cstr(bytes_of(park_first(&park)), "abc"));
    park_drop(&park);
    CU_ASSERT_EQUAL(park_first(&park)->tag, 20);
    CU_ASSERT_EQUAL(park_first(&park)->len, 0);
    park_drop(&park);
    CU_ASSERT_PTR_NULL(park_first(&park));
    CU_ASSERT_EQUAL(park.bytes, 0);
    park_put(&park, 3, 30, parts, 1); /* the tail is right again */
    CU_ASSERT_TRUE(slice_equal_cstr(bytes_of(park_first(&park)), "ab"));
    park_fini(&park);
    CU_ASSERT_EQUAL(park.count, 0);
}

static void
bytes_are_copied(void)
{
    uint8_t bytes[4] = "abc";
    struct slice part = slice_of(bytes, 3);
    struct park park;
    park_init(&park);
    park_put(&park, 1, 0, &part, 1);
    bytes[0] = 'x';
    CU_ASSERT_TRUE(slice_equal_cstr(bytes_of(park_first(&park)), "abc"));
    park_fini(&park);
}

static void
one_is_joined_behind_another(void)
{
    struct park a, b;
    park_init(&a);
    park_init(&b);
    park_join(&a, &b); /* nothing behind nothing */
    CU_ASSERT_PTR_NULL(park_first(&a));
    park_put(&b, 1, 10, NULL, 0);
    park_join(&a, &b);
    park_put(&b, 1, 20, NULL, 0); /* its tail is right again */
    park_join(&a, &b);
    park_put(&a, 1, 30, NULL, 0);
    CU_ASSERT_EQUAL(b.count + b.bytes, 0);
    CU_ASSERT_EQUAL(a.bytes, 3 * sizeof(struct park_item));
    for (uint64_t tag = 10; tag <= 30; tag += 10) {
        CU_ASSERT_EQUAL(park_first(&a)->tag, tag);
        park_drop(&a);
    }
    CU_ASSERT_EQUAL(a.count, 0);
    park_fini(&a);
    park_fini(&b);
}

static const struct cunit_case cases[] = {
    CUNIT_CASE(records_leave_in_the_order_in_which_they_came),
    CUNIT_CASE(bytes_are_copied),
    CUNIT_CASE(one_is_joined_behind_another),
};
CUNIT_MAIN("park", cases)
