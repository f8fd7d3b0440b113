/* SPDX-License-Identifier: Apache-2.0 */
/* --export: every domain, row by row, in the order in which --import wants them: people, retained
 * messages, then the sessions and what is below them. */
#include "services/store/transfer.h"

#include "common/cursor.h"
#include "common/mem.h"
#include "proto/limits.h"
#include "proto/publish_record.h"
#include "services/store/transfer_line.h"

#include <errno.h>
#include <string.h>

#define PAGE_COUNT 1000u
#define PAGE_BYTES ((size_t)4 * 1024 * 1024)
#define FLUSH      ((size_t)1024 * 1024)
#define OUT_MAX    ((size_t)1 << 30)

struct export
{
    struct driver *driver;
    FILE *file;
    struct buf out;
    struct buf after; /* name or topic of the row written last */
    uint64_t count;
    uint64_t session;
    uint64_t next_seq;
    uint64_t *queues; /* sessions with entries */
    size_t queue_count;
    size_t queue_size;
    int broken; /* errno of the file */
};

static void
flush(struct export *e)
{
    struct slice bytes = buf_slice(&e->out);
    if (e->broken == 0 && buf_error(&e->out) != OK)
        e->broken = EOVERFLOW;
    if (e->broken == 0 && bytes.len != 0 && fwrite(bytes.data, 1, bytes.len, e->file) != bytes.len)
        e->broken = errno != 0 ? errno : EIO;
    buf_reset(&e->out);
}

static void
put(struct export *e, const struct transfer_line *line)
{
    transfer_line_write(line, &e->out);
    e->count++;
    if (buf_len(&e->out) >= FLUSH)
        flush(e);
}

static void
go_on_behind(struct export *e, struct slice text)
{
    buf_reset(&e->after);
    buf_append_slice(&e->after, text);
}

/* ---- people and retained ---- */

static void
put_user(void *arg, const struct driver_user *user)
{
    struct transfer_line line = {.type = TRANSFER_USER};
    line.numbers[NUMBER_TIME_MS] = user->changed_ms;
    line.texts[TEXT_NAME] = user->name;
    line.texts[TEXT_PASSWORD] = user->password;
    line.texts[TEXT_ROLES] = user->roles;
    line.texts[TEXT_RULES] = user->rules;
    put(arg, &line);
    go_on_behind(arg, user->name);
}

static void
put_row(void *arg, const struct driver_row *row)
{
    struct transfer_line line = {.type = TRANSFER_ROW};
    line.numbers[NUMBER_KIND] = row->kind;
    line.numbers[NUMBER_TIME_MS] = row->time_ms;
    line.texts[TEXT_NAME] = row->name;
    line.texts[TEXT_CONTENT] = row->value;
    put(arg, &line);
    go_on_behind(arg, row->name);
}

static enum err
export_people(struct export *e)
{
    bool more = true;
    enum err err = OK;
    uint8_t kind;
    buf_reset(&e->after);
    while (err == OK && more && e->broken == 0)
        err = driver_user_page(e->driver, buf_slice(&e->after), PAGE_COUNT, put_user, e, &more);
    for (kind = DRIVER_ROW_ROLE; err == OK && kind <= DRIVER_ROW_AUDIT; kind++) {
        buf_reset(&e->after);
        more = true;
        while (err == OK && more && e->broken == 0)
            err = driver_row_page(e->driver, kind, buf_slice(&e->after), PAGE_COUNT, put_row, e,
                                  &more);
    }
    return err;
}

static bool
put_retained(void *arg, struct slice topic, struct slice record)
{
    struct transfer_line line = {.type = TRANSFER_RETAINED};
    struct publish_record read;
    line.texts[TEXT_TOPIC] = topic;
    line.texts[TEXT_RECORD] = record;
    if (publish_record_decode(record, &read) == OK)
        line.numbers[NUMBER_TIME_MS] = read.expiry_ms;
    put(arg, &line);
    return true;
}

/* Not those on topics that begin with '$': no filter shows them all. */
static enum err
export_retained(struct export *e)
{
    struct buf next;
    enum err err;
    buf_init(&next, LIMITS_TOPIC);
    buf_reset(&e->after);
    do {
        err = driver_retained_page(e->driver, slice_cstr("#"), buf_slice(&e->after), PAGE_COUNT,
                                   PAGE_BYTES, put_retained, e, &next);
        go_on_behind(e, buf_slice(&next));
    } while (err == OK && buf_len(&next) != 0 && e->broken == 0);
    buf_fini(&next);
    return err;
}

/* ---- sessions ---- */

static void
put_meta(void *arg, const char *name, struct slice value)
{
    struct transfer_line line = {.type = TRANSFER_META};
    if (strcmp(name, TRANSFER_META_IMPORT) == 0)
        return;
    line.texts[TEXT_NAME] = slice_cstr(name);
    line.texts[TEXT_VALUE] = value;
    put(arg, &line);
}

static void
put_session(void *arg, const struct driver_session *session)
{
    struct transfer_line line = {.type = TRANSFER_SESSION};
    line.numbers[NUMBER_SESSION] = session->session;
    line.numbers[NUMBER_EPOCH] = session->epoch;
    line.numbers[NUMBER_OWNER] = session->owner;
    line.numbers[NUMBER_CONN] = session->conn;
    line.numbers[NUMBER_CREATED_MS] = session->created_ms;
    line.numbers[NUMBER_DISCONNECTED_MS] = session->disconnected_ms;
    line.numbers[NUMBER_SEQ_LIMIT] = session->seq_limit;
    line.numbers[NUMBER_EXPIRY_S] = session->expiry_s;
    line.numbers[NUMBER_RECEIVE_MAXIMUM] = session->receive_maximum;
    line.numbers[NUMBER_VERSION] = session->version;
    line.texts[TEXT_NAME] = session->client_id;
    line.texts[TEXT_USER] = session->user;
    line.texts[TEXT_VALUE] = session->extra;
    put(arg, &line);
}

static void
put_subscription(void *arg, const struct driver_subscription *subscription)
{
    struct transfer_line line = {.type = TRANSFER_SUBSCRIPTION};
    line.numbers[NUMBER_SESSION] = subscription->session;
    line.numbers[NUMBER_IDENTIFIER] = subscription->identifier;
    line.numbers[NUMBER_QOS] = subscription->qos;
    line.numbers[NUMBER_NO_LOCAL] = subscription->no_local;
    line.numbers[NUMBER_RETAIN_AS_PUBLISHED] = subscription->retain_as_published;
    line.numbers[NUMBER_RETAIN_HANDLING] = subscription->retain_handling;
    line.texts[TEXT_FILTER] = subscription->filter;
    put(arg, &line);
}

/* The driver must not be called from here. */
static void
note_queue(void *arg, const struct driver_queue *queue)
{
    struct export *e = arg;
    if (e->queue_count == e->queue_size) {
        e->queue_size = e->queue_size == 0 ? 64 : e->queue_size * 2;
        e->queues = mem_realloc_array(e->queues, e->queue_size, sizeof(*e->queues));
    }
    e->queues[e->queue_count++] = queue->session;
}

static void
put_inbound(void *arg, uint64_t session, uint16_t packet_id, uint64_t outbox_seq)
{
    struct transfer_line line = {.type = TRANSFER_INBOUND};
    line.numbers[NUMBER_SESSION] = session;
    line.numbers[NUMBER_PACKET_ID] = packet_id;
    line.numbers[NUMBER_OUTBOX_SEQ] = outbox_seq;
    put(arg, &line);
}

static void
put_will(void *arg, uint64_t session, uint64_t due_ms, struct slice value)
{
    struct transfer_line line = {.type = TRANSFER_WILL};
    line.numbers[NUMBER_SESSION] = session;
    line.numbers[NUMBER_TIME_MS] = due_ms;
    line.texts[TEXT_VALUE] = value;
    put(arg, &line);
}

static void
put_outbox(void *arg, uint64_t seq, struct slice record)
{
    struct transfer_line line = {.type = TRANSFER_OUTBOX};
    line.numbers[NUMBER_SEQ] = seq;
    line.texts[TEXT_RECORD] = record;
    put(arg, &line);
}

static void
put_tokens(void *arg, uint64_t origin, struct slice value)
{
    struct transfer_line line = {.type = TRANSFER_TOKENS};
    line.numbers[NUMBER_ORIGIN] = origin;
    line.texts[TEXT_VALUE] = value;
    put(arg, &line);
}

static void
put_entry(void *arg, const struct driver_entry *entry)
{
    struct export *e = arg;
    struct transfer_line line = {.type = TRANSFER_QUEUE, .id_count = entry->id_count};
    size_t i;
    line.numbers[NUMBER_SESSION] = e->session;
    line.numbers[NUMBER_SEQ] = entry->seq;
    line.numbers[NUMBER_FLAGS] = entry->flags;
    line.texts[TEXT_RECORD] = entry->record;
    for (i = 0; i < entry->id_count; i++)
        line.ids[i] = cursor_load_u32(entry->ids + i * 4);
    put(e, &line);
    e->next_seq = entry->seq + 1;
}

static enum err
export_queues(struct export *e)
{
    enum err err = OK;
    size_t i;
    for (i = 0; err == OK && i < e->queue_count; i++) {
        bool more = true;
        e->session = e->queues[i];
        e->next_seq = 0;
        while (err == OK && more && e->broken == 0)
            err = driver_queue_page(e->driver, e->session, e->next_seq, PAGE_COUNT, PAGE_BYTES,
                                    put_entry, e, &more);
    }
    return err;
}

enum err
transfer_export(struct driver *driver, FILE *file, uint64_t *count, char why[DRIVER_REASON_SIZE])
{
    static const struct driver_visitor visitor = {
        .meta = put_meta,
        .session = put_session,
        .subscription = put_subscription,
        .queue = note_queue,
        .inbound = put_inbound,
        .will = put_will,
        .outbox = put_outbox,
        .token_set = put_tokens,
    };
    struct export e = {.driver = driver, .file = file};
    enum err err;
    buf_init(&e.out, OUT_MAX);
    buf_init(&e.after, BATCH_TEXT_MAX);
    buf_append_cstr(&e.out, "{\"type\":\"sluice\",\"version\":1}\n");
    err = export_people(&e);
    if (err == OK)
        err = export_retained(&e);
    if (err == OK)
        err = driver_load(driver, &visitor, &e);
    if (err == OK)
        err = export_queues(&e);
    flush(&e);
    if (e.broken == 0 && fflush(file) != 0)
        e.broken = errno;
    if (err != OK) {
        (void)str_format(why, DRIVER_REASON_SIZE, "the database: %s", err_text(err));
    } else if (e.broken != 0) {
        (void)str_format(why, DRIVER_REASON_SIZE, "the file: %s", strerror(e.broken));
        err = ERR_IO;
    }
    *count = e.count;
    buf_fini(&e.out);
    buf_fini(&e.after);
    mem_free(e.queues);
    return err;
}
