/* SPDX-License-Identifier: Apache-2.0 */
/* The part of the contract about queues and the messages in them. */
#include "tests/unit/store/driver_contract_kit.h"

#include <pthread.h>

static void
count_entry(void *arg, const struct driver_entry *entry)
{
    uint64_t *counts = arg;
    counts[0]++;
    counts[1] = entry->seq;
}

void
driver_contract_queue_pages_keep_their_limits(void)
{
    struct fixture f = driver_contract_begin();
    struct buf whole, paged;
    uint64_t seq;
    size_t page;
    static const struct {
        uint64_t from;
        size_t max_count, max_bytes;
        uint64_t count, last;
        bool more;
    } table[] = {
        {0, 100, 1000000, 20, 40, false}, {0, 20, 1000000, 20, 40, false},
        {0, 19, 1000000, 19, 38, true},   {3, 2, 1000000, 2, 6, true},
        {4, 2, 1000000, 2, 6, true},      {41, 10, 10, 0, 0, false},
        {0, 100, 1, 1, 2, true},          {0, 100, 0, 1, 2, true},
        {0, 100, 11, 2, 4, true},         {39, 100, 1, 1, 40, false},
        {0, 0, 10, 0, 0, true},
    };
    size_t i;
    session(&f.batch, 1, "c");
    for (seq = 1; seq <= 20; seq++) {
        message(&f.batch, "ten bytes.");
        batch_queue_append(&f.batch, 1, 2 * seq, 1, NULL, 0);
        if (seq % 2 == 0)
            batch_queue_append(&f.batch, 2, seq, 1, NULL, 0);
    }
    driver_contract_apply(f.driver, &f.batch);
    for (i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        uint64_t counts[2] = {0, 0};
        bool more = !table[i].more;
        CU_ASSERT_EQUAL(driver_queue_page(f.driver, 1, table[i].from, table[i].max_count,
                                          table[i].max_bytes, count_entry, counts, &more),
                        OK);
        CU_ASSERT_EQUAL(counts[0], table[i].count);
        CU_ASSERT_EQUAL(counts[1], table[i].last);
        CU_ASSERT_EQUAL(more, table[i].more);
    }
    buf_init(&whole, 100000);
    buf_init(&paged, 100000);
    driver_contract_dump_entries(f.driver, 1, 1000, &whole);
    for (page = 1; page < 25; page++) {
        buf_reset(&paged);
        driver_contract_dump_entries(f.driver, 1, page, &paged);
        CU_ASSERT(slice_equal(buf_slice(&whole), buf_slice(&paged)));
    }
    buf_fini(&whole);
    buf_fini(&paged);
    driver_contract_end(&f);
}

void
driver_contract_a_body_lives_as_long_as_its_last_entry(void)
{
    struct fixture f = driver_contract_begin();
    message(&f.batch, "body");
    batch_queue_append(&f.batch, 1, 1, 1, NULL, 0);
    batch_queue_append(&f.batch, 2, 1, 1, NULL, 0);
    batch_queue_append(&f.batch, 3, 1, 1, NULL, 0);
    message(&f.batch, "without entries");
    driver_contract_apply(f.driver, &f.batch);
    batch_queue_remove(&f.batch, 1, 1);
    batch_queue_remove(&f.batch, 1, 1); /* twice counts once */
    driver_contract_apply(f.driver, &f.batch);
    batch_queue_remove(&f.batch, 1, 1);
    batch_session_delete(&f.batch, 3);
    batch_session_delete(&f.batch, 3);
    driver_contract_apply(f.driver, &f.batch);
    EXPECT(f.driver, "queue 2 n=1 bytes=4 1..1\nentry 1 flags=1 ids= body\ntotals 0 0 0\n");
    batch_queue_remove(&f.batch, 2, 1);
    driver_contract_apply(f.driver, &f.batch);
    EXPECT(f.driver, "totals 0 0 0\n");
    driver_contract_end(&f);
}

void
driver_contract_a_recorded_entry_stays_without_its_message(void)
{
    struct fixture f = driver_contract_begin();
    static const uint32_t id = 5;
    message(&f.batch, "body");
    batch_queue_append(&f.batch, 1, 1, 2, &id, 1);
    batch_queue_append(&f.batch, 2, 1, 2, NULL, 0);
    message(&f.batch, "alone");
    batch_queue_append(&f.batch, 1, 2, 2, NULL, 0);
    driver_contract_apply(f.driver, &f.batch);
    batch_queue_mark_rec(&f.batch, 1, 1);
    batch_queue_mark_rec(&f.batch, 1, 1);
    batch_queue_mark_rec(&f.batch, 1, 2);
    driver_contract_apply(f.driver, &f.batch);
    EXPECT(f.driver, "queue 1 n=2 bytes=0 1..2\nqueue 2 n=1 bytes=4 1..1\n"
                     "entry 1 flags=18 ids= \nentry 2 flags=18 ids= \n"
                     "entry 1 flags=2 ids= body\ntotals 0 0 0\n");
    batch_queue_remove(&f.batch, 1, 1);
    batch_queue_remove(&f.batch, 1, 2);
    batch_queue_remove(&f.batch, 2, 1);
    driver_contract_apply(f.driver, &f.batch);
    EXPECT(f.driver, "totals 0 0 0\n");
    driver_contract_end(&f);
}

void
driver_contract_an_append_replaces_the_entry_of_that_sequence(void)
{
    struct fixture f = driver_contract_begin();
    message(&f.batch, "first");
    batch_queue_append(&f.batch, 1, 1, 1, NULL, 0);
    batch_queue_append(&f.batch, 2, 1, 1, NULL, 0);
    message(&f.batch, "second");
    batch_queue_append(&f.batch, 1, 1, 2, NULL, 0);
    driver_contract_apply(f.driver, &f.batch);
    EXPECT(f.driver, "queue 1 n=1 bytes=6 1..1\nqueue 2 n=1 bytes=5 1..1\n"
                     "entry 1 flags=2 ids= second\nentry 1 flags=1 ids= first\ntotals 0 0 0\n");
    driver_contract_end(&f);
}

/* ---- reads beside a writer ---- */

#define GROUP 7

struct reader {
    struct driver *driver;
    _Atomic bool stop;
    _Atomic uint64_t reads;
    uint64_t torn;
};

static void *
reader_main(void *arg)
{
    struct reader *reader = arg;
    while (!atomic_load(&reader->stop)) {
        uint64_t counts[2] = {0, 0};
        bool more;
        if (driver_queue_page(reader->driver, 1, 0, 100000, SIZE_MAX, count_entry, counts, &more) !=
                OK ||
            counts[0] % GROUP != 0)
            reader->torn++;
        atomic_fetch_add(&reader->reads, 1);
    }
    return NULL;
}

void
driver_contract_readers_see_whole_batches_while_one_is_applied(void)
{
    struct fixture f = driver_contract_begin();
    struct reader reader = {.driver = f.driver};
    uint64_t seq = 1, batch_number;
    pthread_t thread;
    CU_ASSERT_EQUAL_FATAL(pthread_create(&thread, NULL, reader_main, &reader), 0);
    for (batch_number = 0; batch_number < 50 || atomic_load(&reader.reads) < 20; batch_number++) {
        int i;
        for (i = 0; i < GROUP; i++) {
            message(&f.batch, "body");
            batch_queue_append(&f.batch, 1, seq++, 1, NULL, 0);
            if (seq > 99) /* whole groups: their number stays a multiple */
                batch_queue_remove(&f.batch, 1, seq - 99);
        }
        driver_contract_apply(f.driver, &f.batch);
    }
    atomic_store(&reader.stop, true);
    pthread_join(thread, NULL);
    CU_ASSERT_EQUAL(reader.torn, 0);
    driver_contract_end(&f);
}
