/* SPDX-License-Identifier: Apache-2.0 */
/* Gateways, cores, stores and this service: how they are, their settings, how much they log, and
 * emptying a gateway. Stores and cores are those of the settings; gateways those that cores know;
 * of this service, only this copy. */
#include "common/clock.h"
#include "common/mem.h"
#include "proto/admin_program.h"
#include "proto/feed_records.h"
#include "services/rest/api_desks.h"
#include "services/rest/api_json.h"
#include "services/rest/metric_text.h"
#include "services/rest/question.h"

#define STATUS_DEADLINE_MS 1500u
#define METRICS            "process_cpu_seconds_total,process_resident_memory_bytes,sluice_gateway_connections"

/* ---- as JSON */

static void
add_numbers(json_t *json, struct slice metrics)
{
    bool is_there = false;
    double connections = metric_text_sum(metrics, "sluice_gateway_connections", &is_there);
    json_object_set_new(json, "cpu_seconds",
                        json_real(metric_text_sum(metrics, "process_cpu_seconds_total", NULL)));
    json_object_set_new(
        json, "memory_bytes",
        json_integer((json_int_t)metric_text_sum(metrics, "process_resident_memory_bytes", NULL)));
    if (is_there)
        json_object_set_new(json, "connections", json_integer((json_int_t)connections));
}

static json_t *
peer_to_json(const Sluice__AdminItem *peer)
{
    return json_pack("{s:o, s:o, s:b, s:b, s:o, s:o}", "service",
                     question_json_text(peer, "service", false), "name",
                     question_json_text(peer, "name", false), "up", question_item_flag(peer, "up"),
                     "serving", question_item_flag(peer, "serving"), "lease_ms",
                     question_json_number(peer, "lease_ms"), "address",
                     question_json_text(peer, "address", false));
}

static json_t *
to_json(const Sluice__AdminAnswer *answer)
{
    const Sluice__AdminItem *own = answer->items[0];
    json_t *peers = json_array();
    json_t *json = json_pack(
        "{s:o, s:o, s:o, s:b, s:b, s:o, s:o, s:o, s:o, s:b}", "service",
        question_json_text(own, "service", false), "name", question_json_text(own, "name", false),
        "version", question_json_text(own, "version", false), "reachable", 1, "ready",
        question_item_flag(own, "ready"), "obstacle", question_json_text(own, "obstacle", true),
        "uptime", question_json_number(own, "uptime"), "lag_us",
        question_json_number(own, "lag_us"), "incarnation",
        question_json_text(own, "incarnation", false), "draining",
        question_item_flag(own, "draining"));
    for (size_t i = 1; i < answer->n_items; i++)
        json_array_append_new(peers, peer_to_json(answer->items[i]));
    json_object_set_new(json, "peers", peers);
    add_numbers(json, question_item_text(own, "metrics"));
    return json;
}

static json_t *
unreachable(const char *service, const char *name)
{
    return json_pack("{s:s, s:s, s:b}", "service", service, "name", name, "reachable", 0);
}

static void
put_ends(const struct api *api, enum upstream_kind kind, const char *service,
         struct admin_writer *writer)
{
    for (size_t i = 0; i < upstream_count(api->upstream, kind); i++) {
        bool is_up = upstream_is_up(api->upstream, kind, i);
        admin_text(writer, "service", slice_cstr(service));
        admin_text(writer, "address", slice_cstr(upstream_address(api->upstream, kind, i)));
        admin_flag(writer, "up", is_up);
        admin_flag(writer, "serving", is_up);
        (void)admin_item_end(writer);
    }
}

static void
put_own_status(const struct api *api, struct admin_writer *writer)
{
    const char *name = api->config->common.instance;
    bool is_ready = upstream_is_up(api->upstream, UPSTREAM_STORE, 0);
    admin_text(writer, "service", slice_cstr("rest"));
    admin_text(writer, "name", slice_cstr(name[0] != 0 ? name : "rest"));
    admin_text(writer, "version", slice_cstr(SLUICE_VERSION));
    admin_flag(writer, "ready", is_ready);
    admin_text(writer, "obstacle", slice_cstr(is_ready ? "" : "no store"));
    admin_number(writer, "uptime", (clock_monotonic_ms() - api->started_ms) / 1000);
    admin_program_put_metrics(writer, api->metrics, slice_cstr(METRICS));
    (void)admin_item_end(writer);
    put_ends(api, UPSTREAM_STORE, "store", writer);
    put_ends(api, UPSTREAM_CORE, "core", writer);
}

/* This copy, as an answer like those of others. */
static Sluice__AdminAnswer *
own_answer(const struct api *api, uint16_t method, const char *level, enum err *err)
{
    struct admin_writer writer;
    struct question question;
    admin_writer_init(&writer);
    question_init(&question, method);
    question_text(&question, "level", level);
    *err = OK;
    if (method == CALL_ADMIN_SETTINGS) {
        admin_put_settings(&writer, api->conf);
    } else if (method == CALL_ADMIN_LOG_LEVEL) {
        *err = admin_log_level(&writer, &question.message);
    } else {
        put_own_status(api, &writer);
    }
    struct slice bytes = admin_bytes(&writer);
    Sluice__AdminAnswer *answer =
        *err == OK ? sluice__admin_answer__unpack(NULL, bytes.len, bytes.data) : NULL;
    admin_writer_fini(&writer);
    if (*err == OK && answer == NULL)
        *err = ERR_INTERNAL;
    return answer;
}

/* ---- list */

static void
ask_status(struct question *question, bool alone)
{
    question_init(question, CALL_ADMIN_STATUS);
    question_text(question, "metrics", METRICS);
    question_flag(question, "alone", alone);
    question->deadline_ms = STATUS_DEADLINE_MS;
}

static void
list_kind(struct api_request *request, enum upstream_kind kind, const char *service, json_t *items)
{
    struct upstream *upstream = request->api->upstream;
    struct question question;
    ask_status(&question, false);
    for (size_t i = 0; i < upstream_count(upstream, kind); i++) {
        Sluice__AdminAnswer *answer = NULL;
        enum err err = question_ask(upstream, kind, i, &question, &answer);
        json_array_append_new(items,
                              err == OK && answer->n_items != 0
                                  ? to_json(answer)
                                  : unreachable(service, upstream_address(upstream, kind, i)));
        question_free(answer);
    }
}

static enum err
list_gateways(struct api_request *request, json_t *items)
{
    struct question question;
    char **names;
    size_t count;
    enum err err = question_gateways(request->api->upstream, &names, &count);
    if (err != OK)
        return err;
    ask_status(&question, false);
    for (size_t i = 0; i < count; i++) {
        Sluice__AdminAnswer *answer = NULL;
        err = question_ask_gateway(request->api->upstream, names[i], &question, &answer);
        json_array_append_new(items, err == OK && answer->n_items != 0
                                         ? to_json(answer)
                                         : unreachable("gateway", names[i]));
        question_free(answer);
    }
    api_json_free_texts(names, count);
    return OK;
}

void
on_api_program_list(struct api_request *request)
{
    const char *only = api_text(request, "service");
    json_t *items = json_array();
    enum err err = OK;
    if (only == NULL || strcmp(only, "core") == 0)
        list_kind(request, UPSTREAM_CORE, "core", items);
    if (only == NULL || strcmp(only, "store") == 0)
        list_kind(request, UPSTREAM_STORE, "store", items);
    if (only == NULL || strcmp(only, "rest") == 0) {
        Sluice__AdminAnswer *own = own_answer(request->api, CALL_ADMIN_STATUS, NULL, &err);
        if (err == OK)
            json_array_append_new(items, to_json(own));
        question_free(own);
    }
    if (only == NULL || strcmp(only, "gateway") == 0)
        err = list_gateways(request, items);
    if (err == OK || only == NULL) { /* without a core no gateways are seen; the rest is */
        api_answer_page(request, items, NULL);
    } else {
        json_decref(items);
        api_fail(request, err, "gateways");
    }
}

/* ---- one */

/* The program of a kind that has this name. */
static enum err
find_by_name(struct upstream *upstream, enum upstream_kind kind, const char *name, size_t *index)
{
    struct question question;
    bool is_complete = true;
    question_init(&question, CALL_ADMIN_STATUS);
    question_flag(&question, "alone", true);
    question.deadline_ms = STATUS_DEADLINE_MS;
    for (size_t i = 0; i < upstream_count(upstream, kind); i++) {
        Sluice__AdminAnswer *answer = NULL;
        enum err err = question_ask(upstream, kind, i, &question, &answer);
        bool is_it = err == OK && answer->n_items != 0 &&
                     slice_equal_cstr(question_item_text(answer->items[0], "name"), name);
        question_free(answer);
        is_complete = is_complete && err == OK;
        if (is_it) {
            *index = i;
            return OK;
        }
    }
    return is_complete ? ERR_NOT_FOUND : ERR_UNAVAILABLE;
}

static enum err
ask_named(struct api_request *request, const struct question *question, const char *level,
          Sluice__AdminAnswer **out)
{
    struct upstream *upstream = request->api->upstream;
    const char *service = api_text(request, "service"), *name = api_text(request, "program");
    const char *own = request->api->config->common.instance;
    enum upstream_kind kind =
        service != NULL && strcmp(service, "core") == 0 ? UPSTREAM_CORE : UPSTREAM_STORE;
    size_t index;
    enum err err;
    if (service == NULL || strcmp(service, "gateway") == 0)
        return question_ask_gateway(upstream, name, question, out);
    if (strcmp(service, "rest") == 0) {
        if (strcmp(name, own[0] != 0 ? own : "rest") != 0)
            return ERR_NOT_FOUND;
        *out = own_answer(request->api, question->method, level, &err);
        return err;
    }
    err = find_by_name(upstream, kind, name, &index);
    return err == OK ? question_ask(upstream, kind, index, question, out) : err;
}

void
on_api_program_get(struct api_request *request)
{
    Sluice__AdminAnswer *answer = NULL;
    struct question question;
    ask_status(&question, false);
    enum err err = ask_named(request, &question, NULL, &answer);
    if (err == OK && answer->n_items == 0)
        err = ERR_INTERNAL;
    if (err == OK)
        api_answer(request, 200, to_json(answer));
    else
        api_fail(request, err, "program");
    question_free(answer);
}

void
on_api_program_settings(struct api_request *request)
{
    Sluice__AdminAnswer *answer = NULL;
    struct question question;
    question_init(&question, CALL_ADMIN_SETTINGS);
    enum err err = ask_named(request, &question, NULL, &answer);
    if (err != OK) {
        api_fail(request, err, "program");
        return;
    }
    json_t *items = json_array();
    for (size_t i = 0; i < answer->n_items; i++) {
        const Sluice__AdminItem *row = answer->items[i];
        json_array_append_new(items, json_pack("{s:o, s:o, s:o, s:o, s:o}", "name",
                                               question_json_text(row, "name", false), "value",
                                               question_json_text(row, "value", false), "source",
                                               question_json_text(row, "source", false), "unit",
                                               question_json_text(row, "unit", true), "help",
                                               question_json_text(row, "help", false)));
    }
    api_answer_page(request, items, NULL);
    question_free(answer);
}

static void
log_level(struct api_request *request, const char *level)
{
    Sluice__AdminAnswer *answer = NULL;
    struct question question;
    char subject[300];
    question_init(&question, CALL_ADMIN_LOG_LEVEL);
    question_text(&question, "level", level);
    enum err err = ask_named(request, &question, level, &answer);
    if (err == OK && answer->n_items == 0)
        err = ERR_INTERNAL;
    if (err == OK) {
        str_format(subject, sizeof subject, "%s %s", api_text(request, "service"),
                   api_text(request, "program"));
        if (level != NULL)
            api_audit(request, "program.log_level", subject, level);
        api_answer(
            request, 200,
            json_pack("{s:o}", "level", question_json_text(answer->items[0], "level", false)));
    } else {
        api_fail(request, err, "program");
    }
    question_free(answer);
}

void
on_api_program_log_level(struct api_request *request)
{
    log_level(request, NULL);
}

void
on_api_program_log_level_put(struct api_request *request)
{
    log_level(request, api_json_member(request->body, "level"));
}

/* ---- emptying a gateway */

static void
drain(struct api_request *request, const char *step, int status)
{
    Sluice__AdminAnswer *answer = NULL;
    struct question question;
    json_int_t rate = json_integer_value(json_object_get(request->body, "per_second"));
    question_init(&question, CALL_ADMIN_DRAIN);
    if (step != NULL)
        question_flag(&question, step, true);
    question_number(&question, "per_second", rate > 0 ? (uint64_t)rate : 0);
    enum err err = ask_named(request, &question, NULL, &answer);
    if (err == OK && answer->n_items == 0)
        err = ERR_INTERNAL;
    if (err != OK) {
        api_fail(request, err, "gateway");
        return;
    }
    const Sluice__AdminItem *state = answer->items[0];
    if (step != NULL)
        api_audit(request, "gateway.drain", api_text(request, "program"), step);
    if (status == 204)
        api_answer_empty(request, status);
    else
        api_answer(request, status,
                   json_pack("{s:b, s:I}", "draining", question_item_flag(state, "draining"),
                             "connections",
                             (json_int_t)question_item_number(state, "connections")));
    question_free(answer);
}

void
on_api_program_drain(struct api_request *request)
{
    drain(request, NULL, 200);
}

void
on_api_program_drain_begin(struct api_request *request)
{
    drain(request, "begin", 202);
}

void
on_api_program_drain_end(struct api_request *request)
{
    drain(request, "end", 204);
}
