/* SPDX-License-Identifier: Apache-2.0 */
/* Export and import: what goes out comes in again, byte for byte, whatever the bytes; and a file
 * that is wrong anywhere changes nothing. */
#include "proto/feed_records.h"
#include "proto/publish_record.h"
#include "services/store/transfer.h"
#include "services/store/transfer_users.h"
#include "tests/unit/store/driver_lmdb_kit.h"

#define TOLD_MAX 8

static uint64_t told_lines[TOLD_MAX];
static char told_why[TOLD_MAX][160];
static size_t told;

static void
tell(void *arg, uint64_t line, const char *why)
{
    (void)arg;
    if (told < TOLD_MAX) {
        told_lines[told] = line;
        snprintf(told_why[told], sizeof(told_why[told]), "%s", why);
    }
    told++;
}

static struct driver *
open_fresh(void)
{
    char why[DRIVER_REASON_SIZE];
    struct driver *driver = NULL;
    wipe(data_dir);
    CU_ASSERT_EQUAL_FATAL(try_open(UINT64_C(1) << 30, why, &driver), OK);
    return driver;
}

/* New: the whole export as text. */
static char *
exported(struct driver *driver)
{
    char why[DRIVER_REASON_SIZE] = "";
    uint64_t count;
    char *text = NULL;
    size_t len = 0;
    FILE *file = open_memstream(&text, &len);
    CU_ASSERT_EQUAL_FATAL(transfer_export(driver, file, &count, why), OK);
    fclose(file);
    return text;
}

static enum err
import_text(struct driver *driver, const char *text, struct transfer_report *report)
{
    FILE *file = tmpfile();
    enum err err;
    CU_ASSERT_EQUAL(fwrite(text, 1, strlen(text), file), strlen(text));
    told = 0;
    *report = (struct transfer_report){.on_wrong = tell};
    err = transfer_import(driver, file, report);
    fclose(file);
    return err;
}

/* Something of everything, with what is awkward in texts. */
static void
fill(struct driver *driver)
{
    static const char name[] = "it's \"me\"\n\t\\ \x01 \xf0\x9f\x98\x80; DROP TABLE users --";
    static const char binary[] = "not \xff utf-8 \0 here";
    static const uint32_t ids[2] = {7, 268435455};
    struct slice odd = slice_of(name, sizeof(name) - 1);
    struct slice bytes = slice_of(binary, sizeof(binary) - 1);
    struct publish_record record = {.qos = 1,
                                    .retain = true,
                                    .expiry_ms = 4102444800000,
                                    .topic = slice_cstr("a/\"b\""),
                                    .payload = bytes};
    uint8_t head[256];
    struct slice parts[2];
    struct slice whole;
    struct batch batch;
    uint64_t i;
    batch_init(&batch);
    parts[0] = slice_of(head, publish_record_encode_head(&record, head));
    memcpy(head + parts[0].len, binary, bytes.len);
    whole = slice_of(head, parts[0].len + bytes.len);
    batch_meta_put(&batch, "boot", bytes);
    batch_user_put(&batch, &(struct driver_user){.name = odd,
                                                 .password = slice_cstr("scrypt$..."),
                                                 .roles = slice_cstr("\x04USER"),
                                                 .rules = slice_cstr("allow publish #\n"),
                                                 .changed_ms = 5});
    batch_row_put(&batch, &(struct driver_row){.kind = DRIVER_ROW_BAN,
                                               .name = bytes,
                                               .value = slice_cstr("until x\n"),
                                               .time_ms = 77});
    batch_row_put(&batch, &(struct driver_row){
                              .kind = DRIVER_ROW_AUDIT, .name = slice_cstr("0001"), .value = odd});
    batch_retained_put(&batch, record.topic, record.expiry_ms, &whole, 1);
    batch_session_put(&batch, &(struct driver_session){.session = UINT64_MAX - 1,
                                                       .epoch = (UINT64_C(1) << 63) + 5,
                                                       .owner = 1,
                                                       .expiry_s = UINT32_MAX,
                                                       .version = 5,
                                                       .client_id = odd,
                                                       .user = bytes,
                                                       .extra = bytes});
    batch_session_put(&batch,
                      &(struct driver_session){.session = 3, .client_id = slice_cstr("c3")});
    batch_subscription_put(&batch,
                           &(struct driver_subscription){.session = 3,
                                                         .identifier = 268435455,
                                                         .qos = 2,
                                                         .no_local = true,
                                                         .retain_handling = 2,
                                                         .filter = slice_cstr("$share/g/+")});
    for (i = 1; i <= 3000; i++) {
        batch_message(&batch, &whole, 1);
        batch_queue_append(&batch, 3, i, 2 | (i % 2 == 0 ? DELIVER_RETAIN : 0), ids, i % 3);
        if (i % 5 == 0)
            batch_queue_append(&batch, UINT64_MAX - 1, i, 1, NULL, 0);
    }
    batch_queue_mark_rec(&batch, 3, 17);
    batch_inbound_put(&batch, 3, 65535, 9);
    batch_will_put(&batch, 3, 1234, bytes);
    batch_outbox_append(&batch, 9, &whole, 1);
    batch_token_set_put(&batch, UINT64_MAX, bytes);
    driver_contract_apply(driver, &batch);
    batch_fini(&batch);
}

static void
what_is_exported_is_imported_unchanged(void)
{
    struct driver *driver = open_fresh();
    struct transfer_report report;
    char *first;
    char *second;
    fill(driver);
    first = exported(driver);
    driver_close(driver);
    driver = open_fresh();
    CU_ASSERT_EQUAL(import_text(driver, first, &report), OK);
    CU_ASSERT_EQUAL(report.wrong, 0);
    CU_ASSERT(report.count > 3600);
    second = exported(driver);
    CU_ASSERT_STRING_EQUAL(first, second);
    /* again into the same: sessions are there already */
    CU_ASSERT_EQUAL(import_text(driver, first, &report), ERR_EXISTS);
    driver_close(driver);
    free(first);
    free(second);
}

static void
wrong_lines_are_all_named_and_nothing_is_changed(void)
{
    static const char text[] =
        "{\"type\":\"sluice\",\"version\":1}\n"
        "{\"type\":\"user\",\"time_ms\":1,\"name\":\"a\",\"password\":\"x\",\"roles\":\"\","
        "\"rules\":\"\"}\n"
        "{\"type\":\"user\",\"time_ms\":1,\"name\":\"\",\"password\":\"x\",\"roles\":\"\","
        "\"rules\":\"\"}\n"
        "{\"type\":\"retained\",\"time_ms\":0,\"topic\":\"a/+\",\"record64\":\"\"}\n"
        "{\"type\":\"inbound\",\"session\":1,\"packet_id\":65536,\"outbox_seq\":0}\n"
        "{\"type\":\"tokens\",\"origin\":-1,\"value64\":\"\"}\n"
        "{\"type\":\"will\",\"session\":1,\"time_ms\":0,\"value64\":\"*\"}\n"
        "{\"type\":\"nonsense\"}\n"
        "{\"type\":\"meta\",";
    static const uint64_t lines[] = {3, 4, 5, 6, 7, 8, 9};
    struct driver *driver = open_fresh();
    struct transfer_report report;
    char *before = exported(driver);
    char *after;
    size_t i;
    CU_ASSERT_EQUAL(import_text(driver, text, &report), ERR_INVALID);
    CU_ASSERT_EQUAL(report.wrong, 7);
    CU_ASSERT_EQUAL(report.count, 0);
    for (i = 0; i < 7 && i < told; i++)
        CU_ASSERT_EQUAL(told_lines[i], lines[i]);
    after = exported(driver);
    CU_ASSERT_STRING_EQUAL(before, after);
    driver_close(driver);
    free(before);
    free(after);
}

static void
an_import_that_stops_can_be_repeated(void)
{
    struct driver *driver = open_fresh();
    struct transfer_report report;
    char *first;
    char *second;
    fill(driver);
    first = exported(driver);
    driver_close(driver);
    driver = open_fresh();
    driver_fault_set(driver, 2000, 1, ERR_NO_SPACE);
    CU_ASSERT_EQUAL(import_text(driver, first, &report), ERR_NO_SPACE);
    CU_ASSERT_NOT_EQUAL(report.why[0], '\0');
    CU_ASSERT_EQUAL(import_text(driver, first, &report), OK);
    second = exported(driver);
    CU_ASSERT_STRING_EQUAL(first, second);
    driver_close(driver);
    free(first);
    free(second);
}

static void
tables_of_users_are_read(void)
{
    static const struct {
        const char *line;
        enum err err;
        const char *name;
        const char *roles;
    } table[] = {
        {"user_id\tpassword\troles", ERR_NOT_FOUND, "", ""},
        {"", ERR_NOT_FOUND, "", ""},
        {"ann\t5f4dcc3b5aa765d61d8327deb882cf99\tADMIN USER", OK, "ann",
         "\x05"
         "ADMIN\x04USER"},
        {"bob,5F4DCC3B5AA765D61D8327DEB882CF99,\"USER,GUEST\"", OK, "bob", "\x04USER\x05GUEST"},
        {"\"o\"\"dd, one\",5f4dcc3b5aa765d61d8327deb882cf99,", OK, "o\"dd, one", ""},
        {"{\"user\":\"joe\",\"md5\":\"5f4dcc3b5aa765d61d8327deb882cf99\",\"roles\":[\"A b\"]}", OK,
         "joe",
         "\x03"
         "A b"},
        {"{\"user\":\"joe\",\"md5\":\"5f4dcc3b5aa765d61d8327deb882cf99\",\"roles\":\"A;B\"}", OK,
         "joe",
         "\x01"
         "A\x01"
         "B"},
        {"ann\t5f4dcc3b5aa765d61d8327deb882cf99\t836C000000026B000541444D494E6D00000004555345526A",
         OK, "ann",
         "\x05"
         "ADMIN\x04USER"},
        {"ann,5f4dcc3b5aa765d61d8327deb882cf99,836c00000002770141640002616d6a", OK, "ann",
         "\x01"
         "A\x02"
         "am"},
        {"ann\t5f4dcc3b5aa765d61d8327deb882cf99\t836A", OK, "ann", ""},
        {"ann\t5f4dcc3b5aa765d61d8327deb882cf99\t8364 ABCD", OK, "ann",
         "\x04"
         "8364\x04"
         "ABCD"},
        {"ann\t5f4dcc3b5aa765d61d8327deb882cf99\t836C000000026B000541444D494E6A", ERR_INVALID, "",
         ""},
        {"ann\t5f4dcc3b5aa765d61d8327deb882cf99\t836CFFFFFFFF6A", ERR_INVALID, "", ""},
        {"ann\t5f4dcc3b5aa765d61d8327deb882cf99\t836C000000016D000000FF416A", ERR_INVALID, "", ""},
        {"ann\t5f4dcc3b5aa765d61d8327deb882cf99\t836A6A", ERR_INVALID, "", ""},
        {"ann\t5f4dcc3b5aa765d61d8327deb882cf99\t836200000001", ERR_INVALID, "", ""},
        {"ann\t5f4dcc3b5aa765d61d8327deb882cf9\tUSER", ERR_INVALID, "", ""},
        {"ann\t5f4dcc3b5aa765d61d8327deb882cfzz\tUSER", ERR_INVALID, "", ""},
        {"\t5f4dcc3b5aa765d61d8327deb882cf99\tUSER", ERR_INVALID, "", ""},
        {"a\xff\t5f4dcc3b5aa765d61d8327deb882cf99\tUSER", ERR_INVALID, "", ""},
        {"a\t5f4dcc3b5aa765d61d8327deb882cf99\tUSER\tmore", ERR_INVALID, "", ""},
        {"{\"user\":\"joe\"", ERR_INVALID, "", ""},
    };
    struct buf bytes;
    size_t i;
    buf_init(&bytes, 1 << 16);
    for (i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        struct transfer_user user = {0};
        char why[TRANSFER_USERS_WHY] = "";
        enum err err = transfer_users_read(slice_cstr(table[i].line), &user, &bytes, why);
        CU_ASSERT_EQUAL(err, table[i].err);
        if (err == OK) {
            CU_ASSERT_TRUE(slice_equal_cstr(user.name, table[i].name));
            CU_ASSERT_TRUE(slice_equal_cstr(user.roles, table[i].roles));
        } else if (err == ERR_INVALID) {
            CU_ASSERT_NOT_EQUAL(why[0], '\0');
        }
    }
    buf_fini(&bytes);
}

static void
note_password(void *arg, const struct driver_user *user)
{
    CU_ASSERT_TRUE(slice_has_prefix(user->password, slice_cstr("scrypt-md5$")));
    *(unsigned *)arg += 1;
}

static void
users_of_another_broker_are_imported_beside_those_there(void)
{
    struct driver *driver = open_fresh();
    struct transfer_report report;
    unsigned found = 0;
    fill(driver);
    CU_ASSERT_EQUAL(import_text(driver,
                                "user,md5,roles\nann,5f4dcc3b5aa765d61d8327deb882cf99,USER\n"
                                "bob,5f4dcc3b5aa765d61d8327deb882cf99,\"USER ADMIN\"\n",
                                &report),
                    OK);
    CU_ASSERT_EQUAL(report.count, 2);
    CU_ASSERT_EQUAL(driver_user_get(driver, slice_cstr("ann"), note_password, &found), OK);
    CU_ASSERT_EQUAL(driver_user_get(driver, slice_cstr("bob"), note_password, &found), OK);
    CU_ASSERT_EQUAL(found, 2);
    driver_close(driver);
}

static const struct cunit_case cases[] = {
    CUNIT_CASE(what_is_exported_is_imported_unchanged),
    CUNIT_CASE(wrong_lines_are_all_named_and_nothing_is_changed),
    CUNIT_CASE(an_import_that_stops_can_be_repeated),
    CUNIT_CASE(tables_of_users_are_read),
    CUNIT_CASE(users_of_another_broker_are_imported_beside_those_there),
};

int
main(void)
{
    return run_in_directory("transfer", cases, sizeof(cases) / sizeof(cases[0]));
}
