/* SPDX-License-Identifier: Apache-2.0 */
/* See upstream.h. */
#include "services/rest/upstream.h"

#include "common/log.h"
#include "common/mailbox.h"
#include "common/mem.h"
#include "common/peer.h"
#include "proto/shard_seats.h"

#include <poll.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define LOOK_MS        100                          /* between looks whether all is over */
#define WAITING_MAX    8192                         /* questions posted and not taken up yet */
#define CALL_BYTES_MAX ((uint32_t)16 * 1024 * 1024) /* as the store's */

/* Lives on the stack of the asking thread, which waits until `answered` is signalled, or until
 * nobody can see it any more. */
struct question {
    struct upstream *upstream;
    size_t to; /* index into peers */
    uint16_t method;
    uint32_t deadline_ms;
    struct slice body;
    struct buf *reply;
    enum err result;
    int answered; /* eventfd */
};

struct far_end {
    struct peer *peer; /* in session, else NULL; of the loop's thread */
    const char *address;
    const char *service;
    atomic_bool is_up;
};

struct upstream {
    struct loop *loop;
    const struct rest_config *config;
    struct mailbox *questions;
    struct peers *peers;
    struct far_end *ends; /* stores, then cores */
    size_t count;
    struct shard_seats seats;        /* of the loop's thread */
    atomic_uint shards;              /* 0: no store has said it yet */
    atomic_uint holders[SHARDS_MAX]; /* shard -> index into ends, plus 1; 0: nobody so far */
    atomic_bool is_closed;           /* nothing more is asked */
    atomic_bool is_over;             /* and the mailbox has been emptied for the last time */
};

static void
answer(struct question *question, enum err result, struct slice body)
{
    const uint64_t one = 1;
    question->result = result;
    buf_append(question->reply, body.data, body.len);
    /* The last touch: the asking thread may go on and its stack with it. */
    ssize_t written = write(question->answered, &one, sizeof one);
    (void)written; /* an eventfd takes one number always */
}

static void
on_answer(void *arg, enum err result, struct slice body)
{
    bool lost = result == ERR_PEER_LOST || result == ERR_TIMEOUT || result == ERR_CLOSED ||
                result == ERR_BUSY;
    answer(arg, lost ? ERR_UNAVAILABLE : result, body);
}

static void
on_question(void *arg, void *item)
{
    struct upstream *upstream = arg;
    struct question *question = *(struct question **)item;
    const struct far_end *end = &upstream->ends[question->to];
    uint32_t id;
    if (atomic_load(&upstream->is_closed) || end->peer == NULL ||
        peer_call(end->peer, question->method, question->body, question->deadline_ms, on_answer,
                  question, &id) != OK)
        answer(question, ERR_UNAVAILABLE, slice_of(NULL, 0));
}

/* Settings hold no address twice, but a store and a core could be given the same. */
static struct far_end *
end_of(const struct upstream *upstream, const struct peer *peer)
{
    for (size_t i = 0; i < upstream->count; i++)
        if (strcmp(upstream->ends[i].address, peer_address(peer)) == 0 &&
            strcmp(upstream->ends[i].service, peer_service(peer)) == 0)
            return &upstream->ends[i];
    return NULL;
}

/* What a store says of its shard is believed or not. */
static void
take_shard(struct upstream *upstream, const struct far_end *end, struct peer *peer,
           const struct peer_info *info)
{
    struct shard_claim claim = {0};
    uint32_t former;
    uint32_t number = (uint32_t)(end - upstream->ends) + 1;
    enum err err = shards_claim_decode(info->blob, &claim);
    if (err == OK)
        err = shard_seats_take(&upstream->seats, peer_id(peer), &claim, &former);
    for (size_t i = 0; i < SHARDS_MAX; i++)
        if (atomic_load(&upstream->holders[i]) == number && (err != OK || i != claim.number))
            atomic_store(&upstream->holders[i], 0);
    if (err == OK) {
        atomic_store(&upstream->holders[claim.number], number);
        atomic_store(&upstream->shards, claim.count);
    } else {
        log_error("store_not_believed", LOG_STR("name", info->name), LOG_U64("shard", claim.number),
                  LOG_U64("shards", claim.count),
                  LOG_U64("shards_known", upstream->seats.shards.count), LOG_ERR(err), LOG_END);
    }
}

static enum peer_keep
on_up(void *arg, struct peer *peer, const struct peer_info *info)
{
    struct far_end *end = end_of(arg, peer);
    log_info("peer_up", LOG_STR("service", info->service), LOG_STR("name", info->name),
             LOG_STR("version", info->version), LOG_END);
    if (end != NULL) {
        end->peer = peer;
        if (strcmp(info->service, "store") == 0)
            take_shard(arg, end, peer, info);
        atomic_store(&end->is_up, true);
    }
    return PEER_DROP;
}

static void
on_down(void *arg, struct peer *peer, enum err why)
{
    struct far_end *end = end_of(arg, peer);
    log_warn("peer_down", LOG_STR("service", peer_service(peer)), LOG_STR("name", peer_name(peer)),
             LOG_ERR(why), LOG_END);
    shard_seats_down(&((struct upstream *)arg)->seats, peer_id(peer));
    if (end != NULL) {
        end->peer = NULL;
        atomic_store(&end->is_up, false);
    }
}

static enum err
open_peers(struct upstream *upstream, const struct rest_config *config)
{
    static const struct peers_events events = {.up = on_up, .down = on_down};
    const struct conf_common *common = &config->common;
    struct peers_dial *dial = mem_zalloc_array(upstream->count + 1, sizeof *dial);
    for (size_t i = 0; i < upstream->count; i++)
        dial[i] = (struct peers_dial){.service = upstream->ends[i].service,
                                      .address = upstream->ends[i].address,
                                      .calls_only = true};
    struct peers_config peers = {
        .service = "rest",
        .name = common->instance[0] != 0 ? common->instance : "rest",
        .version = SLUICE_VERSION,
        .secret = slice_cstr(common->cluster_secret),
        .dial = dial,
        .n_dial = upstream->count,
        .lease_ms = (uint32_t)config->lease_ms,
        .max_call_bytes = CALL_BYTES_MAX,
        .tls_ca = common->cluster_ca,
        .tls_cert = common->cluster_cert,
        .tls_key = common->cluster_key,
    };
    enum err err = peers_new(upstream->loop, &peers, &events, upstream, &upstream->peers);
    mem_free(dial);
    return err;
}

enum err
upstream_new(struct loop *loop, const struct rest_config *config, struct upstream **out)
{
    struct upstream *upstream = mem_zalloc(sizeof *upstream);
    upstream->loop = loop;
    upstream->config = config;
    upstream->ends =
        mem_zalloc_array(config->stores.count + config->cores.count, sizeof *upstream->ends);
    for (size_t i = 0; i < config->stores.count; i++, upstream->count++)
        upstream->ends[upstream->count] =
            (struct far_end){.address = config->stores.items[i], .service = "store"};
    for (size_t i = 0; i < config->cores.count; i++, upstream->count++)
        upstream->ends[upstream->count] =
            (struct far_end){.address = config->cores.items[i], .service = "core"};
    upstream->questions =
        mailbox_new(loop, sizeof(struct question *), WAITING_MAX, on_question, upstream);
    enum err err = open_peers(upstream, config);
    if (err != OK) {
        upstream_free(upstream);
        return err;
    }
    *out = upstream;
    return OK;
}

void
upstream_close(struct upstream *upstream)
{
    atomic_store(&upstream->is_closed, true);
    mailbox_drain(upstream->questions);
    for (size_t i = 0; i < upstream->count; i++)
        if (upstream->ends[i].peer != NULL)
            peer_drop(upstream->ends[i].peer, ERR_CLOSED);
    atomic_store(&upstream->is_over, true);
}

bool
upstream_is_closed(const struct upstream *upstream)
{
    return atomic_load(&upstream->is_closed);
}

void
upstream_free(struct upstream *upstream)
{
    if (upstream == NULL)
        return;
    peers_free(upstream->peers);
    mailbox_free(upstream->questions);
    mem_free(upstream->ends);
    mem_free(upstream);
}

size_t
upstream_count(const struct upstream *upstream, enum upstream_kind kind)
{
    unsigned shards = atomic_load(&upstream->shards);
    return kind == UPSTREAM_CORE ? upstream->config->cores.count : shards != 0 ? shards : 1;
}

static struct far_end *
far_end(const struct upstream *upstream, enum upstream_kind kind, size_t index)
{
    unsigned holder;
    if (index >= upstream_count(upstream, kind))
        return NULL;
    if (kind == UPSTREAM_CORE)
        return &upstream->ends[upstream->config->stores.count + index];
    holder = atomic_load(&upstream->holders[index]);
    return holder != 0 ? &upstream->ends[holder - 1] : NULL;
}

bool
upstream_is_up(const struct upstream *upstream, enum upstream_kind kind, size_t index)
{
    const struct far_end *end = far_end(upstream, kind, index);
    return end != NULL && atomic_load(&end->is_up);
}

const char *
upstream_address(const struct upstream *upstream, enum upstream_kind kind, size_t index)
{
    const struct far_end *end = far_end(upstream, kind, index);
    /* A shard that nobody has had so far is, most likely, the one in this place. */
    if (end == NULL && kind == UPSTREAM_STORE && index < upstream->config->stores.count)
        end = &upstream->ends[index];
    return end != NULL ? end->address : "";
}

size_t
upstream_store_of(const struct upstream *upstream, struct slice key)
{
    struct shards shards;
    shards_init(&shards, (uint32_t)upstream_count(upstream, UPSTREAM_STORE));
    return shards_of(&shards, key);
}

/* Calls have deadlines, so the answer comes; but what is put into the mailbox when it has been
 * emptied for the last time nobody sees, and then nobody will. */
static bool
await_answer(const struct upstream *upstream, const struct question *question)
{
    struct pollfd answered = {.fd = question->answered, .events = POLLIN};
    uint64_t count;
    while (poll(&answered, 1, LOOK_MS) != 1)
        if (atomic_load(&upstream->is_over) && poll(&answered, 1, 0) != 1)
            return false;
    return read(question->answered, &count, sizeof count) == (ssize_t)sizeof count;
}

enum err
upstream_ask(struct upstream *upstream, enum upstream_kind kind, size_t index, uint16_t method,
             struct slice body, uint32_t deadline_ms, struct buf *reply)
{
    const struct far_end *end = far_end(upstream, kind, index);
    if (end == NULL || upstream_is_closed(upstream))
        return ERR_UNAVAILABLE;
    struct question question = {
        .upstream = upstream,
        .to = (size_t)(end - upstream->ends),
        .method = method,
        .deadline_ms = deadline_ms != 0 ? deadline_ms : (uint32_t)upstream->config->deadline_ms,
        .body = body,
        .reply = reply};
    struct question *pointer = &question;
    question.answered = eventfd(0, EFD_CLOEXEC);
    if (question.answered < 0)
        return ERR_UNAVAILABLE;
    enum err err = mailbox_post(upstream->questions, &pointer);
    if (err != OK || !await_answer(upstream, &question))
        err = ERR_UNAVAILABLE;
    else
        err = question.result;
    close(question.answered);
    return err;
}
