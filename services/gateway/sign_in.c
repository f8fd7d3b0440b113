/* SPDX-License-Identifier: Apache-2.0 */
/* See sign_in.h. */
#include "services/gateway/sign_in.h"

#include "common/crypt.h"
#include "common/mem.h"
#include "common/table.h"
#include "proto/feed_records.h"
#include "proto/mqtt_reason.h"
#include "services/gateway/access_codec.h"
#include "services/gateway/store_link.h"

#define TRIES_MAX 4u /* questions for one sign-in whose user keeps changing */

enum stage {
    STAGE_CONFIRM, /* remembered, but the user may have changed: only the revision is asked for */
    STAGE_ASK,
    STAGE_TERMS /* of a user whose connections are here: POST_USER_ASK */
};

/* A question under way. */
struct question {
    UT_hash_handle hh;
    uint64_t id;
    uint64_t conn;
    uint64_t ticket;   /* STAGE_TERMS: of the worker */
    uint64_t revision; /* STAGE_CONFIRM: with which it was right */
    uint64_t deadline_ms;
    struct sign_in_request *request;
    struct credentials_mac mac;
    uint8_t worker;
    uint8_t stage;
    uint8_t tries;
    bool is_stale; /* the user changed since it was asked */
};

struct sign_in {
    struct hub *hub;
    struct credentials *credentials;
    struct question *questions;
    uint64_t next_id;
};

struct sign_in *
sign_in_new(struct hub *hub)
{
    struct sign_in *sign_in = mem_zalloc(sizeof(*sign_in));
    struct hash_key key;
    crypt_random(&key, sizeof(key));
    sign_in->hub = hub;
    sign_in->credentials = credentials_new((size_t)hub->config->credential_cache,
                                           hub->config->credential_cache_age_ms, key);
    return sign_in;
}

static void
question_end(struct sign_in *sign_in, struct question *question)
{
    HASH_DEL(sign_in->questions, question);
    sign_in_request_free(question->request);
    mem_free(question);
}

void
sign_in_free(struct sign_in *sign_in)
{
    if (sign_in == NULL)
        return;
    while (sign_in->questions != NULL)
        question_end(sign_in, sign_in->questions);
    credentials_free(sign_in->credentials);
    mem_free(sign_in);
}

static void
post_answer(struct sign_in *sign_in, const struct question *question, struct signed_in *answer)
{
    struct post post = {.kind = POST_SIGNED_IN,
                        .conn = question->conn,
                        .flags = question->request->verified,
                        .body = answer};
    if (answer->reason != MQTT_SUCCESS)
        metric_counter_add(sign_in->hub->metric.sign_ins_refused, 1);
    hub_post_to_conn(sign_in->hub, &post);
}

static void
refuse(struct sign_in *sign_in, const struct question *question, uint8_t reason)
{
    struct signed_in answer = {.user = question->request->user, .reason = reason};
    struct post post = {.kind = POST_USER_TERMS,
                        .a = question->ticket,
                        .aux = reason,
                        .body = signed_in_new(&answer)};
    if (question->stage == STAGE_TERMS)
        hub_post_to(sign_in->hub, question->worker, &post);
    else
        post_answer(sign_in, question, post.body);
}

static void
ask(struct sign_in *sign_in, struct question *question)
{
    struct sign_in_request request = *question->request;
    size_t len = 0;
    uint8_t *body;
    if (question->stage == STAGE_CONFIRM) {
        request.verified = true;
        request.password = slice_of(NULL, 0);
    }
    question->is_stale = false;
    question->tries++;
    if (question->stage == STAGE_ASK)
        metric_counter_add(sign_in->hub->metric.sign_ins_asked, 1);
    else if (question->stage == STAGE_CONFIRM)
        metric_counter_add(sign_in->hub->metric.sign_ins_confirmed, 1);
    body = access_codec_sign_in(&request, &len);
    if (!store_ask_people(sign_in->hub->store, CALL_SIGN_IN, question->id, body, len,
                          question->deadline_ms)) {
        refuse(sign_in, question, MQTT_SERVER_BUSY);
        question_end(sign_in, question);
    }
}

void
sign_in_take(struct sign_in *sign_in, struct post *post)
{
    struct question *question;
    struct access_terms terms = {0};
    enum credentials_answer known = CREDENTIALS_UNKNOWN;
    uint64_t now_ms = loop_now_ms(sign_in->hub->loop);
    question = mem_zalloc(sizeof(*question));
    question->id = ++sign_in->next_id;
    question->conn = post->conn;
    question->worker = post->worker;
    question->ticket = post->a;
    question->deadline_ms = now_ms + HUB_OPEN_DEADLINE_MS;
    question->request = post->body;
    post->body = NULL;
    question->stage = post->kind == POST_USER_ASK ? STAGE_TERMS : STAGE_ASK;
    HASH_ADD(hh, sign_in->questions, id, sizeof(question->id), question);
    if (question->stage == STAGE_ASK && !question->request->verified &&
        question->request->auth.final.len == 0) {
        struct slice user = question->request->user;
        question->mac = credentials_mac_of(sign_in->credentials, user, question->request->password);
        known = credentials_ask(sign_in->credentials, user, &question->mac, now_ms, &terms);
    }
    if (known == CREDENTIALS_RIGHT) {
        struct signed_in answer = {.user = question->request->user, .terms = terms, .known = true};
        metric_counter_add(sign_in->hub->metric.sign_ins_remembered, 1);
        post_answer(sign_in, question, signed_in_new(&answer));
        question_end(sign_in, question);
        return;
    }
    if (known == CREDENTIALS_DOUBTFUL) {
        question->stage = STAGE_CONFIRM;
        question->revision = terms.revision;
    }
    ask(sign_in, question);
}

/* The store has spoken: what it said is true as of now. */
static void
settle(struct sign_in *sign_in, struct question *question, struct signed_in *answer)
{
    const struct sign_in_request *request = question->request;
    if (question->stage == STAGE_TERMS) {
        struct post post = {
            .kind = POST_USER_TERMS, .a = question->ticket, .aux = answer->reason, .body = answer};
        hub_post_to(sign_in->hub, question->worker, &post);
        question_end(sign_in, question);
        return;
    }
    if (question->stage == STAGE_CONFIRM && (answer->reason != MQTT_SUCCESS || !answer->known ||
                                             answer->terms.revision != question->revision)) {
        /* It is another user now: the password decides. */
        credentials_forget(sign_in->credentials, request->user);
        signed_in_free(answer);
        question->stage = STAGE_ASK;
        ask(sign_in, question);
        return;
    }
    if (answer->reason == MQTT_SUCCESS && !request->verified && request->auth.final.len == 0)
        credentials_remember(sign_in->credentials, request->user, &question->mac, &answer->terms,
                             loop_now_ms(sign_in->hub->loop));
    post_answer(sign_in, question, answer);
    question_end(sign_in, question);
}

void
sign_in_answered(struct sign_in *sign_in, uint64_t ticket, enum err err, struct slice reply)
{
    struct question *question = NULL;
    struct signed_in *answer = NULL;
    HASH_FIND(hh, sign_in->questions, &ticket, sizeof(ticket), question);
    if (question == NULL)
        return;
    if (err == OK)
        err = access_codec_signed_in(reply, question->request->user, &answer);
    if (err == OK && question->is_stale && question->tries < TRIES_MAX) {
        signed_in_free(answer);
        ask(sign_in, question);
        return;
    }
    if (err != OK || question->is_stale) {
        signed_in_free(answer);
        refuse(sign_in, question, err == ERR_BUSY ? MQTT_SERVER_BUSY : MQTT_SERVER_UNAVAILABLE);
        question_end(sign_in, question);
        return;
    }
    settle(sign_in, question, answer);
}

void
sign_in_user_changed(struct sign_in *sign_in, struct slice user)
{
    struct question *question;
    credentials_forget(sign_in->credentials, user);
    for (question = sign_in->questions; question != NULL; question = question->hh.next) {
        if (slice_equal(question->request->user, user))
            question->is_stale = true;
    }
}

void
sign_in_doubt(struct sign_in *sign_in)
{
    struct question *question;
    credentials_doubt(sign_in->credentials);
    for (question = sign_in->questions; question != NULL; question = question->hh.next)
        question->is_stale = true;
}
