/* SPDX-License-Identifier: Apache-2.0 */
/* The tools of the contract tests: fixture, and content as text. The cases are in
 * driver_contract_<domain>.c; they speak driver.h only and do not know where the data lies. */
#include "tests/unit/store/driver_contract_kit.h"

static const struct driver_contract *contract;

void
driver_contract_use(const struct driver_contract *c)
{
    contract = c;
}

struct driver *
driver_contract_open_fresh(void)
{
    return contract->open(true);
}

struct driver *
driver_contract_open_again(void)
{
    return contract->open(false);
}

void
driver_contract_claim(struct driver *driver, uint32_t shard)
{
    const struct driver_claim claim = {.number = shard, .holder = "a test", .is_forced = true};
    enum err err = driver_claim(driver, &claim);
    if (err != OK)
        printf("claim: %s (%s)\n", err_text(err), driver_reason(driver));
    CU_ASSERT_EQUAL_FATAL(err, OK);
}

void
driver_contract_apply(struct driver *driver, struct batch *batch)
{
    enum err err = driver_apply(driver, batch);
    CU_ASSERT_EQUAL(err, OK);
    if (err != OK)
        printf("apply: %s (%s)\n", err_text(err), driver_reason(driver));
    batch_reset(batch, 1 << 20);
}

static void
put_slice(struct buf *out, struct slice s)
{
    if (s.len > 64)
        buf_printf(out, "(%zu)", s.len);
    else
        buf_append_slice(out, s);
}

static void
dump_meta(void *arg, const char *name, struct slice value)
{
    buf_printf(arg, "meta %s ", name);
    put_slice(arg, value);
    buf_append_cstr(arg, "\n");
}

static void
dump_session(void *arg, const struct driver_session *s)
{
    buf_printf(arg, "session %llu %llu %llu %llu %llu %llu %llu %u %u %u ",
               (unsigned long long)s->session, (unsigned long long)s->epoch,
               (unsigned long long)s->owner, (unsigned long long)s->conn,
               (unsigned long long)s->created_ms, (unsigned long long)s->disconnected_ms,
               (unsigned long long)s->seq_limit, s->expiry_s, s->receive_maximum, s->version);
    put_slice(arg, s->client_id);
    buf_append_cstr(arg, ",");
    put_slice(arg, s->user);
    buf_append_cstr(arg, ",");
    put_slice(arg, s->extra);
    buf_append_cstr(arg, "\n");
}

static void
dump_subscription(void *arg, const struct driver_subscription *s)
{
    buf_printf(arg, "subscription %llu %u %u %d %d %u ", (unsigned long long)s->session,
               s->identifier, s->qos, s->no_local, s->retain_as_published, s->retain_handling);
    put_slice(arg, s->filter);
    buf_append_cstr(arg, "\n");
}

static void
dump_queue(void *arg, const struct driver_queue *q)
{
    buf_printf(arg, "queue %llu n=%llu bytes=%llu %llu..%llu\n", (unsigned long long)q->session,
               (unsigned long long)q->count, (unsigned long long)q->bytes,
               (unsigned long long)q->first_seq, (unsigned long long)q->last_seq);
}

static void
dump_inbound(void *arg, uint64_t number, uint16_t packet_id, uint64_t outbox_seq)
{
    buf_printf(arg, "inbound %llu %u %llu\n", (unsigned long long)number, packet_id,
               (unsigned long long)outbox_seq);
}

static void
dump_will(void *arg, uint64_t number, uint64_t due_ms, struct slice value)
{
    buf_printf(arg, "will %llu %llu ", (unsigned long long)number, (unsigned long long)due_ms);
    put_slice(arg, value);
    buf_append_cstr(arg, "\n");
}

static void
dump_outbox(void *arg, uint64_t seq, struct slice record)
{
    buf_printf(arg, "outbox %llu ", (unsigned long long)seq);
    put_slice(arg, record);
    buf_append_cstr(arg, "\n");
}

static void
dump_token_set(void *arg, uint64_t origin, struct slice value)
{
    buf_printf(arg, "tokens %llu ", (unsigned long long)origin);
    put_slice(arg, value);
    buf_append_cstr(arg, "\n");
}

static const struct driver_visitor dump_visitor = {dump_meta,   dump_session,  dump_subscription,
                                                   dump_queue,  dump_inbound,  dump_will,
                                                   dump_outbox, dump_token_set};

void
driver_contract_dump_entry(void *arg, const struct driver_entry *entry)
{
    unsigned i;
    buf_printf(arg, "entry %llu flags=%u ids=", (unsigned long long)entry->seq, entry->flags);
    for (i = 0; i < entry->id_count; i++)
        buf_printf(arg, "%u,", cursor_load_u32(entry->ids + (size_t)4 * i));
    buf_append_cstr(arg, " ");
    put_slice(arg, entry->record);
    buf_append_cstr(arg, "\n");
}

static bool
dump_retained(void *arg, struct slice topic, struct slice record)
{
    buf_append_cstr(arg, "retained ");
    put_slice(arg, topic);
    buf_append_cstr(arg, " ");
    put_slice(arg, record);
    buf_append_cstr(arg, "\n");
    return true;
}

void
driver_contract_dump_user(void *arg, const struct driver_user *user)
{
    buf_append_cstr(arg, "user ");
    put_slice(arg, user->name);
    buf_append_cstr(arg, ",");
    put_slice(arg, user->password);
    buf_append_cstr(arg, ",");
    put_slice(arg, user->roles);
    if (user->rules.len != 0)
        buf_append_cstr(arg, ",");
    put_slice(arg, user->rules);
    buf_printf(arg, " %llu\n", (unsigned long long)user->changed_ms);
}

void
driver_contract_dump_row(void *arg, const struct driver_row *row)
{
    buf_printf(arg, "row %u ", row->kind);
    put_slice(arg, row->name);
    buf_append_cstr(arg, ",");
    put_slice(arg, row->value);
    buf_printf(arg, " %llu\n", (unsigned long long)row->time_ms);
}

struct row_page {
    struct buf *out;
    struct buf last; /* name */
};

static void
dump_page_row(void *arg, const struct driver_row *row)
{
    struct row_page *rows = arg;
    driver_contract_dump_row(rows->out, row);
    buf_reset(&rows->last);
    buf_append_slice(&rows->last, row->name);
}

void
driver_contract_dump_rows(struct driver *driver, uint8_t kind, size_t page, struct buf *out)
{
    struct row_page rows = {.out = out};
    struct buf after;
    bool more = true;
    buf_init(&rows.last, 1 << 17);
    buf_init(&after, 1 << 17);
    while (more) {
        buf_reset(&after);
        buf_append_slice(&after, buf_slice(&rows.last));
        CU_ASSERT_EQUAL_FATAL(
            driver_row_page(driver, kind, buf_slice(&after), page, dump_page_row, &rows, &more),
            OK);
    }
    buf_fini(&rows.last);
    buf_fini(&after);
}

void
driver_contract_dump_entries(struct driver *driver, uint64_t number, size_t page, struct buf *out)
{
    uint64_t from = 0;
    bool more = true;
    while (more) {
        struct buf one;
        const char *last;
        buf_init(&one, 1 << 20);
        CU_ASSERT_EQUAL_FATAL(driver_queue_page(driver, number, from, page, SIZE_MAX,
                                                driver_contract_dump_entry, &one, &more),
                              OK);
        buf_append_slice(out, buf_slice(&one));
        buf_put_u8(&one, 0);
        /* Where to go on: behind the sequence of the last entry. */
        last = (const char *)buf_slice(&one).data;
        while (last != NULL && *last != '\0') {
            unsigned long long seq;
            if (sscanf(last, "entry %llu", &seq) == 1)
                from = seq + 1;
            last = strchr(last, '\n');
            last = last != NULL ? last + 1 : NULL;
        }
        buf_fini(&one);
    }
}

static void
dump_retained_filter(struct driver *driver, const char *filter, size_t page, struct buf *out)
{
    struct buf next, after;
    buf_init(&next, 1 << 17);
    buf_init(&after, 1 << 17);
    do {
        buf_reset(&after);
        buf_append_slice(&after, buf_slice(&next));
        CU_ASSERT_EQUAL_FATAL(driver_retained_page(driver, text(filter), buf_slice(&after), page,
                                                   SIZE_MAX, dump_retained, out, &next),
                              OK);
    } while (buf_len(&next) != 0);
    buf_fini(&next);
    buf_fini(&after);
}

void
driver_contract_dump(struct driver *driver, struct buf *out)
{
    struct driver_totals totals;
    uint64_t number;
    uint8_t kind;
    bool more;
    buf_reset(out);
    CU_ASSERT_EQUAL_FATAL(driver_load(driver, &dump_visitor, out), OK);
    for (number = 1; number <= 4; number++)
        driver_contract_dump_entries(driver, number, 100, out);
    dump_retained_filter(driver, "#", 100, out);
    dump_retained_filter(driver, "$SYS/#", 100, out);
    CU_ASSERT_EQUAL_FATAL(
        driver_user_page(driver, text(""), 1000, driver_contract_dump_user, out, &more), OK);
    for (kind = DRIVER_ROW_ROLE; kind <= DRIVER_ROW_AUDIT; kind++)
        driver_contract_dump_rows(driver, kind, 100, out);
    CU_ASSERT_EQUAL_FATAL(driver_totals(driver, &totals), OK);
    buf_printf(out, "totals %llu %llu %llu\n", (unsigned long long)totals.retained_count,
               (unsigned long long)totals.retained_bytes, (unsigned long long)totals.user_count);
    CU_ASSERT_EQUAL(buf_error(out), OK);
}

void
driver_contract_expect(struct driver *driver, const char *want, int line)
{
    struct buf got;
    buf_init(&got, 1 << 20);
    driver_contract_dump(driver, &got);
    if (!slice_equal_cstr(buf_slice(&got), want)) {
        printf("line %d: got\n%.*s---- want\n%s----\n", line, (int)buf_len(&got),
               (const char *)buf_slice(&got).data, want);
        CU_FAIL("content differs");
    }
    buf_fini(&got);
}

struct fixture
driver_contract_begin(void)
{
    struct fixture f = {.driver = contract->open(true)};
    batch_init(&f.batch);
    return f;
}

void
driver_contract_end(struct fixture *f)
{
    batch_fini(&f->batch);
    driver_close(f->driver);
}

void
driver_contract_reopen(struct fixture *f)
{
    driver_close(f->driver);
    f->driver = contract->open(false);
}
