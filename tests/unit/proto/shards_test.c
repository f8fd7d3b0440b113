/* SPDX-License-Identifier: Apache-2.0 */
/* Shards: what has been written is found again by every version, growing moves little, and what a
 * store says of itself in its hello. */
#include "proto/shards.h"

#include "tests/unit/cunit_main.h"

#include <stdio.h>
#include <string.h>

enum { KEYS = 20000 };

static struct slice
key_of(char text[32], unsigned i)
{
    return slice_of(text, (size_t)snprintf(text, 32, "client-%u", i));
}

/* Data lie where these said: a change of a line loses sessions. */
static void
placement_never_changes(void)
{
    static const struct {
        const char *key;
        uint32_t of2, of3, of64;
    } rows[] = {
        {"", 1, 1, 18},
        {"a", 1, 1, 11},
        {"client-1", 1, 2, 59},
        {"client-2", 1, 1, 44},
        {"sensors/kitchen/temperature", 0, 0, 27},
        {"$SYS/broker/uptime", 0, 2, 59},
        {"\xc3\xa9t\xc3\xa9/\xf0\x9f\x98\x80", 1, 2, 4},
    };
    struct shards two, three, all;
    shards_init(&two, 2);
    shards_init(&three, 3);
    shards_init(&all, 64);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        CU_ASSERT_EQUAL(shards_of(&two, slice_cstr(rows[i].key)), rows[i].of2);
        CU_ASSERT_EQUAL(shards_of(&three, slice_cstr(rows[i].key)), rows[i].of3);
        CU_ASSERT_EQUAL(shards_of(&all, slice_cstr(rows[i].key)), rows[i].of64);
    }
}

static void
one_shard_has_everything(void)
{
    struct shards one;
    char text[32];
    shards_init(&one, 1);
    for (unsigned i = 0; i < 100; i++) {
        CU_ASSERT_EQUAL(shards_of(&one, key_of(text, i)), 0);
        CU_ASSERT_EQUAL(shards_of_hash(&one, rendezvous_key(key_of(text, i))), 0);
    }
}

static void
each_shard_has_its_part(void)
{
    struct shards five;
    unsigned counts[5] = {0};
    char text[32];
    shards_init(&five, 5);
    for (unsigned i = 0; i < KEYS; i++)
        counts[shards_of(&five, key_of(text, i))]++;
    for (unsigned i = 0; i < 5; i++)
        CU_ASSERT_TRUE(counts[i] > KEYS / 5 * 9 / 10 && counts[i] < KEYS / 5 * 11 / 10);
}

static void
growing_moves_only_to_the_new_shard(void)
{
    struct shards before, after;
    unsigned moved = 0;
    char text[32];
    shards_init(&before, 4);
    shards_init(&after, 5);
    for (unsigned i = 0; i < KEYS; i++) {
        uint32_t was = shards_of(&before, key_of(text, i));
        uint32_t is = shards_of(&after, key_of(text, i));
        moved += is != was;
        CU_ASSERT_TRUE(is == was || is == 4);
    }
    CU_ASSERT_TRUE(moved > KEYS / 5 * 9 / 10 && moved < KEYS / 5 * 11 / 10);
}

static void
numbers_of_sessions_name_their_shard(void)
{
    CU_ASSERT_EQUAL(shards_first_number(0, 1), UINT64_C(0x100000001));
    CU_ASSERT_EQUAL(shards_of_number(shards_first_number(0, 1)), 0);
    CU_ASSERT_EQUAL(shards_first_number(63, SHARDS_BOOT_MAX), UINT64_C(0xffffffff00000001));
    CU_ASSERT_EQUAL(shards_of_number(shards_first_number(63, SHARDS_BOOT_MAX)), 63);
    CU_ASSERT_EQUAL(shards_of_number(shards_first_number(5, 7) + 1000), 5);
}

static void
a_claim_is_these_bytes(void)
{
    static const uint8_t hex[] = {1, 3, 4, 0, 0, 0, 0, 0, 0, 1, 2};
    struct shard_claim claim = {.number = 3, .count = 4, .term = 258};
    uint8_t bytes[SHARDS_CLAIM_BYTES];
    struct shard_claim out;
    CU_ASSERT_EQUAL(shards_claim_encode(&claim, bytes), sizeof(hex));
    CU_ASSERT_EQUAL(memcmp(bytes, hex, sizeof(hex)), 0);
    CU_ASSERT_EQUAL_FATAL(shards_claim_decode(slice_of(bytes, sizeof(bytes)), &out), OK);
    CU_ASSERT_EQUAL(out.number, 3);
    CU_ASSERT_EQUAL(out.count, 4);
    CU_ASSERT_EQUAL(out.term, 258);
}

static void
a_store_without_a_claim_has_all(void)
{
    struct shard_claim out = {9, 9, 9};
    CU_ASSERT_EQUAL_FATAL(shards_claim_decode(slice_of(NULL, 0), &out), OK);
    CU_ASSERT_EQUAL(out.number, 0);
    CU_ASSERT_EQUAL(out.count, 1);
    CU_ASSERT_EQUAL(out.term, 0);
}

static void
bad_claims_are_refused(void)
{
    static const struct {
        const char *bytes;
        size_t len;
    } rows[] = {
        {"\0\0\1\0\0\0\0\0\0\0\1", 11},   /* no such version */
        {"\1\0\0\0\0\0\0\0\0\0\1", 11},   /* of none */
        {"\1\1\1\0\0\0\0\0\0\0\1", 11},   /* not one of them */
        {"\1\0\x41\0\0\0\0\0\0\0\1", 11}, /* too many */
        {"\1\0\1\0\0\0\0\0\0\0", 10},     {"\1", 1}, {"gateway", 7},
    };
    struct shard_claim out = {9, 9, 9};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        CU_ASSERT_EQUAL(shards_claim_decode(slice_of(rows[i].bytes, rows[i].len), &out),
                        ERR_MALFORMED);
    CU_ASSERT_EQUAL(out.number, 9);
}

static void
a_later_version_may_say_more(void)
{
    struct shard_claim out;
    CU_ASSERT_EQUAL_FATAL(shards_claim_decode(slice_of("\2\1\2\0\0\0\0\0\0\0\7more", 15), &out),
                          OK);
    CU_ASSERT_EQUAL(out.number, 1);
    CU_ASSERT_EQUAL(out.count, 2);
    CU_ASSERT_EQUAL(out.term, 7);
}

static const struct cunit_case cases[] = {
    CUNIT_CASE(placement_never_changes),
    CUNIT_CASE(one_shard_has_everything),
    CUNIT_CASE(each_shard_has_its_part),
    CUNIT_CASE(growing_moves_only_to_the_new_shard),
    CUNIT_CASE(numbers_of_sessions_name_their_shard),
    CUNIT_CASE(a_claim_is_these_bytes),
    CUNIT_CASE(a_store_without_a_claim_has_all),
    CUNIT_CASE(bad_claims_are_refused),
    CUNIT_CASE(a_later_version_may_say_more),
};
CUNIT_MAIN("shards", cases)
