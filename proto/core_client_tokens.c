/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Publishes kept until a core answers. A ring of pointers indexed by token finds an answer's
 * record at once; a record that is not in a feed yet is in exactly one queue (held, or unsent of a
 * core). Order: a queue is first in, first out; a topic is in one queue only; what a lost core had
 * goes, in order of tokens, in front of what is held, because it is older.
 */
#include "proto/core_client_part.h"

#include "common/cursor.h"
#include "common/mem.h"
#include "proto/publish_record.h"
#include "proto/records.h"
#include "proto/repeats.h"
#include <assert.h>

enum { RECORD_FLAGS_AT = 40, RECORD_TOPIC_AT = 43, RING_MIN = 1024 };

/* Of a record whose lengths were checked. */
static struct slice
topic_of(const uint8_t *record)
{
    return slice_of(record + RECORD_TOPIC_AT, cursor_load_u16(record + RECORD_TOPIC_AT - 2));
}

static size_t
entry_cost(const struct core_entry *entry)
{
    return sizeof(*entry) + entry->len;
}

static struct core_entry **
slot_of(struct core_client *client, uint64_t token)
{
    return &client->ring[token & (client->ring_size - 1)];
}

static void
hold_check(struct core_client *client)
{
    size_t span = (size_t)(client->next - client->floor);
    size_t tokens = client->config.tokens_max, bytes = client->config.bytes_max;
    bool on = client->holding;
    if (span > tokens / 2 || client->stats.bytes_kept > bytes / 2)
        on = true;
    else if (span < tokens / 4 && client->stats.bytes_kept < bytes / 4)
        on = false;
    if (on == client->holding)
        return;
    client->holding = on;
    client->io.hold(client->arg, on);
}

static void
entry_free(struct core_client *client, struct core_entry *entry)
{
    client->stats.bytes_kept -= entry_cost(entry);
    mem_free(entry);
}

/* Takes a token off the ring and moves the floor. */
static void
token_close(struct core_client *client, struct core_entry *entry)
{
    *slot_of(client, entry->token) = NULL;
    client->stats.tokens_open--;
    while (client->floor < client->next && *slot_of(client, client->floor) == NULL)
        client->floor++;
}

/* The answer: once, because the entry is gone from the ring before the callback. */
static void
entry_answer(struct core_client *client, struct core_entry *entry, bool wanted)
{
    uint64_t a = entry->a, b = entry->b;
    if (entry->token != 0) {
        token_close(client, entry);
        client->stats.answered++;
        entry_free(client, entry);
        client->io.token_done(client->arg, a, b, wanted);
    } else {
        entry_free(client, entry);
    }
}

/* Makes room in the ring for tokens up to `token`. */
static void
ring_cover(struct core_client *client, uint64_t token)
{
    size_t need = (size_t)(token - client->floor) + 1, size = client->ring_size;
    struct core_entry **ring;
    uint64_t t;
    if (need <= size)
        return;
    if (size == 0)
        size = RING_MIN;
    while (size < need)
        size *= 2;
    ring = mem_zalloc_array(size, sizeof(struct core_entry *));
    for (t = client->floor; t < client->next; t++)
        ring[t & (size - 1)] = *slot_of(client, t);
    mem_free(client->ring);
    client->ring = ring;
    client->ring_size = size;
}

/* A QoS 2 record that another core had before: the core asks whether somebody has it. */
static enum err
entry_send_again(struct core_client *client, const struct core_entry *entry, uint32_t core,
                 uint8_t type)
{
    uint8_t head[REPEATS_AGAIN_BYTES];
    struct repeats_again again = {
        .attempt = client->attempt, .age_ms = client->now_ms - entry->since_ms, .type = type};
    struct slice parts[2] = {slice_of(head, repeats_again_encode(&again, head)),
                             slice_of(entry->bytes, entry->len)};
    return client->io.append(client->arg, core, FEED_AGAIN, parts, 2, false, NULL);
}

static bool
is_asked_about(const struct core_client *client, const struct core_entry *entry, uint32_t core)
{
    return entry->again && client->cores[core].exact &&
           (entry->bytes[entry->head + RECORD_FLAGS_AT] & 3) == 2;
}

/* Puts the entry into its core's feed. Numbers are written now: the floor is the newest then. */
static enum err
entry_send(struct core_client *client, struct core_entry *entry, uint32_t core)
{
    struct slice part = slice_of(entry->bytes, entry->len);
    uint8_t type = entry->head != 0 ? FEED_SHARED_RETURN : FEED_PUBLISH;
    enum err err = ERR_TOO_LARGE;
    publish_record_set_numbers(entry->bytes + entry->head, client->config.origin, entry->token,
                               entry->token != 0 ? client->floor : client->era);
    if (is_asked_about(client, entry, core))
        err = entry_send_again(client, entry, core, type);
    if (err == ERR_TOO_LARGE) /* with its head at least: better without the question than never */
        err = client->io.append(client->arg, core, type, &part, 1, false, NULL);
    if (err == OK) {
        entry->sent = true;
        entry->core = (uint8_t)core;
    }
    return err;
}

void
core_client_tokens_pump(struct core_client *client, uint32_t index)
{
    struct core_state *core = &client->cores[index];
    while (core->up && core->unsent.head != NULL) {
        struct core_entry *entry = core->unsent.head;
        enum err err = entry_send(client, entry, index);
        if (err == ERR_BUSY || err == ERR_PEER_LOST)
            return;
        (void)core_queue_pop(&core->unsent);
        client->stats.unsent -= entry->token != 0;
        if (err == OK && entry->token != 0)
            continue;
        if (err == OK)
            client->stats.qos0_sent++;
        entry_answer(client, entry, false); /* QoS 0, or a record that no feed will ever take */
    }
    if (core->up && core->flush_wanted) {
        uint8_t number[RECORDS_NUMBER_BYTES];
        struct slice part = slice_of(number, records_number_encode(core->flush_token, number));
        core->flush_wanted = false;
        core_client_routes_control(client, index, FEED_FLUSH, &part, 1, 0);
    }
    hold_check(client);
}

void
core_client_tokens_release(struct core_client *client)
{
    struct core_entry *entry;
    uint32_t i;
    while ((entry = core_queue_pop(&client->held)) != NULL) {
        uint32_t core = rendezvous_owner(&client->set, topic_of(entry->bytes + entry->head));
        entry->core = (uint8_t)core;
        core_queue_push(&client->cores[core].unsent, entry);
    }
    for (i = 0; i < client->core_count; i++) {
        if (client->cores[i].unsent.head != NULL)
            core_client_tokens_pump(client, i);
    }
}

void
core_client_tokens_lost(struct core_client *client, uint32_t index)
{
    struct core_state *core = &client->cores[index];
    struct core_queue again;
    struct core_entry *entry;
    uint64_t t;
    core_queue_init(&again);
    while ((entry = core_queue_pop(&core->unsent)) != NULL) {
        if (entry->token != 0)
            continue; /* found in the ring below */
        client->stats.qos0_dropped++;
        entry_free(client, entry);
    }
    for (t = client->floor; t < client->next; t++) {
        entry = *slot_of(client, t);
        if (entry == NULL || entry->core != index)
            continue;
        if (entry->sent) {
            client->stats.resent++;
            client->stats.unsent++;
            entry->again = true;
        }
        entry->sent = false;
        entry->core = CORE_NONE;
        core_queue_push(&again, entry);
    }
    if (again.head == NULL)
        return;
    *again.tail = client->held.head;
    if (client->held.head == NULL)
        client->held.tail = again.tail;
    client->held.head = again.head;
}

enum err
core_client_tokens_done(struct core_client *client, uint32_t core, struct slice body)
{
    size_t count, i;
    enum err err = records_token_done_count(body, &count);
    if (err != OK)
        return err;
    for (i = 0; i < count; i++) {
        struct core_entry *entry;
        uint64_t token;
        uint8_t flags;
        records_token_done_get(body, i, &token, &flags);
        if (token != 0 && token == client->cores[core].flush_token) {
            core_client_flush_end(client, core);
            continue;
        }
        if (token < client->floor || token >= client->next)
            continue;
        entry = *slot_of(client, token);
        if (entry == NULL || !entry->sent || entry->core != core)
            continue; /* answered before, or sent again through another core since */
        entry_answer(client, entry, (flags & RECORDS_TOKEN_WANTED) != 0);
    }
    hold_check(client);
    return OK;
}

/* New, in no queue. */
static struct core_entry *
entry_new(struct core_client *client, struct slice record, uint64_t token)
{
    struct core_entry *entry = mem_alloc(sizeof(*entry) + record.len);
    *entry = (struct core_entry){.token = token, .len = (uint32_t)record.len, .core = CORE_NONE};
    memcpy(entry->bytes, record.data, record.len);
    client->stats.bytes_kept += entry_cost(entry);
    return entry;
}

/* The core that may have it now, or CORE_CLIENT_NO_CORE: it must be held. */
static uint32_t
core_for(const struct core_client *client, struct slice topic)
{
    uint32_t core = rendezvous_owner(&client->set, topic);
    if (core == RENDEZVOUS_NONE)
        return CORE_CLIENT_NO_CORE;
    if (core_client_flushing(client) &&
        (client->conservative || rendezvous_owner(&client->was, topic) != core))
        return CORE_CLIENT_NO_CORE;
    return core;
}

static void
entry_queue(struct core_client *client, struct core_entry *entry, uint32_t core)
{
    client->stats.unsent += entry->token != 0;
    entry->core = core == CORE_CLIENT_NO_CORE ? CORE_NONE : (uint8_t)core;
    core_queue_push(core == CORE_CLIENT_NO_CORE ? &client->held : &client->cores[core].unsent,
                    entry);
}

static enum err
publish_qos0(struct core_client *client, struct slice record)
{
    uint32_t core = core_for(client, topic_of(record.data));
    enum err err = ERR_UNAVAILABLE;
    if (client->set.members == 0)
        goto dropped;
    if (core != CORE_CLIENT_NO_CORE && client->cores[core].unsent.head == NULL) {
        /* Straight from the caller's bytes: nothing is kept. */
        uint8_t numbers[PUBLISH_RECORD_NUMBERS];
        struct slice parts[2] = {slice_of(numbers, PUBLISH_RECORD_NUMBERS),
                                 slice_sub(record, PUBLISH_RECORD_NUMBERS, record.len)};
        publish_record_set_numbers(numbers, client->config.origin, 0, client->era);
        err = client->io.append(client->arg, core, FEED_PUBLISH, parts, 2, false, NULL);
        if (err == OK) {
            client->stats.qos0_sent++;
            return OK;
        }
        if (err != ERR_BUSY)
            goto dropped;
    }
    err = ERR_BUSY;
    if (client->holding || record.len > client->config.bytes_max / 2)
        goto dropped;
    entry_queue(client, entry_new(client, record, 0), core);
    hold_check(client);
    return OK;
dropped:
    client->stats.qos0_dropped++;
    return err;
}

/* bytes: the record, behind `head` bytes of a FEED_SHARED_RETURN. */
static enum err
publish(struct core_client *client, uint64_t token, struct slice bytes, size_t head, uint64_t a,
        uint64_t b)
{
    struct slice record = slice_sub(bytes, head, bytes.len);
    struct core_entry *entry;
    struct slice topic;
    uint32_t core;
    enum err err;
    if (record.len < PUBLISH_RECORD_FIXED || record.len > UINT32_MAX)
        return ERR_MALFORMED;
    topic = topic_of(record.data);
    if (topic.len == 0 || topic.len > record.len - PUBLISH_RECORD_FIXED)
        return ERR_MALFORMED;
    if ((record.data[RECORD_FLAGS_AT] & 3) == 0)
        return head == 0 ? publish_qos0(client, record) : ERR_MALFORMED;

    if (client->stats.tokens_open == 0) {
        client->floor = token; /* gaps in an outbox's numbers count as answered */
        client->next = token;
    }
    if (token - client->floor >= client->config.tokens_max ||
        sizeof(*entry) + bytes.len > client->config.bytes_max - client->stats.bytes_kept)
        return ERR_BUSY;
    entry = entry_new(client, bytes, token);
    entry->head = (uint32_t)head;
    entry->again = client->recovering;
    entry->since_ms = client->now_ms - (client->recovering ? client->recovered_ms : 0);
    entry->a = a;
    entry->b = b;
    ring_cover(client, token);
    *slot_of(client, token) = entry;
    client->next = token + 1;
    client->stats.tokens_open++;
    core = core_for(client, topic);
    err = ERR_BUSY;
    if (core != CORE_CLIENT_NO_CORE && client->cores[core].unsent.head == NULL)
        err = entry_send(client, entry, core);
    if (err == ERR_BUSY || err == ERR_PEER_LOST) {
        entry_queue(client, entry, core);
    } else if (err != OK) {
        token_close(client, entry);
        entry_free(client, entry);
        return err;
    }
    client->stats.published++;
    hold_check(client);
    return OK;
}

enum err
core_client_publish(struct core_client *client, struct slice record, uint64_t a, uint64_t b)
{
    return publish(client, client->next, record, 0, a, b);
}

enum err
core_client_publish_numbered(struct core_client *client, uint64_t token, struct slice record,
                             uint64_t a, uint64_t b)
{
    bool qos0 = record.len >= PUBLISH_RECORD_FIXED && (record.data[RECORD_FLAGS_AT] & 3) == 0;
    if (!qos0 && (token < client->next || token >> 63 != 0))
        return ERR_INVALID;
    return publish(client, token, record, 0, a, b);
}

enum err
core_client_return_numbered(struct core_client *client, uint64_t token, struct slice body,
                            uint64_t a, uint64_t b)
{
    struct records_shared shared;
    enum err err = records_shared_return_decode(body, &shared);
    if (err != OK)
        return err;
    if (token < client->next || token >> 63 != 0)
        return ERR_INVALID;
    return publish(client, token, body, body.len - shared.record.len, a, b);
}

enum err
core_client_return(struct core_client *client, struct slice body, uint64_t a, uint64_t b)
{
    return core_client_return_numbered(client, client->next, body, a, b);
}

void
core_client_tokens_fini(struct core_client *client)
{
    struct core_entry *entry;
    uint64_t t;
    uint32_t i;
    for (i = 0; i <= client->core_count; i++) {
        struct core_queue *queue =
            i < client->core_count ? &client->cores[i].unsent : &client->held;
        while ((entry = core_queue_pop(queue)) != NULL) {
            if (entry->token == 0)
                mem_free(entry);
        }
    }
    for (t = client->floor; t < client->next; t++)
        mem_free(*slot_of(client, t));
    mem_free(client->ring);
}
