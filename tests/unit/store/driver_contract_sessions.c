/* SPDX-License-Identifier: Apache-2.0 */
/* The part of the contract about sessions, users, and batches as a whole. */
#include "tests/unit/store/driver_contract_kit.h"

/* One of everything: sessions 1 and 2. */
static void
add_all(struct batch *batch)
{
    static const uint32_t ids[] = {7, 268435455};
    struct slice parts[2] = {text("mess"), text("age")};
    struct slice record = text("kept");
    batch_meta_put(batch, "boot", text("3"));
    batch_session_put(batch, &(struct driver_session){.session = 1,
                                                      .epoch = 2,
                                                      .owner = 3,
                                                      .conn = 4,
                                                      .created_ms = 5,
                                                      .disconnected_ms = 6,
                                                      .seq_limit = 7,
                                                      .expiry_s = 8,
                                                      .receive_maximum = 9,
                                                      .version = 5,
                                                      .client_id = text("client"),
                                                      .user = text("ann"),
                                                      .extra = text("extra")});
    session(batch, 2, "other");
    batch_subscription_put(batch, &(struct driver_subscription){.session = 1,
                                                                .identifier = 11,
                                                                .qos = 2,
                                                                .no_local = true,
                                                                .retain_as_published = true,
                                                                .retain_handling = 1,
                                                                .filter = text("a/+/#")});
    subscription(batch, 2, "b");
    batch_message(batch, parts, 2);
    batch_queue_append(batch, 1, 1, 1 | DELIVER_RETAIN, ids, 2);
    batch_queue_append(batch, 2, 1, 2, NULL, 0);
    message(batch, "alone");
    batch_queue_append(batch, 1, 2, 1, NULL, 0);
    batch_inbound_put(batch, 1, 65535, 77);
    batch_inbound_put(batch, 2, 1, 0);
    batch_will_put(batch, 1, 99, text("will"));
    batch_will_put(batch, 2, 0, text(""));
    batch_outbox_append(batch, 77, parts, 2);
    batch_token_set_put(batch, 0xffffffffffffffffu, text("set"));
    batch_retained_put(batch, text("a/b"), 500, &record, 1);
    batch_user_put(batch, &(struct driver_user){text("ann"), text("hash"), text("r1,r2"), 42,
                                                text("allow all #")});
    batch_row_put(batch, &(struct driver_row){DRIVER_ROW_ROLE, text("r1"), text("a role"), 43});
    batch_row_put(batch, &(struct driver_row){DRIVER_ROW_AUDIT, text("r1"), text(""), 44});
}

#define ALL                                                                                        \
    "meta boot 3\n"                                                                                \
    "session 1 2 3 4 5 6 7 8 9 5 client,ann,extra\n"                                               \
    "session 2 0 0 0 0 0 0 0 0 0 other,,\n"                                                        \
    "subscription 1 11 2 1 1 1 a/+/#\n"                                                            \
    "subscription 2 0 0 0 0 0 b\n"                                                                 \
    "queue 1 n=2 bytes=12 1..2\n"                                                                  \
    "queue 2 n=1 bytes=7 1..1\n"                                                                   \
    "inbound 1 65535 77\n"                                                                         \
    "inbound 2 1 0\n"                                                                              \
    "will 1 99 will\n"                                                                             \
    "will 2 0 \n"                                                                                  \
    "outbox 77 message\n"                                                                          \
    "tokens 18446744073709551615 set\n"                                                            \
    "entry 1 flags=5 ids=7,268435455, message\n"                                                   \
    "entry 2 flags=1 ids= alone\n"                                                                 \
    "entry 1 flags=2 ids= message\n"                                                               \
    "retained a/b kept\n"                                                                          \
    "user ann,hash,r1,r2,allow all # 42\n"                                                         \
    "row 1 r1,a role 43\n"                                                                         \
    "row 4 r1, 44\n"                                                                               \
    "totals 1 4 1\n"

void
driver_contract_an_empty_driver_has_nothing(void)
{
    struct fixture f = driver_contract_begin();
    bool more = true;
    struct buf out;
    buf_init(&out, 1000);
    EXPECT(f.driver, "totals 0 0 0\n");
    CU_ASSERT_EQUAL(driver_user_get(f.driver, text("nobody"), driver_contract_dump_user, &out),
                    ERR_NOT_FOUND);
    CU_ASSERT_EQUAL(
        driver_queue_page(f.driver, 1, 0, 10, 10, driver_contract_dump_entry, &out, &more), OK);
    CU_ASSERT_FALSE(more);
    CU_ASSERT_EQUAL(buf_len(&out), 0);
    driver_contract_apply(f.driver, &f.batch); /* an empty batch */
    EXPECT(f.driver, "totals 0 0 0\n");
    buf_fini(&out);
    driver_contract_end(&f);
}

void
driver_contract_every_field_comes_back_after_reopening(void)
{
    struct fixture f = driver_contract_begin();
    add_all(&f.batch);
    driver_contract_apply(f.driver, &f.batch);
    EXPECT(f.driver, ALL);
    driver_contract_reopen(&f);
    EXPECT(f.driver, ALL);
    driver_contract_end(&f);
}

void
driver_contract_a_put_replaces_and_a_delete_of_nothing_is_fine(void)
{
    struct fixture f = driver_contract_begin();
    int round;
    for (round = 0; round < 3; round++) {
        add_all(&f.batch);
        driver_contract_apply(f.driver, &f.batch);
        EXPECT(f.driver, ALL);
    }
    for (round = 0; round < 2; round++) {
        batch_session_delete(&f.batch, 1);
        batch_subscription_delete(&f.batch, 2, text("b"));
        batch_subscription_delete(&f.batch, 2, text("c"));
        batch_queue_remove(&f.batch, 2, 1);
        batch_queue_remove(&f.batch, 2, 9);
        batch_queue_mark_rec(&f.batch, 2, 9);
        batch_inbound_delete(&f.batch, 2, 1);
        batch_will_delete(&f.batch, 2);
        batch_session_delete(&f.batch, 2);
        batch_outbox_remove(&f.batch, 77);
        batch_token_set_delete(&f.batch, 0xffffffffffffffffu);
        batch_retained_delete(&f.batch, text("a/b"));
        batch_user_delete(&f.batch, text("ann"));
        batch_row_delete(&f.batch, DRIVER_ROW_ROLE, text("r1"));
        batch_row_delete(&f.batch, DRIVER_ROW_AUDIT, text("r1"));
        driver_contract_apply(f.driver, &f.batch);
        EXPECT(f.driver, "meta boot 3\ntotals 0 0 0\n");
    }
    driver_contract_end(&f);
}

void
driver_contract_a_deleted_session_takes_all_below_it_along(void)
{
    struct fixture f = driver_contract_begin();
    uint64_t number, seq;
    char filter[16];
    for (number = 1; number <= 3; number++) {
        session(&f.batch, number, "c");
        batch_inbound_put(&f.batch, number, 5, 5);
        batch_will_put(&f.batch, number, 0, text("w"));
    }
    for (seq = 1; seq <= 300; seq++) {
        snprintf(filter, sizeof(filter), "f/%u", (unsigned)seq);
        message(&f.batch, "shared by three");
        for (number = 1; number <= 3; number++) {
            batch_queue_append(&f.batch, number, seq, 1, NULL, 0);
            if (number == 2)
                subscription(&f.batch, number, filter);
        }
        message(&f.batch, "of the second");
        batch_queue_append(&f.batch, 2, 1000 + seq, 1, NULL, 0);
    }
    driver_contract_apply(f.driver, &f.batch);
    batch_session_delete(&f.batch, 2);
    for (seq = 2; seq <= 300; seq++) {
        batch_queue_remove(&f.batch, 1, seq);
        batch_queue_remove(&f.batch, 3, seq);
    }
    driver_contract_apply(f.driver, &f.batch);
    EXPECT(f.driver, "session 1 0 0 0 0 0 0 0 0 0 c,,\nsession 3 0 0 0 0 0 0 0 0 0 c,,\n"
                     "queue 1 n=1 bytes=15 1..1\nqueue 3 n=1 bytes=15 1..1\n"
                     "inbound 1 5 5\ninbound 3 5 5\nwill 1 0 w\nwill 3 0 w\n"
                     "entry 1 flags=1 ids= shared by three\nentry 1 flags=1 ids= shared by three\n"
                     "totals 0 0 0\n");
    driver_contract_end(&f);
}

void
driver_contract_later_changes_of_a_batch_see_earlier_ones(void)
{
    struct fixture f = driver_contract_begin();
    add_all(&f.batch);
    batch_session_delete(&f.batch, 1);
    session(&f.batch, 1, "again");
    retained(&f.batch, "a/b", "new");
    batch_queue_remove(&f.batch, 2, 1);
    batch_outbox_remove(&f.batch, 77);
    batch_user_delete(&f.batch, text("ann"));
    batch_row_delete(&f.batch, DRIVER_ROW_ROLE, text("r1"));
    driver_contract_apply(f.driver, &f.batch);
    EXPECT(f.driver, "meta boot 3\nsession 1 0 0 0 0 0 0 0 0 0 again,,\n"
                     "session 2 0 0 0 0 0 0 0 0 0 other,,\nsubscription 2 0 0 0 0 0 b\n"
                     "inbound 2 1 0\nwill 2 0 \ntokens 18446744073709551615 set\n"
                     "retained a/b new\nrow 4 r1, 44\ntotals 1 3 0\n");
    driver_contract_end(&f);
}

void
driver_contract_the_same_batch_id_is_applied_once(void)
{
    struct fixture f = driver_contract_begin();
    struct batch other;
    batch_init(&other);
    message(&f.batch, "body");
    batch_queue_append(&f.batch, 1, 1, 1, NULL, 0);
    f.batch.id = 77;
    CU_ASSERT_EQUAL(driver_apply(f.driver, &f.batch), OK);
    batch_queue_remove(&other, 1, 1); /* id 0: does not count */
    driver_contract_apply(f.driver, &other);
    CU_ASSERT_EQUAL(driver_apply(f.driver, &f.batch), OK);
    EXPECT(f.driver, "totals 0 0 0\n");
    driver_contract_reopen(&f);
    CU_ASSERT_EQUAL(driver_apply(f.driver, &f.batch), OK);
    EXPECT(f.driver, "totals 0 0 0\n");
    f.batch.id = 78;
    CU_ASSERT_EQUAL(driver_apply(f.driver, &f.batch), OK);
    EXPECT(f.driver, "queue 1 n=1 bytes=4 1..1\nentry 1 flags=1 ids= body\ntotals 0 0 0\n");
    batch_fini(&other);
    driver_contract_end(&f);
}

void
driver_contract_a_batch_that_fails_at_any_step_changes_nothing(void)
{
    struct fixture f = driver_contract_begin();
    struct buf before, after;
    uint64_t n;
    enum err err;
    buf_init(&before, 100000);
    buf_init(&after, 100000);
    message(&f.batch, "older");
    batch_queue_append(&f.batch, 1, 9, 1, NULL, 0);
    batch_queue_append(&f.batch, 3, 9, 1, NULL, 0);
    retained(&f.batch, "a/b", "older");
    retained(&f.batch, "c", "older");
    driver_contract_apply(f.driver, &f.batch);
    driver_contract_dump(f.driver, &before);
    add_all(&f.batch);
    batch_queue_remove(&f.batch, 1, 9);
    batch_queue_remove(&f.batch, 3, 9);
    batch_retained_delete(&f.batch, text("c"));
    f.batch.id = 5;
    for (n = 1; n < 1000; n++) {
        driver_fault_set(f.driver, n, 1, ERR_NO_SPACE);
        err = driver_apply(f.driver, &f.batch);
        if (err == OK)
            break;
        CU_ASSERT_EQUAL(err, ERR_NO_SPACE);
        driver_contract_dump(f.driver, &after);
        CU_ASSERT(slice_equal(buf_slice(&before), buf_slice(&after)));
    }
    driver_fault_set(f.driver, 0, 0, OK);
    CU_ASSERT(n > f.batch.op_count);
    CU_ASSERT(n < 1000);
    EXPECT(f.driver, ALL);
    driver_contract_reopen(&f);
    EXPECT(f.driver, ALL);
    buf_fini(&before);
    buf_fini(&after);
    driver_contract_end(&f);
}

/* Texts of n bytes that differ only at their ends. */
static char *
long_text(size_t len, char last)
{
    char *s = mem_alloc(len + 1);
    memset(s, 'x', len);
    s[len - 1] = last;
    s[len] = '\0';
    return s;
}

struct long_seen {
    size_t subscriptions, sessions, retained, users;
    size_t record_len;
    char want;
};

static void
seen_session(void *arg, const struct driver_session *s)
{
    struct long_seen *seen = arg;
    seen->sessions += s->client_id.len == 65535 && s->user.len == 65535 && s->extra.len == 100000;
}

static void
seen_subscription(void *arg, const struct driver_subscription *s)
{
    struct long_seen *seen = arg;
    seen->subscriptions += s->filter.len == 65535 && s->filter.data[65534] != 'x';
}

static void
seen_entry(void *arg, const struct driver_entry *entry)
{
    struct long_seen *seen = arg;
    seen->record_len = entry->record.len;
    if (entry->record.len != 0)
        CU_ASSERT_EQUAL(entry->record.data[entry->record.len - 1], 'r');
}

static bool
seen_retained(void *arg, struct slice topic, struct slice record)
{
    struct long_seen *seen = arg;
    (void)record;
    seen->retained += topic.len == 65535 && topic.data[65534] == (uint8_t)seen->want;
    return true;
}

static void
seen_user(void *arg, const struct driver_user *user)
{
    struct long_seen *seen = arg;
    seen->users += user->name.len == 65535 && user->name.data[65534] == (uint8_t)seen->want;
}

void
driver_contract_texts_and_records_of_any_length_come_back(void)
{
    static const struct driver_visitor visitor = {.session = seen_session,
                                                  .subscription = seen_subscription};
    static const size_t lengths[] = {0, 1, 1990, 2000, 2030, 4064, 4096, 5000000};
    struct fixture f = driver_contract_begin();
    struct long_seen seen = {.want = 'b'};
    char *a = long_text(65535, 'a'), *b = long_text(65535, 'b');
    char *extra = long_text(100000, 'e'), *record = long_text(5000000, 'r');
    struct slice payload = text("payload");
    struct buf next;
    bool more;
    size_t i;
    buf_init(&next, 70000);
    batch_session_put(
        &f.batch, &(struct driver_session){
                      .session = 1, .client_id = text(a), .user = text(b), .extra = text(extra)});
    subscription(&f.batch, 1, a);
    subscription(&f.batch, 1, b);
    batch_retained_put(&f.batch, text(a), 1, &payload, 1);
    batch_retained_put(&f.batch, text(b), 1, &payload, 1);
    batch_user_put(&f.batch, &(struct driver_user){.name = text(a)});
    batch_user_put(&f.batch, &(struct driver_user){.name = text(b)});
    for (i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
        struct slice end_of = slice_of(record + 5000000 - lengths[i], lengths[i]);
        batch_message(&f.batch, &end_of, 1);
        batch_queue_append(&f.batch, 1, 1 + i, 1, NULL, 0); /* in the entry */
        batch_message(&f.batch, &end_of, 1);
        batch_queue_append(&f.batch, 2, 1 + i, 1, NULL, 0); /* shared */
        batch_queue_append(&f.batch, 3, 1 + i, 1, NULL, 0);
    }
    driver_contract_apply(f.driver, &f.batch);
    driver_contract_reopen(&f);
    CU_ASSERT_EQUAL(driver_load(f.driver, &visitor, &seen), OK);
    CU_ASSERT_EQUAL(seen.sessions, 1);
    CU_ASSERT_EQUAL(seen.subscriptions, 2);
    CU_ASSERT_EQUAL(
        driver_retained_page(f.driver, text(b), text(""), 10, 1000000, seen_retained, &seen, &next),
        OK);
    CU_ASSERT_EQUAL(seen.retained, 1);
    CU_ASSERT_EQUAL(driver_retained_page(f.driver, text("+"), text(""), 10, 1000000, seen_retained,
                                         &seen, &next),
                    OK);
    CU_ASSERT_EQUAL(seen.retained, 2);
    CU_ASSERT_EQUAL(driver_user_get(f.driver, text(b), seen_user, &seen), OK);
    CU_ASSERT_EQUAL(seen.users, 1);
    for (i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
        uint64_t number;
        for (number = 1; number <= 3; number++) {
            seen.record_len = SIZE_MAX;
            CU_ASSERT_EQUAL(
                driver_queue_page(f.driver, number, 1 + i, 1, 1, seen_entry, &seen, &more), OK);
            CU_ASSERT_EQUAL(seen.record_len, lengths[i]);
        }
    }
    batch_subscription_delete(&f.batch, 1, text(b));
    batch_session_delete(&f.batch, 1);
    batch_session_delete(&f.batch, 2);
    batch_session_delete(&f.batch, 3);
    batch_user_delete(&f.batch, text(a));
    batch_user_delete(&f.batch, text(b));
    batch_retained_delete(&f.batch, text(a));
    batch_retained_delete(&f.batch, text(b));
    driver_contract_apply(f.driver, &f.batch);
    EXPECT(f.driver, "totals 0 0 0\n");
    buf_fini(&next);
    mem_free(a);
    mem_free(b);
    mem_free(extra);
    mem_free(record);
    driver_contract_end(&f);
}
