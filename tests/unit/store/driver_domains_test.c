/* SPDX-License-Identifier: Apache-2.0 */
/* A driver made of several: it keeps the contract (without the promise that a batch which fails
 * changes nothing: that holds for each part), and each domain lies where it belongs. */
#include "services/store/driver_domains.h"
#include "services/store/driver_open.h"
#include "tests/unit/store/driver_lmdb_kit.h"

static char other_dir[96];
static struct driver *parts[DRIVER_DOMAIN_COUNT];

static struct driver *
open_lmdb(const char *dir, bool fresh)
{
    struct driver_lmdb_settings settings = {.data_dir = dir, .max_bytes = UINT64_C(1) << 30};
    char why[DRIVER_REASON_SIZE];
    struct driver *driver = NULL;
    if (fresh)
        wipe(dir);
    CU_ASSERT_EQUAL_FATAL(driver_lmdb_open(&settings, why, &driver), OK);
    return driver;
}

/* People and sessions in one, retained messages in another. */
static struct driver *
open_two(bool fresh)
{
    struct driver *one = open_lmdb(data_dir, fresh);
    struct driver *two = open_lmdb(other_dir, fresh);
    parts[DRIVER_PEOPLE] = one;
    parts[DRIVER_RETAINED] = two;
    parts[DRIVER_SESSIONS] = one;
    return driver_domains_new(parts);
}

static void
put_one_of_each(struct batch *batch)
{
    struct slice record = slice_cstr("record");
    batch_session_put(batch, &(struct driver_session){.session = 1, .client_id = record});
    batch_retained_put(batch, slice_cstr("t"), 0, &record, 1);
    batch_message(batch, &record, 1);
    batch_queue_append(batch, 1, 1, 1, NULL, 0);
    batch_queue_append(batch, 1, 2, 1, NULL, 0);
    batch_user_put(batch, &(struct driver_user){.name = slice_cstr("u"), .password = record});
}

static struct driver_totals
totals_of(struct driver *driver)
{
    struct driver_totals totals = {0};
    CU_ASSERT_EQUAL(driver_totals(driver, &totals), OK);
    return totals;
}

static void
each_domain_lies_with_its_driver(void)
{
    struct driver *driver = open_two(true);
    struct batch batch;
    batch_init(&batch);
    put_one_of_each(&batch);
    driver_contract_apply(driver, &batch);
    CU_ASSERT_STRING_EQUAL(driver->ops->name, "people lmdb, retained lmdb, sessions lmdb");
    CU_ASSERT_EQUAL(totals_of(parts[DRIVER_PEOPLE]).user_count, 1);
    CU_ASSERT_EQUAL(totals_of(parts[DRIVER_PEOPLE]).retained_count, 0);
    CU_ASSERT_EQUAL(totals_of(parts[DRIVER_RETAINED]).user_count, 0);
    CU_ASSERT_EQUAL(totals_of(parts[DRIVER_RETAINED]).retained_count, 1);
    CU_ASSERT_EQUAL(totals_of(driver).user_count, 1);
    CU_ASSERT_EQUAL(totals_of(driver).retained_count, 1);
    driver_close(driver);
    CU_ASSERT_EQUAL(rows("queue"), 2);
    batch_fini(&batch);
}

static void
a_part_that_fails_is_made_good_by_the_same_batch(void)
{
    struct buf failed;
    struct buf whole;
    struct batch batch;
    enum driver_domain each;
    batch_init(&batch);
    buf_init(&failed, 1 << 16);
    buf_init(&whole, 1 << 16);
    put_one_of_each(&batch);
    batch.id = 77;
    for (each = DRIVER_RETAINED; each <= DRIVER_SESSIONS; each++) {
        struct driver *driver = open_two(true);
        driver_fault_set(parts[each], 2, 1, ERR_IO);
        CU_ASSERT_EQUAL(driver_apply(driver, &batch), ERR_IO);
        CU_ASSERT_EQUAL(totals_of(driver).user_count, 0); /* sessions and people are one part */
        CU_ASSERT_EQUAL(totals_of(driver).retained_count, each == DRIVER_SESSIONS ? 1 : 0);
        CU_ASSERT_EQUAL(driver_apply(driver, &batch), OK);
        CU_ASSERT_EQUAL(driver_apply(driver, &batch), OK);
        buf_reset(&failed);
        driver_contract_dump(driver, each == DRIVER_RETAINED ? &whole : &failed);
        driver_close(driver);
    }
    CU_ASSERT(slice_equal(buf_slice(&failed), buf_slice(&whole)));
    buf_fini(&failed);
    buf_fini(&whole);
    batch_fini(&batch);
}

static void
one_driver_for_all_is_itself(void)
{
    struct driver *one = open_lmdb(data_dir, true);
    struct driver *const same[DRIVER_DOMAIN_COUNT] = {one, one, one};
    CU_ASSERT_PTR_EQUAL(driver_domains_new(same), one);
    driver_close(one);
}

static void
a_driver_that_cannot_keep_a_domain_is_seen(void)
{
    struct driver *one = open_lmdb(data_dir, true);
    struct driver_ops ops = *one->ops;
    struct driver poor = {.ops = &ops};
    ops.user_page = NULL;
    CU_ASSERT_TRUE(driver_domains_can(one, DRIVER_PEOPLE));
    CU_ASSERT_FALSE(driver_domains_can(&poor, DRIVER_PEOPLE));
    CU_ASSERT_TRUE(driver_domains_can(&poor, DRIVER_RETAINED));
    ops.retained_expired = NULL;
    CU_ASSERT_FALSE(driver_domains_can(&poor, DRIVER_RETAINED));
    CU_ASSERT_TRUE(driver_domains_can(&poor, DRIVER_SESSIONS));
    ops.load = NULL;
    CU_ASSERT_FALSE(driver_domains_can(&poor, DRIVER_SESSIONS));
    driver_close(one);
}

static void
names_choose_the_driver_of_a_domain(void)
{
    static char embedded[] = "embedded";
    static char redis[] = "redis";
    static char nothing[] = "";
    struct store_config config = {.driver = embedded,
                                  .driver_people = nothing,
                                  .driver_retained = nothing,
                                  .driver_sessions = redis};
    CU_ASSERT_TRUE(driver_open_is_name("embedded"));
    CU_ASSERT_FALSE(driver_open_is_name("postgres"));
    CU_ASSERT_FALSE(driver_open_is_name(""));
    CU_ASSERT_STRING_EQUAL(driver_open_choice(&config, DRIVER_PEOPLE), "embedded");
    CU_ASSERT_STRING_EQUAL(driver_open_choice(&config, DRIVER_SESSIONS), "redis");
}

static const struct driver_contract contract = {open_two};

static const struct cunit_case cases[] = {
    DRIVER_CONTRACT_CASES //
        CUNIT_CASE(each_domain_lies_with_its_driver),
    CUNIT_CASE(a_part_that_fails_is_made_good_by_the_same_batch),
    CUNIT_CASE(one_driver_for_all_is_itself),
    CUNIT_CASE(a_driver_that_cannot_keep_a_domain_is_seen),
    CUNIT_CASE(names_choose_the_driver_of_a_domain),
};

int
main(void)
{
    struct cunit_case kept[sizeof(cases) / sizeof(cases[0])];
    size_t count = 0;
    size_t i;
    int failed;
    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        if (strcmp(cases[i].name, "a_batch_that_fails_at_any_step_changes_nothing") != 0)
            kept[count++] = cases[i];
    }
    snprintf(other_dir, sizeof(other_dir), "/tmp/sluice-domains-%d", (int)getpid());
    driver_contract_use(&contract);
    failed = run_in_directory("driver_domains", kept, count);
    wipe(other_dir);
    return failed;
}
