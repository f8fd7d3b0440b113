/* SPDX-License-Identifier: Apache-2.0 */
/* The part of the contract about what names, topics and messages may be made of: any bytes come
 * back as they were, and what looks like a statement of some database is a name like any other. */
#include "tests/unit/store/driver_contract_kit.h"

/* Bytes of names that a broker may be asked to keep. User names and payloads may hold any; a NUL
 * is legal nowhere in MQTT's texts, but a driver does not judge that. */
static const struct {
    const char *bytes;
    size_t len;
} names[] = {
#define NAME(text)                                                                                 \
    {                                                                                              \
        text, sizeof(text) - 1                                                                     \
    }
    NAME("'"),
    NAME("\""),
    NAME("`"),
    NAME("\\"),
    NAME("\\'"),
    NAME("''"),
    NAME("' OR '1'='1"),
    NAME("'; DROP TABLE users; --"),
    NAME("\"; DELETE FROM sessions; #"),
    NAME("x' UNION SELECT password FROM users -- "),
    NAME("\r\nFLUSHALL\r\n"),
    NAME("*1\r\n$8\r\nFLUSHALL\r\n"),
    NAME("return redis.call('FLUSHALL')"),
    NAME("{x}"),
    NAME("}{"),
    NAME("%s%n%d"),
    NAME("%"),
    NAME("_"),
    NAME("?"),
    NAME(":1"),
    NAME("$(reboot)"),
    NAME("../../../etc/passwd"),
    NAME(" "),
    NAME(" leading"),
    NAME("trailing "),
    NAME("trailing  "),
    NAME("A"),
    NAME("a"),
    NAME("\xc3\x84"),         /* composed, */
    NAME("A\xcc\x88"),        /* and not: two names */
    NAME("ss"),               /* collations call these two equal */
    NAME("\xc3\x9f"),         /* U+00DF */
    NAME("\xdf\xbf"),         /* U+07FF: two bytes */
    NAME("\xe2\x82\xac"),     /* U+20AC, plane 0 */
    NAME("\xef\xbf\xbd"),     /* U+FFFD */
    NAME("\xf0\x9f\x98\x80"), /* plane 1 */
    NAME("\xf0\xa0\x80\x80"), /* 2 */
    NAME("\xf0\xb0\x80\x80"), /* 3 */
    NAME("\xf1\x80\x80\x80"), /* 4 */
    NAME("\xf1\x90\x80\x80"), /* 5 */
    NAME("\xf1\xa0\x80\x80"), /* 6 */
    NAME("\xf1\xb0\x80\x80"), /* 7 */
    NAME("\xf2\x80\x80\x80"), /* 8 */
    NAME("\xf2\x90\x80\x80"), /* 9 */
    NAME("\xf2\xa0\x80\x80"), /* 10 */
    NAME("\xf2\xb0\x80\x80"), /* 11 */
    NAME("\xf3\x80\x80\x80"), /* 12 */
    NAME("\xf3\x90\x80\x80"), /* 13 */
    NAME("\xf3\xa0\x80\x81"), /* 14 */
    NAME("\xf3\xb0\x80\x80"), /* 15 */
    NAME("\xf4\x8f\xbf\xbf"), /* 16, the last of all */
    NAME("a\0b"),
    NAME("a\0"),
    NAME("\0"),
    NAME("\x01\x7f"),
    NAME("\x80\xff\xfe"), /* no UTF-8 at all: records may be that */
};
#define NAMES (sizeof(names) / sizeof(names[0]))

static struct slice
name(size_t i)
{
    return slice_of(names[i].bytes, names[i].len);
}

struct names_seen {
    size_t sessions, subscriptions, wills, meta, entries, retained, users, rows, wrong;
};

static void
see(struct names_seen *seen, size_t *count, size_t i, struct slice what)
{
    (*count)++;
    if (i >= NAMES || !slice_equal(what, name(i)))
        seen->wrong++;
}

static void
see_session(void *arg, const struct driver_session *s)
{
    struct names_seen *seen = arg;
    see(seen, &seen->sessions, (size_t)s->session - 1, s->client_id);
    see(seen, &seen->sessions, (size_t)s->session - 1, s->user);
    see(seen, &seen->sessions, (size_t)s->session - 1, s->extra);
}

static void
see_subscription(void *arg, const struct driver_subscription *s)
{
    struct names_seen *seen = arg;
    if (s->session == 1) /* it has all of them, in an order of the driver's own */
        seen->subscriptions++;
    else
        see(seen, &seen->subscriptions, (size_t)s->session - 1, s->filter);
}

static void
see_will(void *arg, uint64_t session, uint64_t due_ms, struct slice value)
{
    struct names_seen *seen = arg;
    (void)due_ms;
    see(seen, &seen->wills, (size_t)session - 1, value);
}

static void
see_entry(void *arg, const struct driver_entry *entry)
{
    struct names_seen *seen = arg;
    see(seen, &seen->entries, (size_t)entry->seq - 1, entry->record);
}

static bool
see_retained(void *arg, struct slice topic, struct slice record)
{
    struct names_seen *seen = arg;
    seen->retained++;
    seen->wrong += !slice_equal(topic, record);
    return true;
}

static void
see_user(void *arg, const struct driver_user *user)
{
    struct names_seen *seen = arg;
    seen->users++;
    seen->wrong += !slice_equal(user->name, user->password) ||
                   !slice_equal(user->name, user->roles) || !slice_equal(user->name, user->rules);
}

static void
see_row(void *arg, const struct driver_row *row)
{
    struct names_seen *seen = arg;
    seen->rows++;
    seen->wrong += !slice_equal(row->name, row->value);
}

static void
put_names(struct batch *batch)
{
    size_t i;
    for (i = 0; i < NAMES; i++) {
        struct slice it = name(i);
        batch_session_put(batch, &(struct driver_session){
                                     .session = i + 1, .client_id = it, .user = it, .extra = it});
        batch_subscription_put(batch, &(struct driver_subscription){.session = 1, .filter = it});
        if (i > 0)
            batch_subscription_put(batch,
                                   &(struct driver_subscription){.session = i + 1, .filter = it});
        batch_will_put(batch, i + 1, 0, it);
        batch_message(batch, &it, 1);
        batch_queue_append(batch, 1, i + 1, 1, NULL, 0);
        batch_message(batch, &it, 1);
        batch_queue_append(batch, 2, i + 1, 1, NULL, 0);
        batch_queue_append(batch, 3, i + 1, 1, NULL, 0);
        batch_retained_put(batch, it, 0, &it, 1);
        batch_user_put(batch, &(struct driver_user){it, it, it, 1, it});
        batch_row_put(batch, &(struct driver_row){DRIVER_ROW_BAN, it, it, 1});
    }
}

static void
look_up_names(struct driver *driver, struct names_seen *seen)
{
    struct buf next;
    size_t i;
    bool more;
    buf_init(&next, 1000);
    for (i = 0; i < NAMES; i++) {
        CU_ASSERT_EQUAL(driver_user_get(driver, name(i), see_user, seen), OK);
        CU_ASSERT_EQUAL(driver_row_get(driver, DRIVER_ROW_BAN, name(i), see_row, seen), OK);
    }
    CU_ASSERT_EQUAL(driver_user_page(driver, text(""), NAMES, see_user, seen, &more), OK);
    CU_ASSERT_FALSE(more);
    CU_ASSERT_EQUAL(driver_row_page(driver, DRIVER_ROW_BAN, text(""), NAMES, see_row, seen, &more),
                    OK);
    CU_ASSERT_FALSE(more);
    CU_ASSERT_EQUAL(driver_retained_page(driver, text("#"), text(""), 1000, SIZE_MAX, see_retained,
                                         seen, &next),
                    OK);
    CU_ASSERT_EQUAL(buf_len(&next), 0);
    for (i = 1; i <= 3; i++)
        CU_ASSERT_EQUAL(driver_queue_page(driver, i, 0, 1000, SIZE_MAX, see_entry, seen, &more),
                        OK);
    buf_fini(&next);
}

void
driver_contract_names_are_only_names(void)
{
    static const struct driver_visitor visitor = {
        .session = see_session, .subscription = see_subscription, .will = see_will};
    struct fixture f = driver_contract_begin();
    struct names_seen seen = {0};
    size_t i;
    put_names(&f.batch);
    driver_contract_apply(f.driver, &f.batch);
    driver_contract_reopen(&f);
    CU_ASSERT_EQUAL(driver_load(f.driver, &visitor, &seen), OK);
    look_up_names(f.driver, &seen);
    CU_ASSERT_EQUAL(seen.sessions, 3 * NAMES);
    CU_ASSERT_EQUAL(seen.subscriptions, 2 * NAMES - 1);
    CU_ASSERT_EQUAL(seen.wills, NAMES);
    CU_ASSERT_EQUAL(seen.entries, 3 * NAMES);
    /* "$(reboot)" hides from '#', and so does no other. */
    CU_ASSERT_EQUAL(seen.retained, NAMES - 1);
    CU_ASSERT_EQUAL(seen.users, 2 * NAMES);
    CU_ASSERT_EQUAL(seen.rows, 2 * NAMES);
    CU_ASSERT_EQUAL(seen.wrong, 0);
    for (i = 0; i < NAMES; i++) {
        batch_session_delete(&f.batch, i + 1);
        batch_retained_delete(&f.batch, name(i));
        batch_user_delete(&f.batch, name(i));
        batch_row_delete(&f.batch, DRIVER_ROW_BAN, name(i));
    }
    driver_contract_apply(f.driver, &f.batch);
    EXPECT(f.driver, "totals 0 0 0\n");
    driver_contract_end(&f);
}

/* ---- any changes, in any order ---- */

#define OPS 120

static uint64_t random_state;

static unsigned
random_below(unsigned n)
{
    random_state = random_state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (unsigned)((random_state >> 33) % n);
}

/* One change to few keys, so that they meet. */
static void
add_random(struct batch *batch)
{
    static const char *const few[] = {"a", "b", "a/b"};
    uint64_t number = 1 + random_below(3);
    uint64_t seq = 1 + random_below(4);
    const char *key = few[random_below(3)];
    char value[32];
    unsigned i, copies = 1 + random_below(3);
    snprintf(value, sizeof(value), "v%u", random_below(1000));
    switch (random_below(18)) {
    case 0:
        session(batch, number, value);
        break;
    case 1:
        batch_session_delete(batch, number);
        break;
    case 2:
        batch_subscription_put(batch, &(struct driver_subscription){.session = number,
                                                                    .qos = (uint8_t)(seq % 3),
                                                                    .filter = text(key)});
        break;
    case 3:
        batch_subscription_delete(batch, number, text(key));
        break;
    case 4:
    case 5:
    case 6:
        message(batch, value);
        for (i = 0; i < copies; i++)
            batch_queue_append(batch, 1 + (number + i) % 3, seq, 1, NULL, 0);
        break;
    case 7:
    case 8:
        batch_queue_remove(batch, number, seq);
        break;
    case 9:
        batch_queue_mark_rec(batch, number, seq);
        break;
    case 10:
        batch_inbound_put(batch, number, (uint16_t)seq, random_below(9));
        break;
    case 11:
        batch_inbound_delete(batch, number, (uint16_t)seq);
        break;
    case 12:
        batch_will_put(batch, number, seq, text(value));
        break;
    case 13:
        batch_will_delete(batch, number);
        break;
    case 14:
        retained(batch, key, value);
        break;
    case 15:
        batch_retained_delete(batch, text(key));
        break;
    case 16:
        batch_user_put(batch, &(struct driver_user){.name = text(key), .password = text(value)});
        break;
    default:
        batch_user_delete(batch, text(key));
        break;
    }
}

/* The same changes in batches of `size`, from the same seed; the content is then in out. */
static void
apply_random(uint64_t seed, unsigned size, struct buf *out)
{
    struct fixture f = driver_contract_begin();
    unsigned i;
    random_state = seed;
    for (i = 1; i <= OPS; i++) {
        add_random(&f.batch);
        if (i % size == 0)
            driver_contract_apply(f.driver, &f.batch);
    }
    driver_contract_dump(f.driver, out);
    driver_contract_end(&f);
}

void
driver_contract_a_batch_does_what_its_changes_do_one_by_one(void)
{
    struct buf one_by_one, together;
    uint64_t seed;
    buf_init(&one_by_one, 1 << 20);
    buf_init(&together, 1 << 20);
    for (seed = 1; seed <= 4; seed++) {
        apply_random(seed, 1, &one_by_one);
        apply_random(seed, seed % 2 == 0 ? OPS : OPS / 4, &together);
        if (!slice_equal(buf_slice(&one_by_one), buf_slice(&together))) {
            printf("seed %llu: one by one\n%.*s---- together\n%.*s----\n", (unsigned long long)seed,
                   (int)buf_len(&one_by_one), (const char *)buf_slice(&one_by_one).data,
                   (int)buf_len(&together), (const char *)buf_slice(&together).data);
            CU_FAIL("content differs");
        }
    }
    buf_fini(&one_by_one);
    buf_fini(&together);
}
