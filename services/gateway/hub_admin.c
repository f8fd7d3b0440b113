/* SPDX-License-Identifier: Apache-2.0 */
/* See hub_admin.h. */
#include "services/gateway/hub_admin.h"

#include "common/clock.h"
#include "common/cursor.h"
#include "common/log.h"
#include "common/mem.h"
#include "proto/admin_program.h"
#include "proto/feed_records.h"
#include "proto/topic.h"
#include "proto/traces.h"
#include "services/gateway/hub.h"
#include "services/gateway/hub_state.h"

struct hub_admin {
    struct hub *hub;
    size_t on_way; /* jobs with workers */
    bool is_emptying;
    struct traces *traces;
};

struct hub_admin *
hub_admin_new(struct hub *hub)
{
    struct hub_admin *admin = mem_zalloc(sizeof(*admin));
    admin->hub = hub;
    admin->traces = traces_new();
    return admin;
}

void
hub_admin_free(struct hub_admin *admin)
{
    if (admin == NULL)
        return;
    traces_free(admin->traces);
    mem_free(admin);
}

bool
hub_admin_is_emptying(const struct hub_admin *admin)
{
    return admin != NULL && admin->is_emptying;
}

static void
reply(struct hub_admin *admin, const struct admin_job *job, enum err err)
{
    core_link_answer(admin->hub->core, job->core, job->id, err,
                     err == OK ? admin_bytes(&job->writer) : slice_of(NULL, 0));
}

/* ---- workers */

static void
ask_worker(struct hub_admin *admin, struct admin_job *job)
{
    struct post post = {.kind = POST_ADMIN, .body = job};
    job->is_done = false;
    admin->on_way++;
    hub_post_to(admin->hub, job->worker, &post);
}

void
hub_admin_done(struct hub_admin *admin, struct admin_job *job)
{
    bool goes_on = job->worker + 1 < admin->hub->workers;
    admin->on_way--;
    if (job->method == CALL_ADMIN_SUBSCRIPTIONS && goes_on &&
        admin_ask_text(job->ask, "topic").len != 0) {
        job->worker++;
        ask_worker(admin, job);
        return;
    }
    if (job->method == CALL_ADMIN_CLIENTS && admin_ask_number(job->ask, "conn") == 0 &&
        (!job->is_done || goes_on)) {
        uint64_t worker = job->is_done ? job->worker + 1 : job->worker;
        admin_next_number(&job->writer, worker << 32 | (job->is_done ? 0 : job->slot));
    }
    reply(admin, job, OK);
    admin_job_free(job);
}

/* Takes the job. */
static void
start(struct hub_admin *admin, struct admin_job *job)
{
    uint64_t conn = admin_ask_number(job->ask, "conn"), after = 0;
    enum err err = admin_ask_after(job->ask, &after);
    job->worker = conn != 0 ? (uint32_t)(conn >> 56) : (uint32_t)(after >> 32);
    job->slot = (uint32_t)after;
    if (err == OK && job->worker >= admin->hub->workers)
        err = ERR_NOT_FOUND;
    if (err == OK && admin->on_way >= HUB_ADMIN_MAX)
        err = ERR_BUSY;
    if (err == OK) {
        ask_worker(admin, job);
        return;
    }
    reply(admin, job, err);
    admin_job_free(job);
}

/* ---- sending away */

static uint64_t
share_of(const struct hub_admin *admin, uint64_t per_second)
{
    uint64_t share = (per_second + admin->hub->workers - 1) / admin->hub->workers;
    return share < UINT32_MAX ? share : UINT32_MAX;
}

static void
tell_sweep(struct hub_admin *admin, uint64_t per_second, bool is_emptying, struct slice body)
{
    for (unsigned w = 0; w < admin->hub->workers; w++) {
        /* Each worker has a question of its own to keep. */
        Sluice__AdminAsk *ask = body.len != 0 ? admin_ask_decode(body) : NULL;
        struct post post = {.kind = POST_SWEEP,
                            .flags = is_emptying,
                            .aux = (uint32_t)share_of(admin, per_second),
                            .body = ask != NULL ? admin_job_new(0, 0, 0, ask) : NULL};
        hub_post_to(admin->hub, w, &post);
    }
}

static void
drain(struct hub_admin *admin, struct admin_job *job)
{
    struct hub *hub = admin->hub;
    uint64_t per_second = admin_ask_number(job->ask, "per_second");
    if (per_second == 0)
        per_second = hub->config->drain_rate != 0 ? hub->config->drain_rate : UINT32_MAX;
    if (admin_ask_flag(job->ask, "begin") && !admin->is_emptying) {
        admin->is_emptying = true;
        log_info("emptying", LOG_U64("per_second", per_second), LOG_END);
        tell_sweep(admin, per_second, true, slice_of(NULL, 0));
    } else if (admin_ask_flag(job->ask, "end") && admin->is_emptying) {
        admin->is_emptying = false;
        log_info("emptying_ended", LOG_END);
        tell_sweep(admin, 0, false, slice_of(NULL, 0));
    }
    admin_flag(&job->writer, "draining", admin->is_emptying);
    admin_number(&job->writer, "connections",
                 hub->connections != NULL ? hub->connections(hub->connections_arg) : 0);
    (void)admin_item_end(&job->writer);
}

/* ---- traces */

static void
tell_trace(struct hub_admin *admin, uint64_t number, struct slice body)
{
    for (unsigned w = 0; w < admin->hub->workers; w++) {
        Sluice__AdminAsk *ask = body.len != 0 ? admin_ask_decode(body) : NULL;
        struct post post = {.kind = POST_TRACE,
                            .flags = ask != NULL,
                            .a = number,
                            .body = ask != NULL ? admin_job_new(0, 0, 0, ask) : NULL};
        hub_post_to(admin->hub, w, &post);
    }
}

static enum err
trace(struct hub_admin *admin, struct admin_job *job, struct slice body)
{
    uint64_t number = admin_ask_number(job->ask, "trace"), after = 0;
    uint64_t now_ms = loop_now_ms(admin->hub->loop);
    struct slice filter = admin_ask_text(job->ask, "topic");
    bool is_new;
    enum err err = admin_ask_after(job->ask, &after);
    if (err != OK)
        return err;
    if (admin_ask_flag(job->ask, "end")) {
        if (traces_end(admin->traces, number))
            tell_trace(admin, number, slice_of(NULL, 0));
        return OK;
    }
    if (!admin_ask_flag(job->ask, "begin"))
        return traces_read(admin->traces, number, after, now_ms, &job->writer);
    if ((filter.len == 0 && admin_ask_text(job->ask, "client").len == 0) ||
        (filter.len != 0 && !topic_filter_is_valid(filter)))
        return ERR_INVALID;
    err = traces_begin(admin->traces, number, now_ms, &is_new);
    if (err == OK && is_new)
        tell_trace(admin, number, body);
    return err;
}

void
hub_admin_traced(struct hub_admin *admin, uint64_t number, struct trace_event *event)
{
    traces_add(admin->traces, number, event);
}

void
hub_admin_tick(struct hub_admin *admin, uint64_t now_ms)
{
    uint64_t number;
    while ((number = traces_expire(admin->traces, now_ms)) != 0)
        tell_trace(admin, number, slice_of(NULL, 0));
}

/* ---- */

/* What the hub answers itself. */
static enum err
answer(struct hub_admin *admin, struct admin_job *job, struct slice body)
{
    struct hub *hub = admin->hub;
    const struct admin_program program = {
        .service = "gateway",
        .conf = hub->config->conf,
        .metrics = hub->metrics,
        .peers = hub->peers,
        .started_ms = hub->started_ms,
        .now_ms = clock_monotonic_ms(),
        .lag_us = loop_lag_us(hub->loop),
        .ready = hub_is_ready(hub),
        .draining = admin->is_emptying,
        .obstacle = admin->is_emptying                        ? "being emptied"
                    : core_link_serving_count(hub->core) == 0 ? "no core serves"
                    : !hub_is_ready(hub)                      ? "no store serves"
                    : store_link_serving_count(hub->store) != store_link_count(hub->store)
                        ? "a store is away"
                        : "",
    };
    switch (job->method) {
    case CALL_ADMIN_TRACE:
        return trace(admin, job, body);
    case CALL_ADMIN_DRAIN:
        drain(admin, job);
        return OK;
    case CALL_ADMIN_DISCONNECTS:
        if (admin->is_emptying || admin_ask_number(job->ask, "per_second") == 0)
            return admin->is_emptying ? OK : ERR_INVALID; /* all are on their way out */
        tell_sweep(admin, admin_ask_number(job->ask, "per_second"), false, body);
        return OK;
    default:
        return admin_program_answer(&program, job->method, job->ask, &job->writer);
    }
}

enum err
hub_admin_record(struct hub_admin *admin, uint32_t core, struct slice body)
{
    struct cursor c = cursor_of(body);
    uint64_t id = cursor_u64(&c);
    uint32_t method = cursor_u32(&c);
    struct slice rest = cursor_rest(&c);
    Sluice__AdminAsk *ask = cursor_end(&c) == OK ? admin_ask_decode(rest) : NULL;
    if (ask == NULL)
        return ERR_MALFORMED;
    struct admin_job *job = admin_job_new(core, id, (uint16_t)method, ask);
    if (method == CALL_ADMIN_CLIENTS || method == CALL_ADMIN_SUBSCRIPTIONS) {
        start(admin, job);
        return OK;
    }
    reply(admin, job, answer(admin, job, rest));
    admin_job_free(job);
    return OK;
}
