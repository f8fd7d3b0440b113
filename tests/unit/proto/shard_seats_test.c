/* SPDX-License-Identifier: Apache-2.0 */
/* Seats of shards: the later store has it, the replaced one does not come back, all agree on the
 * count. */
#include "proto/shard_seats.h"

#include "tests/unit/cunit_main.h"

static uint32_t former;

static enum err
take(struct shard_seats *seats, uint32_t store, uint32_t number, uint32_t count, uint64_t term)
{
    struct shard_claim claim = {.number = number, .count = count, .term = term};
    former = 77;
    return shard_seats_take(seats, store, &claim, &former);
}

static void
a_store_takes_its_seat_and_keeps_it_while_away(void)
{
    struct shard_seats seats;
    shard_seats_init(&seats, 0);
    CU_ASSERT_EQUAL(seats.shards.count, 0);
    CU_ASSERT_EQUAL(shard_seats_of(&seats, 5), SHARD_SEATS_NONE);
    CU_ASSERT_EQUAL(take(&seats, 5, 1, 2, 3), OK);
    CU_ASSERT_EQUAL(former, 0);
    CU_ASSERT_EQUAL(seats.shards.count, 2);
    CU_ASSERT_EQUAL(shard_seats_of(&seats, 5), 1);
    CU_ASSERT_EQUAL(shard_seats_holder(&seats, 1), 5);
    CU_ASSERT_EQUAL(shard_seats_holder(&seats, 0), 0);
    shard_seats_down(&seats, 5);
    CU_ASSERT_EQUAL(shard_seats_holder(&seats, 1), 5);
    CU_ASSERT_EQUAL(take(&seats, 5, 1, 2, 1), OK); /* with new data, even */
    CU_ASSERT_EQUAL(former, 0);
}

static void
a_higher_term_takes_over(void)
{
    struct shard_seats seats;
    shard_seats_init(&seats, 0);
    CU_ASSERT_EQUAL(take(&seats, 5, 1, 2, 3), OK);
    CU_ASSERT_EQUAL(take(&seats, 6, 1, 2, 4), OK);
    CU_ASSERT_EQUAL(former, 5);
    CU_ASSERT_EQUAL(shard_seats_holder(&seats, 1), 6);
    CU_ASSERT_EQUAL(shard_seats_of(&seats, 5), SHARD_SEATS_NONE);
}

static void
the_replaced_one_does_not_come_back(void)
{
    struct shard_seats seats;
    shard_seats_init(&seats, 0);
    CU_ASSERT_EQUAL(take(&seats, 5, 1, 2, 3), OK);
    CU_ASSERT_EQUAL(take(&seats, 6, 1, 2, 4), OK);
    CU_ASSERT_EQUAL(take(&seats, 5, 1, 2, 3), ERR_STALE);
    CU_ASSERT_EQUAL(take(&seats, 5, 1, 2, 4), ERR_STALE);
    CU_ASSERT_EQUAL(shard_seats_holder(&seats, 1), 6);
    shard_seats_down(&seats, 5); /* has none */
    CU_ASSERT_EQUAL(take(&seats, 7, 1, 2, 4), ERR_STALE);
}

static void
who_is_away_can_be_replaced_whatever_the_term(void)
{
    struct shard_seats seats;
    shard_seats_init(&seats, 0);
    CU_ASSERT_EQUAL(take(&seats, 5, 0, 1, 9), OK);
    shard_seats_down(&seats, 5);
    CU_ASSERT_EQUAL(take(&seats, 6, 0, 1, 1), OK);
    CU_ASSERT_EQUAL(former, 5);
}

static void
another_count_is_refused(void)
{
    struct shard_seats seats;
    shard_seats_init(&seats, 2);
    CU_ASSERT_EQUAL(take(&seats, 5, 0, 3, 9), ERR_INVALID);
    CU_ASSERT_EQUAL(take(&seats, 5, 0, 2, 9), OK);
    CU_ASSERT_EQUAL(take(&seats, 6, 1, 4, 9), ERR_INVALID);
    CU_ASSERT_EQUAL(shard_seats_holder(&seats, 1), 0);
}

static void
a_store_has_one_seat(void)
{
    struct shard_seats seats;
    shard_seats_init(&seats, 3);
    CU_ASSERT_EQUAL(take(&seats, 5, 0, 3, 1), OK);
    CU_ASSERT_EQUAL(take(&seats, 5, 2, 3, 8), OK);
    CU_ASSERT_EQUAL(former, 0);
    CU_ASSERT_EQUAL(shard_seats_of(&seats, 5), 2);
    CU_ASSERT_EQUAL(shard_seats_holder(&seats, 0), 0);
}

static const struct cunit_case cases[] = {
    CUNIT_CASE(a_store_takes_its_seat_and_keeps_it_while_away),
    CUNIT_CASE(a_higher_term_takes_over),
    CUNIT_CASE(the_replaced_one_does_not_come_back),
    CUNIT_CASE(who_is_away_can_be_replaced_whatever_the_term),
    CUNIT_CASE(another_count_is_refused),
    CUNIT_CASE(a_store_has_one_seat),
};
CUNIT_MAIN("shard_seats", cases)
