/* SPDX-License-Identifier: Apache-2.0 */
/* What data remember of their shard: read back as written, and damage is seen. */
#include "services/store/shard_mark.h"

#include "tests/unit/cunit_main.h"

static void
what_was_put_is_read(void)
{
    static const uint8_t expected[] = {0, 0, 0, 3, 0, 0, 0, 4};
    const struct shard_mark mark = {3, 4};
    struct shard_mark out;
    struct batch batch, wanted;
    batch_init(&batch);
    batch_init(&wanted);
    shard_mark_put(&mark, &batch);
    batch_meta_put(&wanted, "shard", slice_of(expected, sizeof(expected)));
    CU_ASSERT_EQUAL(batch_bytes(&batch), batch_bytes(&wanted));
    CU_ASSERT_EQUAL_FATAL(shard_mark_read(slice_of(expected, sizeof(expected)), &out), OK);
    CU_ASSERT_EQUAL(out.number, 3);
    CU_ASSERT_EQUAL(out.count, 4);
    batch_fini(&batch);
    batch_fini(&wanted);
}

static void
damage_is_seen(void)
{
    static const struct {
        const char *bytes;
        size_t len;
    } rows[] = {
        {"", 0},
        {"\0\0\0\0\0\0\0", 7},
        {"\0\0\0\0\0\0\0\0", 8},
        {"\0\0\0\1\0\0\0\1", 8},
        {"\0\0\0\0\0\0\0\x41", 8},
        {"\0\0\0\0\0\0\0\1\0", 9},
    };
    struct shard_mark out = {7, 8};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        CU_ASSERT_EQUAL(shard_mark_read(slice_of(rows[i].bytes, rows[i].len), &out), ERR_MALFORMED);
    CU_ASSERT_EQUAL(out.count, 8);
}

static const struct cunit_case cases[] = {
    CUNIT_CASE(what_was_put_is_read),
    CUNIT_CASE(damage_is_seen),
};
CUNIT_MAIN("shard_mark", cases)
