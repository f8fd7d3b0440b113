/* SPDX-License-Identifier: Apache-2.0 */
/* Connections of each address are counted, by threads that know nothing of each other. */
#include "services/gateway/addresses.h"

#include <pthread.h>
#include <string.h>

#include "common/buf.h"
#include "common/mem.h"
#include "tests/unit/cunit_main.h"

static struct address
v4(uint32_t number)
{
    struct address address;
    uint8_t bytes[4];
    buf_store_u32(bytes, number);
    address_from_bytes(&address, bytes, sizeof(bytes), 1883);
    return address;
}

static void
each_address_is_counted_by_itself(void)
{
    struct addresses *addresses = addresses_new(1000);
    struct address a = v4(1), b = v4(2);
    uint32_t place[3];
    CU_ASSERT_EQUAL(addresses_enter(addresses, &a, &place[0]), 1);
    CU_ASSERT_EQUAL(addresses_enter(addresses, &a, &place[1]), 2);
    CU_ASSERT_EQUAL(addresses_enter(addresses, &b, &place[2]), 1);
    addresses_leave(addresses, place[0]);
    CU_ASSERT_EQUAL(addresses_enter(addresses, &a, &place[0]), 2);
    addresses_leave(addresses, place[0]);
    addresses_leave(addresses, place[1]);
    addresses_leave(addresses, place[2]);
    CU_ASSERT_EQUAL(addresses_enter(addresses, &a, &place[0]), 1);
    addresses_free(addresses);
}

static void
ipv6_counts_by_its_first_half(void)
{
    struct addresses *addresses = addresses_new(1000);
    struct address address = {.family = ADDRESS_V6};
    uint32_t place;
    memset(address.bytes, 7, sizeof(address.bytes));
    CU_ASSERT_EQUAL(addresses_enter(addresses, &address, &place), 1);
    address.bytes[15] = 8;
    CU_ASSERT_EQUAL(addresses_enter(addresses, &address, &place), 2);
    address.bytes[7] = 8;
    CU_ASSERT_EQUAL(addresses_enter(addresses, &address, &place), 1);
    addresses_free(addresses);
}

static void
an_address_of_no_family_is_not_counted(void)
{
    struct addresses *addresses = addresses_new(10);
    struct address address = {.family = ADDRESS_NONE};
    uint32_t place = 0;
    CU_ASSERT_EQUAL(addresses_enter(addresses, &address, &place), 0);
    CU_ASSERT_EQUAL(place, ADDRESSES_NO_PLACE);
    addresses_leave(addresses, place);
    addresses_free(addresses);
}

#define MANY 100000u

static void
as_many_addresses_as_promised_have_room_over_and_over(void)
{
    struct addresses *addresses = addresses_new(MANY);
    uint32_t *places = mem_zalloc_array(MANY, sizeof(*places));
    for (uint32_t round = 0; round < 5; round++) {
        unsigned uncounted = 0;
        for (uint32_t i = 0; i < MANY; i++) {
            struct address address = v4(round * MANY + i);
            uint32_t count = addresses_enter(addresses, &address, &places[i]);
            uncounted += count == 0;
            CU_ASSERT(count <= 1);
        }
        CU_ASSERT(uncounted < 3);
        for (uint32_t i = 0; i < MANY; i++)
            addresses_leave(addresses, places[i]);
    }
    mem_free(places);
    addresses_free(addresses);
}

static void *
come_and_go(void *arg)
{
    struct addresses *addresses = arg;
    for (uint32_t i = 0; i < MANY; i++) {
        struct address address = v4(i % 3);
        uint32_t place;
        CU_ASSERT(addresses_enter(addresses, &address, &place) >= 1);
        addresses_leave(addresses, place);
    }
    return NULL;
}

static void
what_threads_do_at_once_adds_up(void)
{
    struct addresses *addresses = addresses_new(10);
    pthread_t threads[2];
    for (int i = 0; i < 2; i++)
        CU_ASSERT_EQUAL_FATAL(pthread_create(&threads[i], NULL, come_and_go, addresses), 0);
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    for (uint32_t i = 0; i < 3; i++) {
        struct address address = v4(i);
        uint32_t place;
        CU_ASSERT_EQUAL(addresses_enter(addresses, &address, &place), 1);
    }
    addresses_free(addresses);
}

static const struct cunit_case cases[] = {
    CUNIT_CASE(each_address_is_counted_by_itself),
    CUNIT_CASE(ipv6_counts_by_its_first_half),
    CUNIT_CASE(an_address_of_no_family_is_not_counted),
    CUNIT_CASE(as_many_addresses_as_promised_have_room_over_and_over),
    CUNIT_CASE(what_threads_do_at_once_adds_up),
};
CUNIT_MAIN("addresses", cases)
