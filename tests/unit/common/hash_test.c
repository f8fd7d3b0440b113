/* SPDX-License-Identifier: Apache-2.0 */
/* Tests of SipHash against its published vectors, and of tables keyed with it. */
#include "common/hash.h"
#include "common/table.h"
#include "tests/unit/cunit_main.h"

static const struct hash_key reference = {UINT64_C(0x0706050403020100),
                                          UINT64_C(0x0f0e0d0c0b0a0908)};

/* Input 00 01 02 ... of the given length; from the authors' vectors.h. */
static void
sip24_gives_the_published_values(void)
{
    static const uint8_t in[16] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
    CU_ASSERT_EQUAL(hash_sip24(in, 0, reference), UINT64_C(0x726fdb47dd0e0e31));
    CU_ASSERT_EQUAL(hash_sip24(in, 1, reference), UINT64_C(0x74f839c593dc67fd));
    CU_ASSERT_EQUAL(hash_sip24(in, 8, reference), UINT64_C(0x93f5f5799a932462));
    CU_ASSERT_EQUAL(hash_sip24(in, 15, reference), UINT64_C(0xa129ca6149be45e5));
}

static void
sip13_gives_the_known_values(void)
{
    static const uint8_t in[1] = {0};
    CU_ASSERT_EQUAL(hash_sip13(in, 0, reference), UINT64_C(0xabac0158050fc4dc));
    CU_ASSERT_EQUAL(hash_sip13(in, 1, reference), UINT64_C(0xc9f49bf37d57ca93));
}

static void
the_stable_hash_is_pinned(void)
{
    CU_ASSERT_EQUAL(hash_stable(slice_cstr("")), UINT64_C(0x1e924b9d737700d7));
    CU_ASSERT_EQUAL(hash_stable(slice_cstr("client-1")), hash_stable(slice_cstr("client-1")));
    CU_ASSERT_NOT_EQUAL(hash_stable(slice_cstr("client-1")), hash_stable(slice_cstr("client-2")));
}

static void
rendezvous_moves_only_what_must_move(void)
{
    uint64_t holders[4];
    unsigned counts[4] = {0};
    unsigned key;
    unsigned moved = 0;
    unsigned i;
    for (i = 0; i < 4; i++)
        holders[i] = hash_stable(slice_of(&i, sizeof(i)));
    for (key = 0; key < 4000; key++) {
        uint64_t h = hash_stable(slice_of(&key, sizeof(key)));
        unsigned best4 = 0;
        unsigned best3 = 0;
        for (i = 1; i < 4; i++) {
            if (hash_rendezvous(h, holders[i]) > hash_rendezvous(h, holders[best4]))
                best4 = i;
            if (i < 3 && hash_rendezvous(h, holders[i]) > hash_rendezvous(h, holders[best3]))
                best3 = i;
        }
        counts[best4]++;
        moved += best4 != 3 && best4 != best3;
    }
    CU_ASSERT_EQUAL(moved, 0);
    for (i = 0; i < 4; i++)
        CU_ASSERT(counts[i] > 800 && counts[i] < 1200);
}

struct item {
    uint64_t id;
    char *name;
    UT_hash_handle hh;
    UT_hash_handle hh_name;
};

static void
tables_find_by_number_and_by_bytes(void)
{
    struct item *by_id = NULL;
    struct item *by_name = NULL;
    struct item *item;
    struct item *next;
    uint64_t i;
    unsigned found = 0;
    for (i = 0; i < 3000; i++) {
        char name[32];
        item = mem_zalloc(sizeof(*item));
        item->id = i << 32;
        str_format(name, sizeof(name), "client-%u", (unsigned)i);
        item->name = mem_strdup(name);
        HASH_ADD(hh, by_id, id, sizeof(item->id), item);
        HASH_ADD_KEYPTR(hh_name, by_name, item->name, strlen(item->name), item);
    }
    for (i = 0; i < 4000; i++) {
        uint64_t id = i << 32;
        HASH_FIND(hh, by_id, &id, sizeof(id), item);
        found += item != NULL && item->id == id;
    }
    CU_ASSERT_EQUAL(found, 3000);
    HASH_FIND(hh_name, by_name, "client-2999", 11, item);
    CU_ASSERT(item != NULL && item->id == (uint64_t)2999 << 32);
    HASH_ITER(hh, by_id, item, next)
    {
        HASH_DELETE(hh, by_id, item);
        HASH_DELETE(hh_name, by_name, item);
        mem_free(item->name);
        mem_free(item);
    }
    CU_ASSERT_PTR_NULL(by_id);
    CU_ASSERT_PTR_NULL(by_name);
}

static const struct cunit_case cases[] = {
    CUNIT_CASE(sip24_gives_the_published_values),
    CUNIT_CASE(sip13_gives_the_known_values),
    CUNIT_CASE(the_stable_hash_is_pinned),
    CUNIT_CASE(rendezvous_moves_only_what_must_move),
    CUNIT_CASE(tables_find_by_number_and_by_bytes),
};
CUNIT_MAIN("hash", cases)
