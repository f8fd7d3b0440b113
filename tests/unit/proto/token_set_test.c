/* SPDX-License-Identifier: Apache-2.0 */
/* Token sets against a plain bitmap, their bytes, and hostile jumps. */
#include "proto/token_set.h"

#include "tests/unit/cunit_main.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint64_t
next_random(uint64_t *state)
{
    *state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return *state >> 33;
}

static bool
add(struct token_set *set, uint64_t token)
{
    bool seen = false;
    CU_ASSERT_EQUAL_FATAL(token_set_add(set, token, &seen), OK);
    return seen;
}

static void
second_time_is_seen(void)
{
    struct token_set *set = token_set_new();
    bool seen;
    CU_ASSERT_FALSE(add(set, 1));
    CU_ASSERT_TRUE(add(set, 1));
    CU_ASSERT_FALSE(add(set, 5000));
    CU_ASSERT_FALSE(add(set, 2));
    CU_ASSERT_TRUE(token_set_has(set, 5000));
    CU_ASSERT_FALSE(token_set_has(set, 3));
    CU_ASSERT_EQUAL(token_set_count(set), 3);
    token_set_raise(set, 5000);
    CU_ASSERT_EQUAL(token_set_count(set), 1);
    CU_ASSERT_TRUE(add(set, 3)); /* below the floor: answered for good */
    token_set_raise(set, 10);    /* never falls */
    CU_ASSERT_EQUAL(token_set_floor(set), 5000);
    CU_ASSERT_EQUAL(token_set_add(set, 0, &seen), ERR_INVALID);
    token_set_free(set);
}

static void
hostile_jumps_allocate_little(void)
{
    struct token_set *set = token_set_new();
    size_t empty = token_set_bytes(set);
    uint64_t i;
    bool seen;
    CU_ASSERT_EQUAL(token_set_add(set, 1 + TOKEN_SET_SPAN, &seen), ERR_TOO_LARGE);
    CU_ASSERT_EQUAL(token_set_add(set, UINT64_MAX, &seen), ERR_TOO_LARGE);
    CU_ASSERT_FALSE(add(set, TOKEN_SET_SPAN));
    CU_ASSERT_TRUE(token_set_bytes(set) - empty < 1024);
    for (i = 0; i < 1000; i++) {
        token_set_raise(set, token_set_floor(set) + (i << 40) + 1);
        CU_ASSERT_FALSE(add(set, token_set_floor(set) + TOKEN_SET_SPAN - 1));
    }
    CU_ASSERT_TRUE(token_set_bytes(set) - empty < 2048);
    token_set_raise(set, UINT64_MAX);
    CU_ASSERT_EQUAL(token_set_count(set), 0);
    CU_ASSERT_EQUAL(token_set_add(set, UINT64_MAX, &seen), ERR_TOO_LARGE);
    for (i = 0; i < 300; i++) /* piece by piece over the whole span: never more than it */
        CU_ASSERT_TRUE(token_set_has(set, i));
    token_set_free(set);
    set = token_set_new();
    for (i = 1; i <= TOKEN_SET_SPAN; i++)
        CU_ASSERT_FALSE(add(set, i));
    CU_ASSERT_TRUE(token_set_bytes(set) < 160 * 1024);
    token_set_free(set);
}

enum { SPACE = 200000, STEPS = 60000 };

static void
random_use_equals_a_bitmap(void)
{
    uint64_t seed;
    for (seed = 1; seed <= 8; seed++) {
        uint8_t *bits = calloc(1, SPACE);
        struct token_set *set = token_set_new();
        uint64_t state = seed, floor = 1, high = 1;
        unsigned i;
        for (i = 0; i < STEPS; i++) {
            uint64_t r = next_random(&state);
            if (r % 64 == 0 && high > floor) {
                floor += next_random(&state) % (high - floor + 1);
                token_set_raise(set, floor);
            } else if (r % 500 == 1) {
                struct buf out;
                struct token_set *again = NULL;
                buf_init(&out, TOKEN_SET_ENCODED_MAX);
                token_set_encode(set, &out);
                CU_ASSERT_EQUAL(buf_error(&out), OK);
                CU_ASSERT_EQUAL_FATAL(token_set_decode(buf_slice(&out), &again), OK);
                CU_ASSERT_EQUAL(token_set_count(again), token_set_count(set));
                CU_ASSERT_EQUAL(token_set_floor(again), token_set_floor(set));
                token_set_free(set);
                set = again;
                buf_fini(&out);
            } else {
                uint64_t span = r % 7 == 0 ? 30000 : 100;
                uint64_t token = (r % 3 == 0 ? floor : high) + next_random(&state) % span;
                bool expected = token < floor || (token < SPACE && bits[token] != 0);
                if (token >= SPACE)
                    continue;
                if (add(set, token) != expected) {
                    printf("seed %llu step %u token %llu\n", (unsigned long long)seed, i,
                           (unsigned long long)token);
                    CU_FAIL_FATAL("differs from the bitmap");
                }
                bits[token] = 1;
                if (token >= high)
                    high = token + 1;
            }
        }
        token_set_free(set);
        free(bits);
    }
}

static void
encoded_bytes_are_as_drawn(void)
{
    static const uint8_t want[] = {1,    0, 0, 0, 0, 0, 0, 0x10, 0x01, /* floor 4097 */
                                   0,    0, 0, 0, 0, 0, 0, 1,    2,    2, 0, 2, 0x0f,
                                   0xff, 0, 0, 0, 0, 0, 0, 0,    3,    2, 1, 0, 0};
    struct token_set *set = token_set_new(), *again;
    struct buf out;
    size_t len;
    token_set_raise(set, 4097);
    (void)add(set, 4098);
    (void)add(set, 8191);
    (void)add(set, 12288);
    buf_init(&out, TOKEN_SET_ENCODED_MAX);
    token_set_encode(set, &out);
    CU_ASSERT_EQUAL_FATAL(buf_len(&out), sizeof(want));
    CU_ASSERT_EQUAL(memcmp(buf_slice(&out).data, want, sizeof(want)), 0);
    for (len = 0; len < sizeof(want); len++) {
        enum err err = token_set_decode(slice_of(want, len), &again);
        if (len == 9 || len == 23) { /* ends between pieces */
            CU_ASSERT_EQUAL_FATAL(err, OK);
            token_set_free(again);
        } else {
            CU_ASSERT_EQUAL(err, ERR_MALFORMED);
        }
    }
    token_set_free(set);
    buf_fini(&out);
}

static void
decode_refuses_nonsense(void)
{
    static const struct {
        uint8_t bytes[32];
        size_t len;
    } bad[] = {
        {{2, 0, 0, 0, 0, 0, 0, 0, 1}, 9},                                      /* version */
        {{1, 0, 0, 0, 0, 0, 0, 0, 0}, 9},                                      /* floor 0 */
        {{1, 0, 0, 0, 0, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0, 0, 2, 1, 0, 8}, 21}, /* below floor */
        {{1, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0}, 19},       /* empty list */
        {{1, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 3, 1, 0, 8}, 21}, /* kind */
        {{1, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 2, 2, 0, 8, 0, 8}, 23}, /* twice */
        {{1, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 2, 1, 0x10, 0}, 21},    /* > 4095 */
        {{1, 0, 0, 0, 0, 0, 0, 0, 1, 0xff, 0, 0, 0, 0, 0, 0, 0, 0}, 18},             /* far piece */
        {{1, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0}, 18}, /* full, floor inside */
    };
    struct token_set *set;
    size_t i;
    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        CU_ASSERT_EQUAL(token_set_decode(slice_of(bad[i].bytes, bad[i].len), &set), ERR_MALFORMED);
}

static const struct cunit_case cases[] = {
    CUNIT_CASE(second_time_is_seen),        CUNIT_CASE(hostile_jumps_allocate_little),
    CUNIT_CASE(random_use_equals_a_bitmap), CUNIT_CASE(encoded_bytes_are_as_drawn),
    CUNIT_CASE(decode_refuses_nonsense),
};
CUNIT_MAIN("token_set", cases)
