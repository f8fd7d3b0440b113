/* SPDX-License-Identifier: Apache-2.0 */
/* See store_link.h. */
#include "services/rest/store_link.h"

#include "common/log.h"
#include "common/mailbox.h"
#include "common/mem.h"
#include "common/peer.h"

#include <errno.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define WAITING_MAX 1024 /* questions posted and not taken up yet */

/* Lives on the stack of the asking thread, which waits until `answered` is signalled. */
struct question {
    struct store_link *link;
    uint16_t method;
    struct slice body;
    struct buf *reply;
    enum err result;
    int answered; /* eventfd */
};

struct store_link {
    struct loop *loop;
    struct mailbox *questions;
    struct peers *peers;
    struct peer *store; /* NULL: none in session */
    uint32_t deadline_ms;
    bool closed;
    atomic_bool up;
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
    struct store_link *link = arg;
    struct question *question = *(struct question **)item;
    uint32_t id;
    if (link->closed || link->store == NULL ||
        peer_call(link->store, question->method, question->body, link->deadline_ms, on_answer,
                  question, &id) != OK)
        answer(question, ERR_UNAVAILABLE, slice_of(NULL, 0));
}

static enum peer_keep
on_up(void *arg, struct peer *peer, const struct peer_info *info)
{
    struct store_link *link = arg;
    log_info("store_up", LOG_STR("name", info->name), LOG_STR("version", info->version), LOG_END);
    link->store = peer;
    atomic_store(&link->up, true);
    return PEER_DROP;
}

static void
on_down(void *arg, struct peer *peer, enum err why)
{
    struct store_link *link = arg;
    (void)peer;
    log_warn("store_down", LOG_ERR(why), LOG_END);
    link->store = NULL;
    atomic_store(&link->up, false);
}

enum err
store_link_new(struct loop *loop, const struct rest_config *config, struct store_link **out)
{
    struct store_link *link = mem_zalloc(sizeof *link);
    struct peers_dial dial = {
        .service = "store", .address = config->stores.items[0], .calls_only = true};
    const struct conf_common *common = &config->common;
    struct peers_config peers = {
        .service = "rest",
        .name = common->instance[0] != 0 ? common->instance : "rest",
        .version = SLUICE_VERSION,
        .secret = slice_cstr(common->cluster_secret),
        .dial = &dial,
        .n_dial = 1,
        .lease_ms = (uint32_t)config->lease_ms,
        .tls_ca = common->cluster_ca,
        .tls_cert = common->cluster_cert,
        .tls_key = common->cluster_key,
    };
    static const struct peers_events events = {.up = on_up, .down = on_down};
    link->loop = loop;
    link->deadline_ms = (uint32_t)config->deadline_ms;
    link->questions = mailbox_new(loop, sizeof(struct question *), WAITING_MAX, on_question, link);
    enum err err = peers_new(loop, &peers, &events, link, &link->peers);
    if (err != OK) {
        mailbox_free(link->questions);
        mem_free(link);
        return err;
    }
    *out = link;
    return OK;
}

void
store_link_close(struct store_link *link)
{
    link->closed = true;
    mailbox_drain(link->questions);
    if (link->store != NULL)
        peer_drop(link->store, ERR_CLOSED);
}

void
store_link_free(struct store_link *link)
{
    if (link == NULL)
        return;
    peers_free(link->peers);
    mailbox_free(link->questions);
    mem_free(link);
}

bool
store_link_is_up(const struct store_link *link)
{
    return atomic_load(&link->up);
}

enum err
store_link_ask(struct store_link *link, uint16_t method, struct slice body, struct buf *reply)
{
    struct question question = {.link = link, .method = method, .body = body, .reply = reply};
    struct question *pointer = &question;
    uint64_t count;
    question.answered = eventfd(0, EFD_CLOEXEC);
    if (question.answered < 0)
        return ERR_UNAVAILABLE;
    enum err err = mailbox_post(link->questions, &pointer);
    if (err == OK) {
        /* The call has a deadline, so the answer comes; only a signal may interrupt the wait. */
        while (read(question.answered, &count, sizeof count) < 0 && errno == EINTR)
            continue;
        err = question.result;
    } else {
        err = ERR_UNAVAILABLE;
    }
    close(question.answered);
    return err;
}
