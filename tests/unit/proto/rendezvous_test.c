/* SPDX-License-Identifier: Apache-2.0 */
/* Rendezvous hashing: stable, fair, and only the keys of the member that changes move. */
#include "proto/rendezvous.h"

#include "tests/unit/cunit_main.h"
#include <stdio.h>

enum { KEYS = 20000, MEMBERS = 5 };

static uint64_t
key(unsigned i)
{
    char text[32];
    int n = snprintf(text, sizeof(text), "topic/%u", i);
    return rendezvous_key(slice_of(text, (size_t)n));
}

static void
fill(struct rendezvous *set)
{
    static const char *const names[MEMBERS] = {"core-0:7201", "core-1:7201", "core-2:7201",
                                               "core-3:7201", "core-4:7201"};
    uint32_t i;
    rendezvous_init(set);
    for (i = 0; i < MEMBERS; i++)
        rendezvous_add(set, i, slice_cstr(names[i]));
}

static void
empty_set_owns_nothing(void)
{
    struct rendezvous set;
    rendezvous_init(&set);
    CU_ASSERT_EQUAL(rendezvous_choose(&set, key(1)), RENDEZVOUS_NONE);
    rendezvous_add(&set, 63, slice_cstr("x"));
    CU_ASSERT_EQUAL(rendezvous_choose(&set, key(1)), 63);
}

static void
the_owner_is_the_same_whether_the_key_comes_hashed_or_not(void)
{
    struct rendezvous set, one;
    fill(&set);
    rendezvous_init(&one);
    CU_ASSERT_EQUAL(rendezvous_owner(&one, slice_cstr("topic/1")), RENDEZVOUS_NONE);
    rendezvous_add(&one, 3, slice_cstr("core-3:7201"));
    CU_ASSERT_EQUAL(rendezvous_owner(&one, slice_cstr("topic/1")), 3);
    for (unsigned i = 0; i < 100; i++) {
        char text[32];
        (void)snprintf(text, sizeof(text), "topic/%u", i);
        CU_ASSERT_EQUAL(rendezvous_owner(&set, slice_cstr(text)), rendezvous_choose(&set, key(i)));
    }
}

static void
only_keys_of_the_member_that_leaves_move(void)
{
    struct rendezvous set, less;
    unsigned i, moved = 0;
    fill(&set);
    less = set;
    rendezvous_remove(&less, 2);
    for (i = 0; i < KEYS; i++) {
        uint32_t a = rendezvous_choose(&set, key(i)), b = rendezvous_choose(&less, key(i));
        CU_ASSERT_TRUE(b != 2);
        if (a == 2)
            moved++;
        else
            CU_ASSERT_EQUAL(a, b);
    }
    CU_ASSERT_TRUE(moved > KEYS / MEMBERS * 9 / 10 && moved < KEYS / MEMBERS * 11 / 10);
}

static void
choice_does_not_depend_on_numbers(void)
{
    struct rendezvous set, other;
    unsigned i;
    fill(&set);
    rendezvous_init(&other);
    rendezvous_add(&other, 9, slice_cstr("core-0:7201"));
    rendezvous_add(&other, 3, slice_cstr("core-1:7201"));
    rendezvous_remove(&set, 2);
    rendezvous_remove(&set, 3);
    rendezvous_remove(&set, 4);
    for (i = 0; i < KEYS / 10; i++)
        CU_ASSERT_EQUAL(rendezvous_choose(&set, key(i)) == 0,
                        rendezvous_choose(&other, key(i)) == 9);
}

static const struct cunit_case cases[] = {
    CUNIT_CASE(empty_set_owns_nothing),
    CUNIT_CASE(the_owner_is_the_same_whether_the_key_comes_hashed_or_not),
    CUNIT_CASE(only_keys_of_the_member_that_leaves_move),
    CUNIT_CASE(choice_does_not_depend_on_numbers),
};
CUNIT_MAIN("rendezvous", cases)
