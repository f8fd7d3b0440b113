/* SPDX-License-Identifier: Apache-2.0 */
/* The rooms of roles, bans, keys and the audit: texts of rows, their order, names of bans, pages.
 */
#include "common/mem.h"
#include "services/store/audit.h"
#include "services/store/ban.h"
#include "services/store/key.h"
#include "services/store/row_text.h"
#include "tests/unit/cunit_main.h"

#include <stdio.h>
#include <string.h>

static void
a_text_keeps_its_lines(void)
{
    struct slice rest, word, value;
    struct buf text;
    buf_init(&text, 1000);
    row_text_put_u64(&text, "until", 0);
    row_text_put_u64(&text, "until", 12);
    row_text_put(&text, "reason", slice_cstr("two words\nactor evil"));
    row_text_put(&text, "actor", slice_cstr(""));
    CU_ASSERT(slice_equal_cstr(buf_slice(&text), "until 12\nreason two words?actor evil\n"));
    rest = buf_slice(&text);
    CU_ASSERT_TRUE_FATAL(row_text_next(&rest, &word, &value));
    CU_ASSERT(slice_equal_cstr(word, "until") && slice_equal_cstr(value, "12"));
    CU_ASSERT_TRUE_FATAL(row_text_next(&rest, &word, &value));
    CU_ASSERT(slice_equal_cstr(value, "two words?actor evil"));
    CU_ASSERT_FALSE(row_text_next(&rest, &word, &value));
    CU_ASSERT_TRUE(row_text_is_plain("r\xc3\xa4son", 6));
    CU_ASSERT_FALSE(row_text_is_plain("r\xc3\xa4son", 5));
    CU_ASSERT_FALSE(row_text_is_plain("a\tb", 9));
    CU_ASSERT_FALSE(row_text_is_plain("\xff", 9));
    buf_fini(&text);
}

static void
rows_stand_in_the_order_of_their_names(void)
{
    static const char *const names[] = {"m", "b", "z", "a", "m"};
    struct people_rows rows = {0};
    struct people_row *row;
    size_t i;
    for (i = 0; i < 5; i++)
        CU_ASSERT_EQUAL(people_rows_put(&rows, names[i], slice_cstr(names[i]), i, &row), OK);
    CU_ASSERT_EQUAL_FATAL(rows.count, 4);
    CU_ASSERT_EQUAL(rows.bytes, 4);
    CU_ASSERT_STRING_EQUAL(rows.rows[0]->name, "a");
    CU_ASSERT_STRING_EQUAL(rows.rows[3]->name, "z");
    CU_ASSERT_EQUAL(people_rows_get(&rows, "m")->revision, 4);
    CU_ASSERT_PTR_NULL(people_rows_get(&rows, "n"));
    CU_ASSERT_EQUAL(people_rows_after(&rows, ""), 0);
    CU_ASSERT_EQUAL(people_rows_after(&rows, "b"), 2);
    CU_ASSERT_EQUAL(people_rows_after(&rows, "c"), 2);
    CU_ASSERT_EQUAL(people_rows_after(&rows, "z"), 4);
    people_rows_remove(&rows, "b");
    people_rows_remove(&rows, "nothing");
    CU_ASSERT_EQUAL(rows.count, 3);
    CU_ASSERT_EQUAL(rows.bytes, 3);
    CU_ASSERT_STRING_EQUAL(rows.rows[1]->name, "m");
    people_rows_fini(&rows);
}

static void
rows_are_bounded_in_number_and_bytes(void)
{
    struct people_rows rows = {0};
    struct people_row *row;
    char *big = mem_zalloc(PEOPLE_ROWS_BYTES);
    char name[16];
    unsigned i;
    for (i = 0; i < PEOPLE_ROWS_MAX; i++) {
        (void)snprintf(name, sizeof(name), "%u", i);
        CU_ASSERT_EQUAL_FATAL(people_rows_put(&rows, name, slice_cstr(""), 1, &row), OK);
    }
    CU_ASSERT_EQUAL(people_rows_put(&rows, "one more", slice_cstr(""), 1, &row), ERR_QUOTA);
    CU_ASSERT_EQUAL(people_rows_put(&rows, "7", slice_of(big, PEOPLE_ROWS_BYTES), 2, &row), OK);
    CU_ASSERT_EQUAL(people_rows_put(&rows, "7", slice_of(big, PEOPLE_ROWS_BYTES), 3, &row), OK);
    CU_ASSERT_EQUAL(people_rows_put(&rows, "8", slice_of(big, 1), 3, &row), ERR_QUOTA);
    CU_ASSERT_EQUAL(people_rows_put(&rows, "7", slice_of(big, 1), 4, &row), OK);
    CU_ASSERT_EQUAL(people_rows_put(&rows, "8", slice_of(big, 1), 3, &row), OK);
    people_rows_fini(&rows);
    mem_free(big);
}

static void
a_ban_has_one_name_however_it_is_written(void)
{
    static const struct {
        Sluice__BanKind kind;
        const char *subject;
        const char *name; /* NULL: refused */
    } table[] = {
        {SLUICE__BAN_KIND__BAN_USER, "ann", "user:ann"},
        {SLUICE__BAN_KIND__BAN_CLIENT, "a/b #", "client:a/b #"},
        {SLUICE__BAN_KIND__BAN_ADDRESS, "192.0.2.7", "address:192.0.2.7"},
        {SLUICE__BAN_KIND__BAN_ADDRESS, "192.0.2.7/32", "address:192.0.2.7"},
        {SLUICE__BAN_KIND__BAN_ADDRESS, "192.0.2.7/24", "address:192.0.2.0/24"},
        {SLUICE__BAN_KIND__BAN_ADDRESS, "::ffff:192.0.2.7", "address:192.0.2.7"},
        {SLUICE__BAN_KIND__BAN_ADDRESS, "2001:DB8::1/32", "address:2001:db8::/32"},
        {SLUICE__BAN_KIND__BAN_ADDRESS, "2001:db8::1", "address:2001:db8::1"},
        {SLUICE__BAN_KIND__BAN_ADDRESS, "0.0.0.0/0", "address:0.0.0.0/0"},
        {SLUICE__BAN_KIND__BAN_ADDRESS, "example.org", NULL},
        {SLUICE__BAN_KIND__BAN_ADDRESS, "192.0.2.7/33", NULL},
        {SLUICE__BAN_KIND__BAN_USER, "", NULL},
        {SLUICE__BAN_KIND__BAN_USER, "a\nb", NULL},
        {SLUICE__BAN_KIND__BAN_NONE, "ann", NULL},
        {(Sluice__BanKind)9, "ann", NULL},
    };
    char name[PEOPLE_ROW_NAME_MAX];
    size_t i;
    for (i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        enum err err = ban_name(table[i].kind, table[i].subject, name);
        CU_ASSERT_EQUAL(err, table[i].name != NULL ? OK : ERR_INVALID);
        if (err == OK)
            CU_ASSERT_STRING_EQUAL(name, table[i].name);
    }
}

static void
a_ban_comes_back_from_its_row(void)
{
    struct people_rows rows = {0};
    struct people_row *row;
    Sluice__Ban ban;
    struct buf text;
    buf_init(&text, 1000);
    ban_encode(77, "why", "ann", &text);
    CU_ASSERT_EQUAL_FATAL(people_rows_put(&rows, "address:10.0.0.0/8", buf_slice(&text), 5, &row),
                          OK);
    CU_ASSERT_EQUAL(ban_until(buf_slice(&text)), 77);
    ban_message(row, &ban);
    CU_ASSERT_EQUAL(ban.kind, SLUICE__BAN_KIND__BAN_ADDRESS);
    CU_ASSERT_STRING_EQUAL(ban.subject, "10.0.0.0/8");
    CU_ASSERT_STRING_EQUAL(ban.reason, "why");
    CU_ASSERT_STRING_EQUAL(ban.actor, "ann");
    CU_ASSERT_EQUAL(ban.until_ms, 77);
    CU_ASSERT_EQUAL(ban.revision, 5);
    ban_message_fini(&ban);
    people_rows_fini(&rows);
    buf_fini(&text);
}

static void
a_key_keeps_a_hash_and_nothing_of_its_secret(void)
{
    char *roles[] = {(char *)(uintptr_t) "ADMIN", (char *)(uintptr_t) "a b"};
    Sluice__KeyPut put = SLUICE__KEY_PUT__INIT;
    char secret[ACCESS_SECRET_LEN + 1];
    uint8_t hash[CRYPT_SHA256_LEN];
    struct people_rows rows = {0};
    struct people_row *row;
    struct buf text;
    Sluice__Key key;
    buf_init(&text, 10000);
    key_secret_new(secret);
    CU_ASSERT_EQUAL(strlen(secret), ACCESS_SECRET_LEN);
    key_hash(secret, hash);
    put.roles = roles;
    put.n_roles = 2;
    put.until_ms = 99;
    put.note = (char *)(uintptr_t) "for ci";
    key_encode(&put, hash, &text);
    CU_ASSERT_EQUAL(people_rows_put(&rows, "ci", buf_slice(&text), 5, &row), OK);
    key_note(buf_slice(&text), row);
    CU_ASSERT_EQUAL(memcmp(row->hash, hash, sizeof(hash)), 0);
    CU_ASSERT_PTR_NULL(strstr(row->value, secret));
    key_message(row, &key);
    CU_ASSERT_EQUAL_FATAL(key.n_roles, 2);
    CU_ASSERT_STRING_EQUAL(key.roles[1], "a b");
    CU_ASSERT_STRING_EQUAL(key.note, "for ci");
    CU_ASSERT_EQUAL(key.until_ms, 99);
    key_message_fini(&key);
    people_rows_fini(&rows);
    buf_fini(&text);
}

static void
audit_pages_cover_all_from_both_sides(void)
{
    struct audit audit = {.first = 5, .last = 14, .max = 100};
    char after[AUDIT_NAME_LEN + 1];
    uint64_t next = 0, seen = 0;
    size_t count;
    do {
        audit_page(&audit, false, next, 4, after, &count, &next);
        seen += count;
    } while (next != 0);
    CU_ASSERT_EQUAL(seen, 10);
    CU_ASSERT_STRING_EQUAL(after, "0000000000000004");
    CU_ASSERT_EQUAL(count, 2);
    seen = 0;
    do {
        audit_page(&audit, true, next, 4, after, &count, &next);
        seen += count;
    } while (next != 0);
    CU_ASSERT_EQUAL(seen, 10);
    CU_ASSERT_STRING_EQUAL(after, "000000000000000c");
    audit_page(&audit, true, 15, 4, after, &count, &next);
    CU_ASSERT(count == 0 && next == 0);
    audit_page(&audit, false, 4, 4, after, &count, &next);
    CU_ASSERT(count == 0 && next == 0);
    audit_page(&audit, true, 1, 1000, after, &count, &next);
    CU_ASSERT(count == 10 && next == 0);
    audit = (struct audit){.first = 1, .last = 0, .max = 100};
    audit_page(&audit, true, 0, 4, after, &count, &next);
    CU_ASSERT(count == 0 && next == 0);
    audit_page(&audit, false, 0, 4, after, &count, &next);
    CU_ASSERT(count == 0 && next == 0);
}

static const struct cunit_case cases[] = {
    CUNIT_CASE(a_text_keeps_its_lines),
    CUNIT_CASE(rows_stand_in_the_order_of_their_names),
    CUNIT_CASE(rows_are_bounded_in_number_and_bytes),
    CUNIT_CASE(a_ban_has_one_name_however_it_is_written),
    CUNIT_CASE(a_ban_comes_back_from_its_row),
    CUNIT_CASE(a_key_keeps_a_hash_and_nothing_of_its_secret),
    CUNIT_CASE(audit_pages_cover_all_from_both_sides),
};

CUNIT_MAIN("access_rooms", cases)
