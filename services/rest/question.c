/* SPDX-License-Identifier: Apache-2.0 */
/* See question.h. */
#include "services/rest/question.h"

#include "common/mem.h"
#include "proto/admin_codec.h"
#include "proto/feed_records.h"
#include "services/rest/api_json.h"
#include "services/rest/ask.h"

#include <assert.h>
#include <stdlib.h>

#define RELAY_DEADLINE_MS 4000u

void
question_init(struct question *question, uint16_t method)
{
    *question = (struct question){.method = method, .message = SLUICE__ADMIN_ASK__INIT};
    question->message.values = question->pointers;
}

static Sluice__AdminValue *
add(struct question *question, const char *name, enum admin_kind kind)
{
    size_t at = question->message.n_values++;
    assert(at < QUESTION_VALUES_MAX);
    question->values[at] = (Sluice__AdminValue)SLUICE__ADMIN_VALUE__INIT;
    question->values[at].name = (char *)(uintptr_t)name; /* only read by the packer */
    question->values[at].kind = kind;
    question->pointers[at] = &question->values[at];
    return &question->values[at];
}

void
question_data(struct question *question, const char *name, struct slice bytes)
{
    add(question, name, ADMIN_DATA)->text =
        (ProtobufCBinaryData){bytes.len, (uint8_t *)(uintptr_t)bytes.data};
}

void
question_text(struct question *question, const char *name, const char *text)
{
    if (text == NULL)
        return;
    add(question, name, ADMIN_TEXT)->text =
        (ProtobufCBinaryData){strlen(text), (uint8_t *)(uintptr_t)text};
}

void
question_number(struct question *question, const char *name, uint64_t number)
{
    add(question, name, ADMIN_NUMBER)->number = number;
}

void
question_flag(struct question *question, const char *name, bool flag)
{
    add(question, name, ADMIN_FLAG)->number = flag;
}

void
question_page(struct question *question, struct slice after, uint32_t limit)
{
    question->message.after = (ProtobufCBinaryData){after.len, (uint8_t *)(uintptr_t)after.data};
    question->message.limit = limit;
}

enum err
question_ask(struct upstream *upstream, enum upstream_kind kind, size_t index,
             const struct question *question, Sluice__AdminAnswer **out)
{
    ProtobufCMessage *reply = NULL;
    struct question copy = *question; /* its pointers are its own */
    for (size_t i = 0; i < copy.message.n_values; i++)
        copy.pointers[i] = &copy.values[i];
    copy.message.values = copy.pointers;
    enum err err = ask_program(upstream, kind, index, copy.method, &copy.message.base,
                               &sluice__admin_answer__descriptor, copy.deadline_ms, &reply);
    if (err == OK)
        *out = (Sluice__AdminAnswer *)(void *)reply;
    return err;
}

/* Errors after which another core may know more. */
static bool
is_worth_another(enum err err)
{
    return err == ERR_UNAVAILABLE || err == ERR_UNSUPPORTED;
}

enum err
question_ask_core(struct upstream *upstream, const struct question *question,
                  Sluice__AdminAnswer **out)
{
    enum err err = ERR_UNAVAILABLE;
    for (size_t i = 0; i < upstream_count(upstream, UPSTREAM_CORE); i++) {
        if (!upstream_is_up(upstream, UPSTREAM_CORE, i))
            continue;
        err = question_ask(upstream, UPSTREAM_CORE, i, question, out);
        if (!is_worth_another(err))
            break;
    }
    return err;
}

enum err
question_ask_gateway(struct upstream *upstream, const char *gateway,
                     const struct question *question, Sluice__AdminAnswer **out)
{
    Sluice__AdminRelay relay = SLUICE__ADMIN_RELAY__INIT;
    struct question copy = *question;
    enum err err = ERR_UNAVAILABLE;
    for (size_t i = 0; i < copy.message.n_values; i++)
        copy.pointers[i] = &copy.values[i];
    copy.message.values = copy.pointers;
    size_t len = protobuf_c_message_get_packed_size(&copy.message.base);
    uint8_t *packed = mem_alloc(len);
    protobuf_c_message_pack(&copy.message.base, packed);
    char *name = mem_strdup(gateway);
    relay.gateway = name;
    relay.method = copy.method;
    relay.deadline_ms = copy.deadline_ms != 0 ? copy.deadline_ms : RELAY_DEADLINE_MS;
    relay.body = (ProtobufCBinaryData){len, packed};
    for (size_t i = 0; i < upstream_count(upstream, UPSTREAM_CORE); i++) {
        ProtobufCMessage *reply = NULL;
        if (!upstream_is_up(upstream, UPSTREAM_CORE, i))
            continue;
        err = ask_program(upstream, UPSTREAM_CORE, i, CALL_ADMIN_RELAY, &relay.base,
                          &sluice__admin_answer__descriptor, relay.deadline_ms + 1000, &reply);
        if (err == OK)
            *out = (Sluice__AdminAnswer *)(void *)reply;
        if (err != ERR_NOT_FOUND && !is_worth_another(err))
            break;
    }
    mem_free(packed);
    mem_free(name);
    return err;
}

void
question_free(Sluice__AdminAnswer *answer)
{
    if (answer != NULL)
        sluice__admin_answer__free_unpacked(answer, NULL);
}

/* ---- gateways */

static int
by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

enum err
question_gateways(struct upstream *upstream, char ***names, size_t *count)
{
    Sluice__AdminAnswer *answer = NULL;
    struct question question;
    question_init(&question, CALL_ADMIN_STATUS);
    enum err err = question_ask_core(upstream, &question, &answer);
    if (err != OK)
        return err;
    *names = mem_zalloc_array(answer->n_items + 1, sizeof **names);
    *count = 0;
    for (size_t i = 1; i < answer->n_items; i++) {
        const Sluice__AdminItem *peer = answer->items[i];
        if (slice_equal_cstr(question_item_text(peer, "service"), "gateway") &&
            question_item_flag(peer, "up"))
            (*names)[(*count)++] = slice_dup(question_item_text(peer, "name"));
    }
    qsort(*names, *count, sizeof **names, by_name);
    question_free(answer);
    return OK;
}

/* ---- items */

static const Sluice__AdminValue *
find(const Sluice__AdminItem *item, const char *name)
{
    return admin_value(item->values, item->n_values, name);
}

bool
question_item_has(const Sluice__AdminItem *item, const char *name)
{
    return find(item, name) != NULL;
}

struct slice
question_item_text(const Sluice__AdminItem *item, const char *name)
{
    return admin_value_text(find(item, name));
}

uint64_t
question_item_number(const Sluice__AdminItem *item, const char *name)
{
    const Sluice__AdminValue *value = find(item, name);
    return value != NULL ? value->number : 0;
}

bool
question_item_flag(const Sluice__AdminItem *item, const char *name)
{
    return question_item_number(item, name) != 0;
}

json_t *
question_json_text(const Sluice__AdminItem *item, const char *name, bool null_if_empty)
{
    struct slice text = question_item_text(item, name);
    if (text.len == 0)
        return null_if_empty ? json_null() : json_string("");
    json_t *json = json_stringn((const char *)text.data, text.len);
    return json != NULL ? json : json_null(); /* a NUL or what is not UTF-8 */
}

json_t *
question_json_number(const Sluice__AdminItem *item, const char *name)
{
    return question_item_has(item, name)
               ? json_integer((json_int_t)question_item_number(item, name))
               : json_null();
}

json_t *
question_json_time(const Sluice__AdminItem *item, const char *name)
{
    return api_json_time(question_item_number(item, name));
}
