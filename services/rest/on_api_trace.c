/* SPDX-License-Identifier: Apache-2.0 */
/* Live traces as server-sent events. The stream's thread asks every store, core and gateway again
 * and again for what has happened since; they keep a little, and forget a trace that nobody asks
 * for. New gateways are found on the way. Events of different programs come in no order but that of
 * being asked; each has its time. */
#include "common/clock.h"
#include "common/crypt.h"
#include "common/cursor.h"
#include "common/mem.h"
#include "proto/feed_records.h"
#include "services/rest/api_desks.h"
#include "services/rest/api_json.h"
#include "services/rest/question.h"

#include <poll.h>
#include <stdatomic.h>

#define TRACES_MAX  16 /* of this copy at once: each holds a thread */
#define ASK_MS      200
#define DEADLINE_MS 1500u /* of one question: the others wait meanwhile */
#define BEAT_MS     5000u /* something is said at least so often: who is gone is noticed */
#define LOOK_MS     3000u /* for new gateways */
#define TEXT_MAX    ((size_t)4 << 20)

struct place {
    char *name; /* of stores and cores: the address, until they say their name */
    bool is_gateway;
    enum upstream_kind kind; /* of what is no gateway, */
    size_t index;            /* and which */
    uint64_t after;
    bool is_begun;
};

struct trace {
    struct upstream *upstream;
    uint64_t number;
    char *client, *topic;              /* NULL: not asked for */
    uint64_t end_ms, look_ms, said_ms; /* monotonic */
    struct place *places;
    size_t count;
    struct buf text; /* made and not sent yet */
    bool is_over;
};

static atomic_uint running; /* traces, of all threads */

static void
say(struct trace *trace, const char *event, json_t *data)
{
    buf_printf(&trace->text, "event: %s\ndata: ", event);
    api_json_dump(data, &trace->text);
    buf_append_cstr(&trace->text, "\n\n");
}

/* ---- programs */

static enum err
ask(struct trace *trace, const struct place *place, struct question *question,
    Sluice__AdminAnswer **answer)
{
    question->deadline_ms = DEADLINE_MS;
    return place->is_gateway
               ? question_ask_gateway(trace->upstream, place->name, question, answer)
               : question_ask(trace->upstream, place->kind, place->index, question, answer);
}

static void
take_name(struct place *place, struct slice name)
{
    if (name.len == 0 || !str_utf8_is_valid(name))
        return;
    mem_free(place->name);
    place->name = slice_dup(name);
}

static enum err
begin(struct trace *trace, struct place *place)
{
    Sluice__AdminAnswer *answer = NULL;
    struct question question;
    question_init(&question, CALL_ADMIN_TRACE);
    question_number(&question, "trace", trace->number);
    question_flag(&question, "begin", true);
    question_text(&question, "client", trace->client);
    question_text(&question, "topic", trace->topic);
    enum err err = ask(trace, place, &question, &answer);
    place->is_begun = err == OK;
    place->after = 0;
    if (err == OK && answer->n_items != 0 && !place->is_gateway)
        take_name(place, question_item_text(answer->items[0], "name"));
    question_free(answer);
    return err;
}

static void
add_place(struct trace *trace, const char *name, struct place place)
{
    trace->places = mem_realloc_array(trace->places, trace->count + 1, sizeof *trace->places);
    place.name = mem_strdup(name);
    trace->places[trace->count++] = place;
}

static bool
has_gateway(const struct trace *trace, const char *name)
{
    for (size_t i = 0; i < trace->count; i++)
        if (trace->places[i].is_gateway && strcmp(trace->places[i].name, name) == 0)
            return true;
    return false;
}

static void
add_ends(struct trace *trace, enum upstream_kind kind)
{
    for (size_t i = 0; i < upstream_count(trace->upstream, kind); i++)
        add_place(trace, upstream_address(trace->upstream, kind, i),
                  (struct place){.kind = kind, .index = i});
}

/* Adds gateways that are new. */
static enum err
look(struct trace *trace)
{
    char **names;
    size_t count;
    enum err err = question_gateways(trace->upstream, &names, &count);
    if (err != OK)
        return err;
    for (size_t i = 0; i < count; i++)
        if (!has_gateway(trace, names[i]))
            add_place(trace, names[i], (struct place){.is_gateway = true});
    api_json_free_texts(names, count);
    trace->look_ms = clock_monotonic_ms();
    return OK;
}

static void
tell(struct trace *trace, const Sluice__AdminItem *item, const char *place)
{
    char lost[64];
    json_t *json = json_pack(
        "{s:o, s:s, s:o, s:o, s:o, s:o}", "time",
        api_json_time(question_item_has(item, "time_ms") ? question_item_number(item, "time_ms")
                                                         : clock_wall_ms()),
        "place", place, "client", question_json_text(item, "client", false), "event",
        question_json_text(item, "event", false), "topic", question_json_text(item, "topic", false),
        "detail", question_json_text(item, "detail", false));
    if (question_item_has(item, "lost")) {
        str_format(lost, sizeof lost, "%llu events were not fetched in time",
                   (unsigned long long)question_item_number(item, "lost"));
        json_object_set_new(json, "detail", json_string(lost));
    }
    say(trace, "trace", json);
}

/* What has happened at one program. */
static void
fetch(struct trace *trace, struct place *place)
{
    Sluice__AdminAnswer *answer = NULL;
    struct question question;
    uint8_t after[8];
    if (!place->is_begun && begin(trace, place) != OK)
        return;
    buf_store_u64(after, place->after);
    question_init(&question, CALL_ADMIN_TRACE);
    question_number(&question, "trace", trace->number);
    question_page(&question, slice_of(after, sizeof after), 1);
    enum err err = ask(trace, place, &question, &answer);
    if (err != OK) { /* away, or restarted: it is begun again */
        place->is_begun = false;
        return;
    }
    for (size_t i = 0; i < answer->n_items; i++)
        tell(trace, answer->items[i], place->name);
    if (answer->next.len == 8)
        place->after = cursor_load_u64(answer->next.data);
    question_free(answer);
}

static void
end(struct trace *trace, struct place *place)
{
    Sluice__AdminAnswer *answer = NULL;
    struct question question;
    question_init(&question, CALL_ADMIN_TRACE);
    question_number(&question, "trace", trace->number);
    question_flag(&question, "end", true);
    /* If it cannot be told, it finds out by itself. */
    enum err ignored = ask(trace, place, &question, &answer);
    (void)ignored;
    question_free(answer);
}

/* ---- the stream */

static void
step(struct trace *trace)
{
    uint64_t now_ms = clock_monotonic_ms();
    if (now_ms - trace->look_ms >= LOOK_MS && look(trace) != OK)
        trace->look_ms = now_ms; /* later */
    for (size_t i = 0; i < trace->count; i++)
        fetch(trace, &trace->places[i]);
    if (buf_len(&trace->text) == 0 && now_ms - trace->said_ms >= BEAT_MS)
        buf_append_cstr(&trace->text, ": \n\n");
    if (now_ms >= trace->end_ms) {
        say(trace, "end", json_object());
        trace->is_over = true;
    }
}

static ssize_t
trace_read(void *arg, char *out, size_t max)
{
    struct trace *trace = arg;
    while (buf_len(&trace->text) == 0) {
        if (trace->is_over || upstream_is_closed(trace->upstream))
            return -1;
        step(trace);
        if (buf_len(&trace->text) == 0)
            (void)poll(NULL, 0, ASK_MS);
    }
    struct slice part = slice_sub(buf_slice(&trace->text), 0, max);
    memcpy(out, part.data, part.len);
    buf_consume(&trace->text, part.len);
    trace->said_ms = clock_monotonic_ms();
    return (ssize_t)part.len;
}

static void
trace_end(void *arg)
{
    struct trace *trace = arg;
    for (size_t i = 0; i < trace->count; i++) {
        if (trace->places[i].is_begun)
            end(trace, &trace->places[i]);
        mem_free(trace->places[i].name);
    }
    atomic_fetch_sub(&running, 1);
    buf_fini(&trace->text);
    mem_free(trace->places);
    mem_free(trace->client);
    mem_free(trace->topic);
    mem_free(trace);
}

void
on_api_trace(struct api_request *request)
{
    const char *client = api_text(request, "client"), *topic = api_text(request, "topic");
    if (client == NULL && topic == NULL) {
        api_problem(request, 422, "not_valid", "A client or a topic must be given, or both");
        return;
    }
    if (atomic_fetch_add(&running, 1) >= TRACES_MAX) {
        atomic_fetch_sub(&running, 1);
        exchange_set_header(request->exchange, "Retry-After", "10");
        api_problem(request, 429, "too_many_requests", "Too many traces are running");
        return;
    }
    struct trace *trace = mem_zalloc(sizeof *trace);
    trace->upstream = request->api->upstream;
    trace->number = crypt_random_u64() | 1; /* never 0 */
    trace->client = client != NULL ? mem_strdup(client) : NULL;
    trace->topic = topic != NULL ? mem_strdup(topic) : NULL;
    trace->end_ms = clock_monotonic_ms() + api_number(request, "seconds") * 1000;
    trace->said_ms = clock_monotonic_ms();
    buf_init(&trace->text, TEXT_MAX);
    add_ends(trace, UPSTREAM_STORE);
    add_ends(trace, UPSTREAM_CORE);
    enum err err = look(trace);
    for (size_t i = 0; err == OK && i < trace->count; i++) {
        err = begin(trace, &trace->places[i]);
        if (!trace->places[i].is_gateway)
            err = OK; /* one that is away is asked again; one of an older version has no traces */
    }
    if (err != OK) {
        trace_end(trace);
        api_fail(request, err, "trace");
        return;
    }
    buf_append_cstr(&trace->text, ": begun\n\n");
    exchange_set_header(request->exchange, "X-Accel-Buffering", "no");
    exchange_answer_stream(request->exchange, "text/event-stream",
                           (struct exchange_stream){trace_read, trace_end, trace});
}
