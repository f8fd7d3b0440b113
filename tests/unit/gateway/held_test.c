/* SPDX-License-Identifier: Apache-2.0 */
/* Records that wait for a peer. */
#include "services/gateway/held.h"
#include "tests/unit/cunit_main.h"

static void
records_come_out_in_order_and_joined(void)
{
    struct held h;
    struct slice parts[2] = {slice_cstr("ab"), slice_cstr("cde")};
    held_init(&h, 1000);
    CU_ASSERT(held_add(&h, 1, true, parts, 2) == OK);
    CU_ASSERT(held_add(&h, 2, false, parts, 1) == OK);
    CU_ASSERT(held_add(&h, 3, true, NULL, 0) == OK);
    const struct held_record *r = held_first(&h);
    CU_ASSERT(r->type == 1 && r->control && slice_equal_cstr(slice_of(r->body, r->len), "abcde"));
    held_pop(&h);
    r = held_first(&h);
    CU_ASSERT(r->type == 2 && !r->control && r->len == 2);
    held_pop(&h);
    CU_ASSERT(held_first(&h)->len == 0);
    held_pop(&h);
    CU_ASSERT(held_first(&h) == NULL && h.bytes == 0 && h.count == 0);
    CU_ASSERT(held_add(&h, 4, true, parts, 2) == OK);
    CU_ASSERT(held_first(&h)->type == 4);
    held_fini(&h);
}

static void
data_stops_at_the_cap_and_control_at_twice_the_cap(void)
{
    struct held h;
    struct slice part = slice_cstr("0123456789");
    size_t data = 0, control = 0;
    held_init(&h, 1000);
    while (held_add(&h, 1, false, &part, 1) == OK)
        data++;
    CU_ASSERT(h.bytes <= 1000 && held_is_heavy(&h));
    while (held_add(&h, 1, true, &part, 1) == OK)
        control++;
    CU_ASSERT(h.bytes <= 2000 && control >= data && data > 0);
    CU_ASSERT(held_add(&h, 1, false, &part, 1) == ERR_BUSY);
    held_fini(&h);
    CU_ASSERT(!held_is_heavy(&h));
}

static uint8_t
pop(struct held *h)
{
    uint8_t type = held_first(h)->type;
    held_pop(h);
    return type;
}

static void
older_records_go_before(void)
{
    struct held h, front;
    struct slice part = slice_cstr("0123456789");
    held_init(&h, 1000);
    held_init(&front, 1000);
    held_put_before(&h, &front); /* nothing, before nothing */
    CU_ASSERT_PTR_NULL(held_first(&h));
    CU_ASSERT_EQUAL(held_add(&front, 1, true, &part, 1), OK);
    held_put_before(&h, &front);
    CU_ASSERT_EQUAL(held_add(&h, 2, true, &part, 1), OK); /* the tail is right */
    CU_ASSERT_EQUAL(held_add(&front, 3, true, &part, 1), OK);
    CU_ASSERT_EQUAL(held_add(&front, 4, true, &part, 1), OK);
    held_put_before(&h, &front);
    CU_ASSERT_EQUAL(front.bytes + front.count, 0);
    CU_ASSERT_EQUAL_FATAL(h.count, 4);
    CU_ASSERT_EQUAL(pop(&h), 3);
    CU_ASSERT_EQUAL(pop(&h), 4);
    CU_ASSERT_EQUAL(pop(&h), 1);
    CU_ASSERT_EQUAL(pop(&h), 2);
    CU_ASSERT_EQUAL(h.bytes, 0);
    held_fini(&front);
    held_fini(&h);
}

static const struct cunit_case cases[] = {
    CUNIT_CASE(records_come_out_in_order_and_joined),
    CUNIT_CASE(older_records_go_before),
    CUNIT_CASE(data_stops_at_the_cap_and_control_at_twice_the_cap),
};
CUNIT_MAIN("held", cases)
