/* SPDX-License-Identifier: Apache-2.0 */
/* Lines of --export and --import; see transfer_line.h. */
#include "services/store/transfer_line.h"

#include "common/crypt.h"
#include "common/http.h"
#include "common/mem.h"
#include "proto/feed_records.h"
#include "proto/limits.h"
#include "proto/topic.h"
#include "proto/utf8.h"
#include "services/store/driver.h"
#include "services/store/shard_mark.h"
#include "services/store/transfer_json.h"

#include <string.h>

#define END 255u

static const struct {
    const char *key;
    uint64_t max;
} numbers[TRANSFER_NUMBERS] = {
    [NUMBER_SESSION] = {"session", UINT64_MAX},
    [NUMBER_EPOCH] = {"epoch", UINT64_MAX},
    [NUMBER_OWNER] = {"owner", UINT64_MAX},
    [NUMBER_CONN] = {"conn", UINT64_MAX},
    [NUMBER_CREATED_MS] = {"created_ms", UINT64_MAX},
    [NUMBER_DISCONNECTED_MS] = {"disconnected_ms", UINT64_MAX},
    [NUMBER_SEQ_LIMIT] = {"seq_limit", UINT64_MAX},
    [NUMBER_EXPIRY_S] = {"expiry_s", UINT32_MAX},
    [NUMBER_RECEIVE_MAXIMUM] = {"receive_maximum", UINT32_MAX},
    [NUMBER_VERSION] = {"version", 5},
    [NUMBER_SEQ] = {"seq", UINT64_MAX},
    [NUMBER_FLAGS] = {"flags", UINT8_MAX},
    [NUMBER_PACKET_ID] = {"packet_id", UINT16_MAX},
    [NUMBER_OUTBOX_SEQ] = {"outbox_seq", UINT64_MAX},
    [NUMBER_TIME_MS] = {"time_ms", UINT64_MAX},
    [NUMBER_IDENTIFIER] = {"identifier", LIMITS_SUBSCRIPTION_ID},
    [NUMBER_QOS] = {"qos", 2},
    [NUMBER_NO_LOCAL] = {"no_local", 1},
    [NUMBER_RETAIN_AS_PUBLISHED] = {"retain_as_published", 1},
    [NUMBER_RETAIN_HANDLING] = {"retain_handling", 2},
    [NUMBER_ORIGIN] = {"origin", UINT64_MAX},
    [NUMBER_KIND] = {"kind", DRIVER_ROW_AUDIT},
};

static const struct {
    const char *key;
    const char *key64;
    size_t max;
    bool is_bytes; /* always in base64 */
} texts[TRANSFER_TEXTS] = {
    [TEXT_NAME] = {"name", "name64", BATCH_TEXT_MAX, false},
    [TEXT_USER] = {"user", "user64", BATCH_TEXT_MAX, false},
    [TEXT_FILTER] = {"filter", "filter64", BATCH_TEXT_MAX, false},
    [TEXT_TOPIC] = {"topic", "topic64", BATCH_TEXT_MAX, false},
    [TEXT_PASSWORD] = {"password", "password64", BATCH_TEXT_MAX, false},
    [TEXT_ROLES] = {"roles", "roles64", BATCH_TEXT_MAX, false},
    [TEXT_RULES] = {"rules", "rules64", BATCH_TEXT_MAX, false},
    [TEXT_CONTENT] = {"content", "content64", BATCH_VALUE_MAX, false},
    [TEXT_VALUE] = {"value", "value64", BATCH_VALUE_MAX, true},
    [TEXT_RECORD] = {"record", "record64", BATCH_VALUE_MAX, true},
};

static const struct {
    const char *name;
    uint8_t numbers[12];
    uint8_t texts[6];
} types[TRANSFER_TYPES] = {
    [TRANSFER_META] = {"meta", {END}, {TEXT_NAME, TEXT_VALUE, END}},
    [TRANSFER_USER] = {"user",
                       {NUMBER_TIME_MS, END},
                       {TEXT_NAME, TEXT_PASSWORD, TEXT_ROLES, TEXT_RULES, END}},
    [TRANSFER_ROW] = {"row", {NUMBER_KIND, NUMBER_TIME_MS, END}, {TEXT_NAME, TEXT_CONTENT, END}},
    [TRANSFER_RETAINED] = {"retained", {NUMBER_TIME_MS, END}, {TEXT_TOPIC, TEXT_RECORD, END}},
    [TRANSFER_SESSION] = {"session",
                          {NUMBER_SESSION, NUMBER_EPOCH, NUMBER_OWNER, NUMBER_CONN,
                           NUMBER_CREATED_MS, NUMBER_DISCONNECTED_MS, NUMBER_SEQ_LIMIT,
                           NUMBER_EXPIRY_S, NUMBER_RECEIVE_MAXIMUM, NUMBER_VERSION, END},
                          {TEXT_NAME, TEXT_USER, TEXT_VALUE, END}},
    [TRANSFER_SUBSCRIPTION] = {"subscription",
                               {NUMBER_SESSION, NUMBER_IDENTIFIER, NUMBER_QOS, NUMBER_NO_LOCAL,
                                NUMBER_RETAIN_AS_PUBLISHED, NUMBER_RETAIN_HANDLING, END},
                               {TEXT_FILTER, END}},
    [TRANSFER_QUEUE] = {"queue",
                        {NUMBER_SESSION, NUMBER_SEQ, NUMBER_FLAGS, END},
                        {TEXT_RECORD, END}},
    [TRANSFER_INBOUND] = {"inbound",
                          {NUMBER_SESSION, NUMBER_PACKET_ID, NUMBER_OUTBOX_SEQ, END},
                          {END}},
    [TRANSFER_WILL] = {"will", {NUMBER_SESSION, NUMBER_TIME_MS, END}, {TEXT_VALUE, END}},
    [TRANSFER_OUTBOX] = {"outbox", {NUMBER_SEQ, END}, {TEXT_RECORD, END}},
    [TRANSFER_TOKENS] = {"tokens", {NUMBER_ORIGIN, END}, {TEXT_VALUE, END}},
};

bool
transfer_line_is_session(enum transfer_type type)
{
    return type == TRANSFER_META || type >= TRANSFER_SESSION;
}

/* ---- writing ---- */

static void
write_text(struct buf *out, unsigned text, struct slice value)
{
    if (!texts[text].is_bytes && utf8_is_valid(value)) {
        buf_printf(out, ",\"%s\":", texts[text].key);
        http_json_string(out, value);
    } else {
        size_t size = CRYPT_BASE64_SIZE(value.len);
        char *base64 = mem_alloc(size);
        crypt_base64(value.data, value.len, base64, size);
        buf_printf(out, ",\"%s\":\"", texts[text].key64);
        buf_append(out, base64, size - 1);
        buf_put_u8(out, '"');
        mem_free(base64);
    }
}

void
transfer_line_write(const struct transfer_line *line, struct buf *out)
{
    const uint8_t *at;
    size_t i;
    buf_printf(out, "{\"type\":\"%s\"", types[line->type].name);
    for (at = types[line->type].numbers; *at != END; at++)
        buf_printf(out, line->numbers[*at] > INT64_MAX ? ",\"%s\":\"%llu\"" : ",\"%s\":%llu",
                   numbers[*at].key, (unsigned long long)line->numbers[*at]);
    for (at = types[line->type].texts; *at != END; at++)
        write_text(out, *at, line->texts[*at]);
    if (line->type == TRANSFER_QUEUE && line->id_count != 0) {
        buf_append_cstr(out, ",\"ids\":[");
        for (i = 0; i < line->id_count; i++)
            buf_printf(out, i == 0 ? "%u" : ",%u", line->ids[i]);
        buf_put_u8(out, ']');
    }
    buf_append_cstr(out, "}\n");
}

/* ---- reading ---- */

static enum err
wrong(char why[TRANSFER_WHY_SIZE], const char *key, const char *what)
{
    (void)str_format(why, TRANSFER_WHY_SIZE, "%.60s: %s", key, what);
    return ERR_INVALID;
}

static enum err
read_text(const struct transfer_json *json, unsigned text, struct buf *bytes, struct slice *out,
          char why[TRANSFER_WHY_SIZE])
{
    size_t begin = buf_len(bytes);
    struct slice value;
    if (transfer_json_text(json, texts[text].key, &value)) {
        buf_append_slice(bytes, value);
    } else if (transfer_json_text(json, texts[text].key64, &value)) {
        size_t room = value.len / 4 * 3 + 3;
        size_t len = 0;
        uint8_t *to = buf_reserve(bytes, room);
        if (to == NULL || crypt_base64_decode(value, to, room, &len) != OK)
            return wrong(why, texts[text].key64, "is not base64");
        buf_commit(bytes, len);
    } else {
        return wrong(why, texts[text].is_bytes ? texts[text].key64 : texts[text].key, "is missing");
    }
    *out = slice_sub(buf_slice(bytes), begin, buf_len(bytes) - begin);
    return out->len <= texts[text].max ? OK : wrong(why, texts[text].key, "is too long");
}

/* What the drivers' builders assert, and the rooms rely on. */
static enum err
check(const struct transfer_line *line, char why[TRANSFER_WHY_SIZE])
{
    const struct slice *t = line->texts;
    const uint64_t *n = line->numbers;
    switch (line->type) {
    case TRANSFER_META:
        return t[TEXT_NAME].len == 0 || t[TEXT_NAME].len > 100 ||
                       slice_find(t[TEXT_NAME], '\0') != t[TEXT_NAME].len
                   ? wrong(why, "name", "must have 1 to 100 bytes")
                   : OK;
    case TRANSFER_USER:
        return t[TEXT_NAME].len == 0 || t[TEXT_PASSWORD].len == 0
                   ? wrong(why, "name, password", "must not be empty")
                   : OK;
    case TRANSFER_ROW:
        return t[TEXT_NAME].len == 0 || n[NUMBER_KIND] == 0
                   ? wrong(why, "name, kind", "must not be empty")
                   : OK;
    case TRANSFER_RETAINED:
        return topic_name_is_valid(t[TEXT_TOPIC]) ? OK : wrong(why, "topic", "is not a topic");
    case TRANSFER_SUBSCRIPTION:
        return topic_filter_is_valid(t[TEXT_FILTER]) ? OK : wrong(why, "filter", "is not a filter");
    case TRANSFER_SESSION:
        return t[TEXT_NAME].len == 0 || n[NUMBER_SESSION] == 0
                   ? wrong(why, "name, session", "must not be empty")
                   : OK;
    default:
        return OK;
    }
}

enum err
transfer_line_read(struct slice text, struct transfer_line *line, struct buf *bytes,
                   char why[TRANSFER_WHY_SIZE])
{
    struct transfer_json *json = transfer_json_new(text, why);
    struct slice name;
    const uint8_t *at;
    enum err err = OK;
    unsigned type = 0;
    if (json == NULL)
        return ERR_INVALID;
    *line = (struct transfer_line){0};
    buf_reset(bytes);
    /* reserved at once: slices of it must not move */
    (void)buf_reserve(bytes, text.len + 64);
    if (!transfer_json_text(json, "type", &name))
        name = slice_of(NULL, 0);
    while (type < TRANSFER_TYPES && !slice_equal_cstr(name, types[type].name))
        type++;
    if (type == TRANSFER_TYPES) {
        transfer_json_free(json);
        return wrong(why, "type", "is missing or not known");
    }
    line->type = (enum transfer_type)type;
    for (at = types[type].numbers; err == OK && *at != END; at++) {
        if (!transfer_json_number(json, numbers[*at].key, &line->numbers[*at]))
            err = wrong(why, numbers[*at].key, "is missing or not a number");
        else if (line->numbers[*at] > numbers[*at].max)
            err = wrong(why, numbers[*at].key, "is too large");
    }
    for (at = types[type].texts; err == OK && *at != END; at++)
        err = read_text(json, *at, bytes, &line->texts[*at], why);
    if (err == OK && type == TRANSFER_QUEUE &&
        !transfer_json_ids(json, "ids", line->ids, BATCH_IDS_MAX, &line->id_count))
        err = wrong(why, "ids", "must be a list of numbers");
    transfer_json_free(json);
    return err != OK ? err : check(line, why);
}

/* ---- into a batch ---- */

static void
put_queue(const struct transfer_line *line, struct batch *batch)
{
    const uint64_t *n = line->numbers;
    batch_message(batch, &line->texts[TEXT_RECORD], 1);
    batch_queue_append(batch, n[NUMBER_SESSION], n[NUMBER_SEQ],
                       (uint8_t)(n[NUMBER_FLAGS] & (DELIVER_QOS_MASK | DELIVER_RETAIN)), line->ids,
                       line->id_count);
    if ((n[NUMBER_FLAGS] & DELIVER_REL) != 0)
        batch_queue_mark_rec(batch, n[NUMBER_SESSION], n[NUMBER_SEQ]);
}

static void
put_session(const struct transfer_line *line, struct batch *batch)
{
    const uint64_t *n = line->numbers;
    struct driver_session row = {
        .session = n[NUMBER_SESSION],
        .epoch = n[NUMBER_EPOCH],
        .owner = n[NUMBER_OWNER],
        .conn = n[NUMBER_CONN],
        .created_ms = n[NUMBER_CREATED_MS],
        .disconnected_ms = n[NUMBER_DISCONNECTED_MS],
        .seq_limit = n[NUMBER_SEQ_LIMIT],
        .expiry_s = (uint32_t)n[NUMBER_EXPIRY_S],
        .receive_maximum = (uint32_t)n[NUMBER_RECEIVE_MAXIMUM],
        .version = (uint8_t)n[NUMBER_VERSION],
        .client_id = line->texts[TEXT_NAME],
        .user = line->texts[TEXT_USER],
        .extra = line->texts[TEXT_VALUE],
    };
    batch_session_put(batch, &row);
}

static void
put_subscription(const struct transfer_line *line, struct batch *batch)
{
    const uint64_t *n = line->numbers;
    struct driver_subscription row = {
        .session = n[NUMBER_SESSION],
        .identifier = (uint32_t)n[NUMBER_IDENTIFIER],
        .qos = (uint8_t)n[NUMBER_QOS],
        .no_local = n[NUMBER_NO_LOCAL] != 0,
        .retain_as_published = n[NUMBER_RETAIN_AS_PUBLISHED] != 0,
        .retain_handling = (uint8_t)n[NUMBER_RETAIN_HANDLING],
        .filter = line->texts[TEXT_FILTER],
    };
    batch_subscription_put(batch, &row);
}

static void
put_people(const struct transfer_line *line, struct batch *batch)
{
    const struct slice *t = line->texts;
    uint64_t time_ms = line->numbers[NUMBER_TIME_MS];
    if (line->type == TRANSFER_USER)
        batch_user_put(batch, &(struct driver_user){.name = t[TEXT_NAME],
                                                    .password = t[TEXT_PASSWORD],
                                                    .roles = t[TEXT_ROLES],
                                                    .rules = t[TEXT_RULES],
                                                    .changed_ms = time_ms});
    else
        batch_row_put(batch, &(struct driver_row){.kind = (uint8_t)line->numbers[NUMBER_KIND],
                                                  .name = t[TEXT_NAME],
                                                  .value = t[TEXT_CONTENT],
                                                  .time_ms = time_ms});
}

bool
transfer_line_is_mark(const struct transfer_line *line)
{
    return line->type == TRANSFER_META && slice_equal_cstr(line->texts[TEXT_NAME], SHARD_MARK_META);
}

void
transfer_line_put(const struct transfer_line *line, struct batch *batch)
{
    const uint64_t *n = line->numbers;
    const struct slice *t = line->texts;
    char name[101] = "";
    switch (line->type) {
    case TRANSFER_META:
        memcpy(name, t[TEXT_NAME].data, t[TEXT_NAME].len);
        batch_meta_put(batch, name, t[TEXT_VALUE]);
        break;
    case TRANSFER_USER:
    case TRANSFER_ROW:
        put_people(line, batch);
        break;
    case TRANSFER_RETAINED:
        batch_retained_put(batch, t[TEXT_TOPIC], n[NUMBER_TIME_MS], &t[TEXT_RECORD], 1);
        break;
    case TRANSFER_SESSION:
        put_session(line, batch);
        break;
    case TRANSFER_SUBSCRIPTION:
        put_subscription(line, batch);
        break;
    case TRANSFER_QUEUE:
        put_queue(line, batch);
        break;
    case TRANSFER_INBOUND:
        batch_inbound_put(batch, n[NUMBER_SESSION], (uint16_t)n[NUMBER_PACKET_ID],
                          n[NUMBER_OUTBOX_SEQ]);
        break;
    case TRANSFER_WILL:
        batch_will_put(batch, n[NUMBER_SESSION], n[NUMBER_TIME_MS], t[TEXT_VALUE]);
        break;
    case TRANSFER_OUTBOX:
        batch_outbox_append(batch, n[NUMBER_SEQ], &t[TEXT_RECORD], 1);
        break;
    case TRANSFER_TOKENS:
        batch_token_set_put(batch, n[NUMBER_ORIGIN], t[TEXT_VALUE]);
        break;
    default:
        break;
    }
}
