/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A hub for tests of workers: a thread with a mailbox that says yes to everything, keeps what it
 * was posted, and can be told to say nothing. It has no feeds, cores or stores.
 */
#ifndef TESTS_UNIT_GATEWAY_FAKE_HUB_H
#define TESTS_UNIT_GATEWAY_FAKE_HUB_H

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#include "common/loop.h"
#include "common/mailbox.h"
#include "common/mem.h"
#include "services/gateway/post_access.h"
#include "services/gateway/post_body.h"
#include "services/gateway/worker.h"

#define FAKE_HUB_SEEN 4096

struct fake_hub {
    struct loop *loop;
    struct mailbox *mailbox;
    struct mailbox *workers[WORKERS_MAX];
    unsigned worker_count;
    pthread_t thread;
    uint64_t next_session;
    pthread_mutex_t lock; /* of what follows */
    pthread_cond_t changed;
    struct post seen[FAKE_HUB_SEEN]; /* without bodies */
    size_t seen_count;
    unsigned kinds[256]; /* how many of each kind */
    uint64_t mute;       /* bit per kind below 64: no answer */
    uint8_t open_reason; /* for POST_OPENED */
    bool session_present;
    enum err filter_result;
    struct session_subscription restored; /* of the next session, if its filter is not empty */
    uint16_t restored_inbound;
    struct session_open_request *last_open;
    struct sign_in_request *last_sign_in;
    uint8_t sign_in_reason;       /* for POST_SIGNED_IN */
    const char *roles, *rules;    /* in it: one role, or NULL */
    bool is_gone;                 /* for POST_USER_TERMS: there is no such user */
    struct message *last_message; /* of PUBLISH or INBOUND_PUBLISH */
    struct message *retained;     /* the answer to RETAINED_GET */
    unsigned retained_pages;
};

static inline void
fake_hub_post(struct fake_hub *hub, unsigned worker, const struct post *post)
{
    while (mailbox_post(hub->workers[worker], post) != OK)
        usleep(100); /* a test only waits for a full mailbox here */
}

static inline void
fake_hub_answer_open(struct fake_hub *hub, const struct post *post,
                     const struct session_open_request *request)
{
    struct session_opened opened = {.reason = hub->open_reason,
                                    .session = ++hub->next_session,
                                    .epoch = 1,
                                    .session_present = hub->session_present};
    if (request->client_id.len == 0)
        opened.client_id = slice_cstr("assigned-1");
    if (hub->restored.filter.len > 0) {
        opened.subscriptions = &hub->restored;
        opened.subscription_count = 1;
    }
    if (hub->restored_inbound != 0) {
        opened.inbound = &hub->restored_inbound;
        opened.inbound_count = 1;
    }
    fake_hub_post(hub, post->worker,
                  &(struct post){.kind = POST_OPENED,
                                 .conn = post->conn,
                                 .body = session_opened_new(&opened)});
}

static inline void
fake_hub_answer_sign_in(struct fake_hub *hub, const struct post *post,
                        const struct sign_in_request *request)
{
    bool is_terms = post->kind == POST_USER_ASK;
    uint8_t roles[64];
    struct signed_in answer = {.user = request->user,
                               .reason = is_terms ? 0 : hub->sign_in_reason,
                               .known = !(is_terms && hub->is_gone)};
    if (hub->roles != NULL) {
        roles[0] = (uint8_t)strlen(hub->roles);
        memcpy(roles + 1, hub->roles, roles[0]);
        answer.terms.roles = slice_of(roles, 1 + (size_t)roles[0]);
    }
    answer.terms.rules = slice_cstr(hub->rules);
    answer.terms.revision = ++hub->next_session;
    fake_hub_post(hub, post->worker,
                  &(struct post){.kind = is_terms ? POST_USER_TERMS : POST_SIGNED_IN,
                                 .conn = post->conn,
                                 .a = post->a,
                                 .flags = request->verified,
                                 .body = signed_in_new(&answer)});
}

static inline void
fake_hub_answer(struct fake_hub *hub, struct post *post)
{
    struct post reply = {.conn = post->conn, .a = post->a};
    if (post->kind < 64 && hub->mute >> post->kind & 1)
        return;
    switch (post->kind) {
    case POST_OPEN:
        fake_hub_answer_open(hub, post, post->body);
        return;
    case POST_SIGN_IN:
    case POST_USER_ASK:
        fake_hub_answer_sign_in(hub, post, post->body);
        return;
    case POST_FILTER_ADD:
        for (unsigned w = 0; w < hub->worker_count; w++) {
            if (w != post->worker)
                fake_hub_post(
                    hub, w,
                    &(struct post){.kind = POST_PLACE_ADD,
                                   .a = 1,
                                   .flags = post->worker,
                                   .body = post_filter_new(post_filter_slice(post->body))});
        }
        reply.kind = POST_FILTER_READY;
        reply.aux = hub->filter_result;
        break;
    case POST_SUBSCRIBE:
    case POST_UNSUBSCRIBE: {
        const struct subscribe_request *request = post->body;
        struct subscribe_answer *answer = subscribe_answer_new(request->count);
        for (uint32_t i = 0; i < request->count && post->kind == POST_SUBSCRIBE; i++)
            answer->reasons[i] = request->subscriptions[i].qos;
        reply.kind = post->kind == POST_SUBSCRIBE ? POST_SUBSCRIBED : POST_UNSUBSCRIBED;
        reply.body = answer;
        break;
    }
    case POST_RETAINED_GET: {
        struct message *list[1] = {hub->retained};
        bool more = hub->retained_pages > 1;
        if (hub->retained != NULL)
            message_ref(hub->retained);
        if (hub->retained_pages > 0)
            hub->retained_pages--;
        reply.kind = POST_RETAINED;
        reply.body = retained_answer_new(more ? slice_cstr("x") : slice_of(NULL, 0), list,
                                         hub->retained != NULL);
        break;
    }
    case POST_PUBLISH:
        if (post->a == 0)
            return;
        reply.kind = POST_TOKEN_DONE;
        break;
    case POST_INBOUND_PUBLISH:
        reply.kind = POST_INBOUND_DONE;
        reply.aux = post->aux;
        break;
    case POST_INBOUND_RELEASE:
        reply.kind = POST_INBOUND_RELEASED;
        reply.aux = post->aux;
        break;
    case POST_QUEUE_REC:
        reply.kind = POST_QUEUE_RECORDED;
        reply.a = post->c;
        break;
    default:
        return;
    }
    fake_hub_post(hub, post->worker, &reply);
}

static inline void
fake_hub_on_post(void *arg, void *item)
{
    struct fake_hub *hub = arg;
    struct post post = *(struct post *)item;
    pthread_mutex_lock(&hub->lock);
    fake_hub_answer(hub, &post);
    hub->kinds[post.kind]++;
    if (hub->seen_count < FAKE_HUB_SEEN) {
        hub->seen[hub->seen_count] = post;
        hub->seen[hub->seen_count++].body = NULL;
    }
    if (post.kind == POST_OPEN) {
        session_open_request_free(hub->last_open);
        hub->last_open = post.body;
        post.body = NULL;
    } else if (post.kind == POST_SIGN_IN) {
        sign_in_request_free(hub->last_sign_in);
        hub->last_sign_in = post.body;
        post.body = NULL;
    } else if (post.kind == POST_PUBLISH || post.kind == POST_INBOUND_PUBLISH) {
        message_unref(hub->last_message);
        hub->last_message = post.body;
        post.body = NULL;
    }
    pthread_cond_broadcast(&hub->changed);
    pthread_mutex_unlock(&hub->lock);
    post_body_free(&post);
}

/* Waits until count posts of this kind have come; false after five seconds. */
static inline bool
fake_hub_wait(struct fake_hub *hub, uint8_t kind, unsigned count)
{
    struct timespec until;
    bool ok = true;
    timespec_get(&until, TIME_UTC);
    until.tv_sec += 5;
    pthread_mutex_lock(&hub->lock);
    while (hub->kinds[kind] < count && ok)
        ok = pthread_cond_timedwait(&hub->changed, &hub->lock, &until) == 0;
    ok = hub->kinds[kind] >= count;
    pthread_mutex_unlock(&hub->lock);
    return ok;
}

/* How many posts of this kind have come. */
static inline unsigned
fake_hub_count(struct fake_hub *hub, uint8_t kind)
{
    pthread_mutex_lock(&hub->lock);
    unsigned count = hub->kinds[kind];
    pthread_mutex_unlock(&hub->lock);
    return count;
}

/* The last post of this kind; kind 0 if there was none. */
static inline struct post
fake_hub_last(struct fake_hub *hub, uint8_t kind)
{
    struct post found = {0};
    pthread_mutex_lock(&hub->lock);
    for (size_t i = 0; i < hub->seen_count; i++) {
        if (hub->seen[i].kind == kind)
            found = hub->seen[i];
    }
    pthread_mutex_unlock(&hub->lock);
    return found;
}

static inline void *
fake_hub_run(void *arg)
{
    struct fake_hub *hub = arg;
    loop_run(hub->loop);
    return NULL;
}

static inline void
fake_hub_init(struct fake_hub *hub)
{
    memset(hub, 0, sizeof(*hub));
    pthread_mutex_init(&hub->lock, NULL);
    pthread_cond_init(&hub->changed, NULL);
    hub->loop = loop_new();
    hub->mailbox = mailbox_new(hub->loop, sizeof(struct post), 65536, fake_hub_on_post, hub);
}

/* Before the workers start. */
static inline void
fake_hub_start(struct fake_hub *hub, struct worker *const *workers, unsigned count)
{
    hub->worker_count = count;
    for (unsigned w = 0; w < count; w++)
        hub->workers[w] = worker_mailbox(workers[w]);
    for (unsigned w = 0; w < count; w++)
        worker_connect_to(workers[w], hub->mailbox, hub->workers, (uint8_t)count);
    pthread_create(&hub->thread, NULL, fake_hub_run, hub);
}

/* After worker_join and before worker_free. */
static inline void
fake_hub_stop(struct fake_hub *hub)
{
    loop_stop(hub->loop);
    pthread_join(hub->thread, NULL);
    hub->mute = UINT64_MAX;
    hub->worker_count = 0;
    mailbox_drain(hub->mailbox);
    mailbox_free(hub->mailbox);
    loop_free(hub->loop);
    sign_in_request_free(hub->last_sign_in);
    session_open_request_free(hub->last_open);
    message_unref(hub->last_message);
    message_unref(hub->retained);
    pthread_mutex_destroy(&hub->lock);
    pthread_cond_destroy(&hub->changed);
}

#endif
