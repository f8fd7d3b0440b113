/* SPDX-License-Identifier: Apache-2.0 */
/* From disk to memory; see restore.h. */
#include "services/store/restore.h"

#include "common/clock.h"
#include "common/crypt.h"
#include "common/cursor.h"
#include "common/log.h"
#include "common/mem.h"
#include "proto/limits.h"
#include "services/store/session_life.h"
#include "services/store/shard_mark.h"
#include "services/store/transfer.h"

#include <string.h>

/* A publish from the outbox, until it is given to the cores. */
struct restore_copy {
    struct restore_copy *next;
    uint64_t seq;
    size_t len;
    uint8_t bytes[];
};

/* Who published what may be in the outbox. */
struct claim {
    UT_hash_handle hh;
    uint64_t seq;
    uint64_t session;
    uint16_t packet_id;
};

struct loading {
    struct store *store;
    uint64_t now_ms;
    uint64_t boot;
    uint64_t outbox_next;
    uint64_t origin;
    struct shard_mark mark;
    bool mark_damaged;
    bool half_imported;
    struct claim *claims;
    struct restore_copy **last;
    uint64_t sessions;
    uint64_t skipped; /* rows without a session, or malformed */
};

static uint64_t
number_of(struct slice value)
{
    struct cursor c = cursor_of(value);
    uint64_t number = cursor_u64(&c);
    return cursor_end(&c) == OK ? number : 0;
}

static void
load_meta(void *arg, const char *name, struct slice value)
{
    struct loading *loading = arg;
    if (strcmp(name, "boot") == 0)
        loading->boot = number_of(value);
    else if (strcmp(name, "outbox_next") == 0)
        loading->outbox_next = number_of(value);
    else if (strcmp(name, "outbox_origin") == 0)
        loading->origin = number_of(value);
    else if (strcmp(name, TRANSFER_META_IMPORT) == 0)
        loading->half_imported = value.len != 0;
    else if (strcmp(name, SHARD_MARK_META) == 0)
        loading->mark_damaged = shard_mark_read(value, &loading->mark) != OK;
}

static void
load_session(void *arg, const struct driver_session *row)
{
    struct loading *loading = arg;
    struct store *store = loading->store;
    struct session *session;
    if (sessions_add(store->sessions, row->client_id, row->session, &session) != OK) {
        loading->skipped++;
        return;
    }
    session_make_lasting(session, row->seq_limit != 0 ? row->seq_limit : 1);
    session->lasting->seq_limit = row->seq_limit;
    store->persistent++;
    session->lasting->created_ms = row->created_ms;
    if (row->extra.len == 8)
        session->lasting->queue.pushed_seq = number_of(row->extra);
    session->epoch = row->epoch;
    session->conn = row->conn;
    session->owner_incarnation = row->owner;
    session->expiry_s = row->expiry_s;
    session->receive_maximum =
        row->receive_maximum < UINT16_MAX ? (uint16_t)row->receive_maximum : UINT16_MAX;
    session->version = row->version;
    session->disconnected_ms = row->disconnected_ms;
    if (row->owner != 0) {
        session->state = SESSION_LIMBO;
        store->limbo = true;
        if (row->user.len != 0)
            session->user = users_enter(store->users, row->user);
    } else if (row->expiry_s != SESSION_EXPIRY_NEVER) {
        session->expire_at_ms = row->disconnected_ms + (uint64_t)row->expiry_s * 1000;
    }
    loading->sessions++;
}

static void
load_subscription(void *arg, const struct driver_subscription *row)
{
    struct loading *loading = arg;
    struct session *session = sessions_by_number(loading->store->sessions, row->session);
    struct subscription_options options = {
        .identifier = row->identifier,
        .qos = row->qos,
        .no_local = row->no_local,
        .retain_as_published = row->retain_as_published,
        .retain_handling = row->retain_handling,
    };
    enum subscription_change change;
    bool is_new;
    if (session == NULL || subscriptions_put(loading->store->subscriptions, session, row->filter,
                                             &options, &is_new, &change) != OK)
        loading->skipped++;
}

static void
load_queue(void *arg, const struct driver_queue *row)
{
    struct loading *loading = arg;
    struct store *store = loading->store;
    struct session *session = sessions_by_number(store->sessions, row->session);
    struct session_queue *queue;
    if (session == NULL) {
        loading->skipped++;
        return;
    }
    queue = &session->lasting->queue;
    queue->count = row->count;
    queue->bytes = row->bytes;
    queue->drop_from = row->first_seq;
    queue->disk_from = row->first_seq;
    if (row->last_seq >= queue->next_seq)
        queue->next_seq = row->last_seq + 1;
    /* what was pushed in a connection that we did not see end is not known: rather DUP too often */
    if (session->state == SESSION_LIMBO)
        queue->pushed_seq = row->last_seq;
    store->queue_count += row->count;
    store->queue_bytes += row->bytes;
}

static void
load_inbound(void *arg, uint64_t number, uint16_t packet_id, uint64_t outbox_seq)
{
    struct loading *loading = arg;
    struct session *session = sessions_by_number(loading->store->sessions, number);
    struct claim *claim;
    if (session == NULL || session_inbound_add(session, packet_id) != OK) {
        loading->skipped++;
        return;
    }
    /* done, unless load_outbox finds its publish */
    session_inbound_get(session, packet_id)->state = SESSION_INBOUND_DONE;
    if (outbox_seq == 0)
        return;
    HASH_FIND(hh, loading->claims, &outbox_seq, sizeof(outbox_seq), claim);
    if (claim != NULL)
        return;
    claim = mem_zalloc(sizeof(*claim));
    claim->seq = outbox_seq;
    claim->session = number;
    claim->packet_id = packet_id;
    HASH_ADD(hh, loading->claims, seq, sizeof(claim->seq), claim);
}

static void
load_will(void *arg, uint64_t number, uint64_t due_ms, struct slice value)
{
    struct loading *loading = arg;
    struct session *session = sessions_by_number(loading->store->sessions, number);
    if (session == NULL || session_life_load_will(session, value) != OK) {
        loading->skipped++;
        return;
    }
    session->will_at_ms = due_ms;
}

static void
load_outbox(void *arg, uint64_t seq, struct slice record)
{
    struct loading *loading = arg;
    struct store *store = loading->store;
    struct restore_copy *copy = mem_alloc(sizeof(*copy) + record.len);
    struct claim *claim;
    HASH_FIND(hh, loading->claims, &seq, sizeof(seq), claim);
    outbox_load(store->outbox, seq, claim != NULL ? claim->session : 0,
                claim != NULL ? claim->packet_id : 0, record.len);
    if (claim != NULL)
        session_inbound_get(sessions_by_number(store->sessions, claim->session), claim->packet_id)
            ->state = SESSION_INBOUND_PENDING;
    copy->next = NULL;
    copy->seq = seq;
    copy->len = record.len;
    if (record.len != 0)
        memcpy(copy->bytes, record.data, record.len);
    *loading->last = copy;
    loading->last = &copy->next;
}

static void
load_token_set(void *arg, uint64_t origin, struct slice value)
{
    struct loading *loading = arg;
    if (origins_load(loading->store->origins, origin, value, loading->now_ms) != OK)
        loading->skipped++;
}

static void
settle(void *arg, struct session *session)
{
    struct loading *loading = arg;
    struct session_queue *queue = &session->lasting->queue;
    if (queue->count == 0) {
        queue->disk_from = queue->next_seq;
        queue->drop_from = queue->next_seq;
    }
    if (session->state == SESSION_DISCONNECTED)
        session_life_arm(loading->store, session);
}

static enum err
write_boot(struct store *store)
{
    const struct shard_mark mark = {.number = store->shard, .count = store->shards.count};
    struct batch batch;
    uint8_t boot[8];
    uint8_t origin[8];
    enum err err;
    buf_store_u64(boot, store->boot);
    buf_store_u64(origin, store->origin);
    batch_init(&batch);
    batch_meta_put(&batch, "boot", slice_of(boot, sizeof(boot)));
    batch_meta_put(&batch, "outbox_origin", slice_of(origin, sizeof(origin)));
    shard_mark_put(&mark, &batch);
    err = driver_apply(store->driver, &batch);
    if (err != OK)
        log_error("start_write_failed", LOG_ERR(err),
                  LOG_STR("reason", driver_reason(store->driver)), LOG_END);
    batch_fini(&batch);
    return err;
}

/* Fresh data become what the settings say. */
static enum err
check_mark(const struct store *store, const struct loading *loading)
{
    struct shard_mark mark = loading->mark;
    if (loading->mark_damaged) {
        log_error("shard_mark_damaged", LOG_END);
        return ERR_MALFORMED;
    }
    if (mark.count == 0 && loading->boot == 0)
        return OK;
    if (mark.count == 0)
        mark.count = 1;
    if (mark.count == store->shards.count && mark.number == store->shard)
        return OK;
    log_error("data_of_other_shards", LOG_U64("shard", mark.number), LOG_U64("shards", mark.count),
              LOG_U64("wanted_shard", store->shard), LOG_U64("wanted_shards", store->shards.count),
              LOG_STR("hint",
                      "to divide the data anew: --export with the former settings, --import "
                      "into empty data with the new ones, for each shard"),
              LOG_END);
    return ERR_INVALID;
}

/* The boot count must be known before the rooms are made. */
static enum err
read_boot(struct store *store)
{
    static const struct driver_visitor visitor = {.meta = load_meta};
    struct loading loading = {.store = store};
    enum err err = driver_load(store->driver, &visitor, &loading);
    if (err != OK)
        return err;
    if (loading.half_imported) {
        log_error("import_incomplete", LOG_STR("hint", "an import was interrupted: repeat it"),
                  LOG_END);
        return ERR_INVALID;
    }
    err = check_mark(store, &loading);
    if (err != OK)
        return err;
    if (loading.boot >= SHARDS_BOOT_MAX) {
        log_error("too_many_starts", LOG_U64("boot", loading.boot), LOG_END);
        return ERR_INVALID;
    }
    store->boot = loading.boot + 1;
    store->origin = loading.origin;
    while (store->origin == 0)
        store->origin = crypt_random_u64();
    outbox_set_next(store->outbox, loading.outbox_next);
    store->sessions =
        sessions_new(shards_first_number(store->shard, store->boot), store->config->sessions_max);
    return write_boot(store);
}

enum err
restore_load(struct store *store)
{
    static const struct driver_visitor visitor = {
        .session = load_session,
        .subscription = load_subscription,
        .queue = load_queue,
        .inbound = load_inbound,
        .will = load_will,
        .outbox = load_outbox,
        .token_set = load_token_set,
    };
    struct loading loading = {.store = store};
    struct claim *claim;
    struct claim *next;
    uint64_t started_ms = clock_monotonic_ms();
    enum err err = read_boot(store);
    loading.now_ms = store_wall_ms(store);
    loading.last = &store->outbox_copies;
    if (err == OK)
        err = driver_load(store->driver, &visitor, &loading);
    HASH_ITER(hh, loading.claims, claim, next)
    {
        HASH_DEL(loading.claims, claim);
        mem_free(claim);
    }
    if (err != OK) {
        if (err != ERR_INVALID) /* data that are not ours: read_boot has said why */
            log_error("restore_failed", LOG_ERR(err), LOG_END);
        return err;
    }
    sessions_each(store->sessions, settle, &loading);
    log_info("restored", LOG_U64("boot", store->boot), LOG_U64("sessions", loading.sessions),
             LOG_U64("subscriptions", subscriptions_count(store->subscriptions)),
             LOG_U64("queued", store->queue_count), LOG_U64("outbox", outbox_count(store->outbox)),
             LOG_U64("skipped", loading.skipped),
             LOG_U64("took_ms", clock_monotonic_ms() - started_ms), LOG_END);
    return OK;
}

void
restore_outbox(struct store *store)
{
    while (store->outbox_copies != NULL) {
        struct restore_copy *copy = store->outbox_copies;
        enum err err = session_life_send_again(store, copy->seq, slice_of(copy->bytes, copy->len));
        store->outbox_copies = copy->next;
        if (err != OK)
            log_error("outbox_publish_failed", LOG_U64("seq", copy->seq), LOG_ERR(err), LOG_END);
        mem_free(copy);
    }
}
