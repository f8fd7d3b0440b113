/* SPDX-License-Identifier: Apache-2.0 */
/* The contract of drivers about people: pages of users, and rows of all kinds. */
#include "tests/unit/store/driver_contract_kit.h"

static void
last_user(void *arg, const struct driver_user *user)
{
    char *last = arg;
    CU_ASSERT(strlen(last) == 0 || slice_compare(slice_cstr(last), user->name) < 0);
    snprintf(last, 32, "%.*s", (int)user->name.len, (const char *)user->name.data);
}

void
driver_contract_users_are_listed_in_pages(void)
{
    struct fixture f = driver_contract_begin();
    char name[32], last[32];
    int i;
    size_t page;
    for (i = 0; i < 100; i++) {
        snprintf(name, sizeof(name), "user/%03d", (i * 37) % 100);
        batch_user_put(&f.batch, &(struct driver_user){.name = text(name), .changed_ms = 1});
    }
    driver_contract_apply(f.driver, &f.batch);
    for (page = 1; page <= 101; page += 10) {
        bool more = true;
        size_t pages = 0;
        last[0] = '\0';
        while (more) {
            memcpy(name, last, sizeof(name));
            CU_ASSERT_EQUAL_FATAL(
                driver_user_page(f.driver, text(name), page, last_user, last, &more), OK);
            pages++;
        }
        CU_ASSERT_EQUAL(pages, (100 + page - 1) / page);
        CU_ASSERT_STRING_EQUAL(last, "user/099");
    }
    driver_contract_end(&f);
}

static void
put_row(struct batch *batch, uint8_t kind, const char *name, const char *value, uint64_t time_ms)
{
    batch_row_put(batch, &(struct driver_row){kind, text(name), text(value), time_ms});
}

/* What pages of `page` rows of the kind say, one behind the other. */
static void
expect_rows(struct driver *driver, uint8_t kind, size_t page, const char *want)
{
    struct buf got;
    buf_init(&got, 1 << 20);
    driver_contract_dump_rows(driver, kind, page, &got);
    CU_ASSERT(slice_equal_cstr(buf_slice(&got), want));
    buf_fini(&got);
}

void
driver_contract_rows_of_a_kind_are_apart(void)
{
    struct fixture f = driver_contract_begin();
    struct buf got;
    buf_init(&got, 1000);
    put_row(&f.batch, DRIVER_ROW_ROLE, "x", "role", 1);
    put_row(&f.batch, DRIVER_ROW_BAN, "x", "ban", 2);
    put_row(&f.batch, DRIVER_ROW_BAN, "ip:10.0.0.0/8", "net", 3);
    put_row(&f.batch, DRIVER_ROW_KEY, "x", "key", 4);
    put_row(&f.batch, DRIVER_ROW_AUDIT, "x", "audit", 5);
    put_row(&f.batch, DRIVER_ROW_BAN, "x", "later", 6);
    driver_contract_apply(f.driver, &f.batch);
    expect_rows(f.driver, DRIVER_ROW_ROLE, 1, "row 1 x,role 1\n");
    expect_rows(f.driver, DRIVER_ROW_BAN, 1, "row 2 ip:10.0.0.0/8,net 3\nrow 2 x,later 6\n");
    expect_rows(f.driver, DRIVER_ROW_KEY, 9, "row 3 x,key 4\n");
    expect_rows(f.driver, DRIVER_ROW_AUDIT, 9, "row 4 x,audit 5\n");
    CU_ASSERT_EQUAL(
        driver_row_get(f.driver, DRIVER_ROW_KEY, text("x"), driver_contract_dump_row, &got), OK);
    CU_ASSERT_EQUAL(driver_row_get(f.driver, DRIVER_ROW_KEY, text("ip:10.0.0.0/8"),
                                   driver_contract_dump_row, &got),
                    ERR_NOT_FOUND);
    CU_ASSERT_EQUAL(
        driver_row_get(f.driver, DRIVER_ROW_KEY, text(""), driver_contract_dump_row, &got),
        ERR_NOT_FOUND);
    CU_ASSERT(slice_equal_cstr(buf_slice(&got), "row 3 x,key 4\n"));
    batch_row_delete(&f.batch, DRIVER_ROW_BAN, text("x"));
    batch_row_delete(&f.batch, DRIVER_ROW_AUDIT, text("y"));
    driver_contract_apply(f.driver, &f.batch);
    driver_contract_reopen(&f);
    expect_rows(f.driver, DRIVER_ROW_BAN, 2, "row 2 ip:10.0.0.0/8,net 3\n");
    expect_rows(f.driver, DRIVER_ROW_KEY, 2, "row 3 x,key 4\n");
    buf_fini(&got);
    driver_contract_end(&f);
}

void
driver_contract_rows_are_listed_in_pages(void)
{
    struct fixture f = driver_contract_begin();
    struct buf want;
    char name[32];
    unsigned i;
    buf_init(&want, 1 << 16);
    for (i = 0; i < 100; i++) {
        snprintf(name, sizeof(name), "%016x", i * 37 % 100);
        put_row(&f.batch, DRIVER_ROW_AUDIT, name, "v", i * 37 % 100);
        buf_printf(&want, "row 4 %016x,v %u\n", i, i);
    }
    put_row(&f.batch, DRIVER_ROW_KEY, "last of another kind", "v", 1);
    driver_contract_apply(f.driver, &f.batch);
    buf_put_u8(&want, 0);
    for (i = 1; i <= 101; i += 20)
        expect_rows(f.driver, DRIVER_ROW_AUDIT, i, (const char *)buf_slice(&want).data);
    buf_fini(&want);
    driver_contract_end(&f);
}

struct long_row {
    size_t rows, name_len, value_len;
};

static void
seen_row(void *arg, const struct driver_row *row)
{
    struct long_row *seen = arg;
    seen->rows++;
    seen->name_len = row->name.len;
    seen->value_len = row->value.len;
}

void
driver_contract_long_rows_come_back(void)
{
    struct fixture f = driver_contract_begin();
    char *name = mem_zalloc(65536), *other = mem_zalloc(65536);
    char *value = mem_zalloc(BATCH_ROW_MAX + 1);
    struct long_row seen = {0};
    bool more;
    memset(name, 'n', 65535);
    memset(other, 'n', 65535);
    other[65534] = 'o';
    memset(value, 'v', BATCH_ROW_MAX);
    put_row(&f.batch, DRIVER_ROW_ROLE, name, value, 1);
    put_row(&f.batch, DRIVER_ROW_ROLE, other, "", 1);
    driver_contract_apply(f.driver, &f.batch);
    driver_contract_reopen(&f);
    CU_ASSERT_EQUAL(driver_row_get(f.driver, DRIVER_ROW_ROLE, text(name), seen_row, &seen), OK);
    CU_ASSERT_EQUAL(seen.name_len, 65535);
    CU_ASSERT_EQUAL(seen.value_len, BATCH_ROW_MAX);
    CU_ASSERT_EQUAL(driver_row_get(f.driver, DRIVER_ROW_ROLE, text(other), seen_row, &seen), OK);
    CU_ASSERT_EQUAL(seen.value_len, 0);
    CU_ASSERT_EQUAL(
        driver_row_page(f.driver, DRIVER_ROW_ROLE, text(""), 10, seen_row, &seen, &more), OK);
    CU_ASSERT_EQUAL(seen.rows, 4);
    CU_ASSERT_FALSE(more);
    mem_free(name);
    mem_free(other);
    mem_free(value);
    driver_contract_end(&f);
}
