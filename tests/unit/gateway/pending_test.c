/* SPDX-License-Identifier: Apache-2.0 */
/* Questions that wait for a store. */
#include "services/gateway/pending.h"
#include "tests/unit/cunit_main.h"

#include "common/mem.h"

static uint64_t expired[8];
static size_t count;

static void
note(void *arg, struct pending_call *call)
{
    (void)arg;
    expired[count++] = call->conn;
}

static struct pending_call *
add(struct pending *p, unsigned store, uint64_t conn, uint64_t deadline)
{
    return pending_add(p, store, 100, conn, 0, mem_dup("x", 1), 1, deadline);
}

static void
calls_wait_in_order_per_store(void)
{
    struct pending *p = pending_new(10, 2, 0, note, NULL);
    struct pending_call *a = add(p, 0, 1, 1000);
    struct pending_call *b = add(p, 1, 2, 1000);
    struct pending_call *c = add(p, 0, 3, 1000);
    CU_ASSERT(pending_first(p, 0) == a && pending_first(p, 1) == b);
    pending_fly(a);
    CU_ASSERT_PTR_EQUAL(pending_first(p, 0), c);
    pending_fly(c);
    CU_ASSERT_PTR_NULL(pending_first(p, 0));
    struct pending_call *d = add(p, 0, 4, 1000);
    pending_land(a);
    CU_ASSERT_PTR_EQUAL(pending_first(p, 0), a);
    pending_remove(a);
    CU_ASSERT_PTR_EQUAL(pending_first(p, 0), d);
    pending_remove(d);
    pending_land(c);
    (void)add(p, 0, 5, 1000);
    CU_ASSERT_PTR_EQUAL(pending_first(p, 0), c);
    pending_remove(c);
    CU_ASSERT_EQUAL(pending_first(p, 0)->conn, 5);
    CU_ASSERT_EQUAL(pending_count(p), 2);
    pending_free(p);
}

static void
calls_move_to_another_store(void)
{
    struct pending *p = pending_new(10, 2, 0, note, NULL);
    struct pending_call *a = add(p, 1, 1, 1000), *b = add(p, 1, 2, 1000), *c = add(p, 0, 3, 1000);
    pending_move(a, 0);
    CU_ASSERT(pending_first(p, 0) == c && pending_first(p, 1) == b && a->store == 0);
    pending_move(b, 0);
    CU_ASSERT_PTR_NULL(pending_first(p, 1));
    pending_remove(c);
    CU_ASSERT_PTR_EQUAL(pending_first(p, 0), a);
    pending_remove(a);
    CU_ASSERT_PTR_EQUAL(pending_first(p, 0), b);
    CU_ASSERT_EQUAL(add(p, 1, 4, 1000), pending_first(p, 1)); /* its tail is right */
    pending_free(p);
}

static void
calls_that_land_keep_their_order(void)
{
    struct pending *p = pending_new(10, 1, 0, note, NULL);
    struct pending_call *calls[4];
    for (uint64_t i = 0; i < 4; i++)
        calls[i] = add(p, 0, i, 1000);
    for (unsigned i = 0; i < 3; i++)
        pending_fly(calls[i]);
    pending_land(calls[1]);
    pending_land(calls[0]);
    pending_land(calls[2]);
    (void)add(p, 0, 4, 1000);
    for (uint64_t i = 0; i < 5; i++) {
        CU_ASSERT_EQUAL_FATAL(pending_first(p, 0)->conn, i);
        pending_remove(pending_first(p, 0));
    }
    CU_ASSERT_PTR_NULL(pending_first(p, 0));
    pending_free(p);
}

static void
waiting_call_ends_at_its_deadline(void)
{
    count = 0;
    struct pending *p = pending_new(10, 1, 0, note, NULL);
    (void)add(p, 0, 1, 5000);
    (void)add(p, 0, 2, 10000);
    pending_expire(p, 4900);
    CU_ASSERT_EQUAL(count, 0);
    pending_expire(p, 5100);
    CU_ASSERT(count == 1 && expired[0] == 1);
    CU_ASSERT_EQUAL(pending_count(p), 1);
    CU_ASSERT_EQUAL(pending_first(p, 0)->conn, 2);
    pending_free(p);
}

static void
flying_call_stays_for_its_echo(void)
{
    count = 0;
    struct pending *p = pending_new(10, 1, 0, note, NULL);
    struct pending_call *a = add(p, 0, 1, 5000);
    pending_fly(a);
    pending_expire(p, 6000);
    CU_ASSERT(count == 1 && a->answered);
    CU_ASSERT_EQUAL(pending_count(p), 1);
    pending_expire(p, 60000);
    CU_ASSERT_EQUAL(count, 1);
    pending_remove(a);
    CU_ASSERT_EQUAL(pending_count(p), 0);
    pending_free(p);
}

static void
full_table_refuses(void)
{
    struct pending *p = pending_new(1, 1, 0, note, NULL);
    CU_ASSERT_PTR_NOT_NULL(add(p, 0, 1, 1000));
    CU_ASSERT_PTR_NULL(add(p, 0, 2, 1000));
    pending_free(p);
}

static const struct cunit_case cases[] = {
    CUNIT_CASE(calls_wait_in_order_per_store),    CUNIT_CASE(calls_move_to_another_store),
    CUNIT_CASE(calls_that_land_keep_their_order), CUNIT_CASE(waiting_call_ends_at_its_deadline),
    CUNIT_CASE(flying_call_stays_for_its_echo),   CUNIT_CASE(full_table_refuses),
};
CUNIT_MAIN("pending", cases)
