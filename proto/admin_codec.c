/* SPDX-License-Identifier: Apache-2.0 */
/* See admin_codec.h. Protocol Buffers by hand: every field here is a varint or has a length. */
#include "proto/admin_codec.h"

#include "common/conf.h"
#include "common/cursor.h"
#include "common/log.h"
#include "proto/admin.pb-c.h"

#define ITEM_MAX (80u * 1024)
#define NEXT_MAX 70000u /* a key of a list: at most a topic or client id */

enum { WIRE_VARINT = 0, WIRE_BYTES = 2 };

static size_t
varint(uint64_t value, uint8_t out[10])
{
    size_t n = 0;
    do {
        out[n] = (uint8_t)(value & 0x7f);
        value >>= 7;
        out[n++] |= value != 0 ? 0x80 : 0;
    } while (value != 0);
    return n;
}

static size_t
varint_size(uint64_t value)
{
    uint8_t ignored[10];
    return varint(value, ignored);
}

static void
put_varint(struct buf *out, uint64_t value)
{
    uint8_t bytes[10];
    buf_append(out, bytes, varint(value, bytes));
}

static void
put_tag(struct buf *out, unsigned field, unsigned wire)
{
    put_varint(out, field << 3 | wire);
}

static void
put_bytes(struct buf *out, unsigned field, struct slice bytes)
{
    put_tag(out, field, WIRE_BYTES);
    put_varint(out, bytes.len);
    buf_append_slice(out, bytes);
}

void
admin_writer_init(struct admin_writer *writer)
{
    buf_init(&writer->out, ADMIN_ANSWER_MAX);
    buf_init(&writer->item, ITEM_MAX);
    writer->count = 0;
}

void
admin_writer_fini(struct admin_writer *writer)
{
    buf_fini(&writer->out);
    buf_fini(&writer->item);
}

/* ---- values */

static void
put_value(struct admin_writer *writer, const char *name, enum admin_kind kind, struct slice text,
          uint64_t number)
{
    struct slice key = slice_cstr(name);
    bool is_number = kind == ADMIN_NUMBER || kind == ADMIN_FLAG;
    size_t len = 1 + varint_size(key.len) + key.len + 1 + varint_size(kind);
    len += is_number ? 1 + varint_size(number) : 1 + varint_size(text.len) + text.len;
    put_tag(&writer->item, 1, WIRE_BYTES);
    put_varint(&writer->item, len);
    put_bytes(&writer->item, 1, key);
    put_tag(&writer->item, 2, WIRE_VARINT);
    put_varint(&writer->item, kind);
    if (is_number) {
        put_tag(&writer->item, 4, WIRE_VARINT);
        put_varint(&writer->item, number);
    } else {
        put_bytes(&writer->item, 3, text);
    }
}

void
admin_text(struct admin_writer *writer, const char *name, struct slice text)
{
    put_value(writer, name, ADMIN_TEXT, text, 0);
}

void
admin_data(struct admin_writer *writer, const char *name, struct slice bytes)
{
    put_value(writer, name, ADMIN_DATA, bytes, 0);
}

void
admin_number(struct admin_writer *writer, const char *name, uint64_t number)
{
    put_value(writer, name, ADMIN_NUMBER, slice_of(NULL, 0), number);
}

void
admin_flag(struct admin_writer *writer, const char *name, bool flag)
{
    put_value(writer, name, ADMIN_FLAG, slice_of(NULL, 0), flag ? 1 : 0);
}

bool
admin_item_end(struct admin_writer *writer)
{
    struct slice item = buf_slice(&writer->item);
    size_t room = ADMIN_ANSWER_MAX - buf_len(&writer->out);
    bool fits = buf_error(&writer->item) == OK && item.len + NEXT_MAX < room;
    if (fits)
        put_bytes(&writer->out, 1, item);
    writer->count += fits;
    buf_reset(&writer->item);
    return fits;
}

bool
admin_has_room(const struct admin_writer *writer)
{
    return buf_len(&writer->out) + NEXT_MAX + 4096 < ADMIN_ANSWER_MAX;
}

size_t
admin_count(const struct admin_writer *writer)
{
    return writer->count;
}

void
admin_next(struct admin_writer *writer, struct slice next)
{
    put_bytes(&writer->out, 2, next);
}

void
admin_next_number(struct admin_writer *writer, uint64_t next)
{
    uint8_t bytes[8];
    buf_store_u64(bytes, next);
    admin_next(writer, slice_of(bytes, sizeof(bytes)));
}

struct slice
admin_bytes(const struct admin_writer *writer)
{
    return buf_slice(&writer->out);
}

/* ---- questions */

Sluice__AdminAsk *
admin_ask_decode(struct slice body)
{
    return sluice__admin_ask__unpack(NULL, body.len, body.data);
}

void
admin_ask_free(Sluice__AdminAsk *ask)
{
    if (ask != NULL)
        sluice__admin_ask__free_unpacked(ask, NULL);
}

const Sluice__AdminValue *
admin_value(Sluice__AdminValue *const *values, size_t count, const char *name)
{
    size_t i;
    for (i = 0; i < count; i++)
        if (strcmp(values[i]->name, name) == 0)
            return values[i];
    return NULL;
}

struct slice
admin_value_text(const Sluice__AdminValue *value)
{
    return value != NULL ? slice_of(value->text.data, value->text.len) : slice_of(NULL, 0);
}

static const Sluice__AdminValue *
find(const Sluice__AdminAsk *ask, const char *name)
{
    return admin_value(ask->values, ask->n_values, name);
}

struct slice
admin_ask_text(const Sluice__AdminAsk *ask, const char *name)
{
    return admin_value_text(find(ask, name));
}

uint64_t
admin_ask_number(const Sluice__AdminAsk *ask, const char *name)
{
    const Sluice__AdminValue *value = find(ask, name);
    return value != NULL ? value->number : 0;
}

bool
admin_ask_flag(const Sluice__AdminAsk *ask, const char *name)
{
    return admin_ask_number(ask, name) != 0;
}

uint32_t
admin_ask_limit(const Sluice__AdminAsk *ask, uint32_t most)
{
    return ask->limit == 0 ? 1 : ask->limit > most ? most : ask->limit;
}

enum err
admin_ask_after(const Sluice__AdminAsk *ask, uint64_t *out)
{
    if (ask->after.len != 0 && ask->after.len != 8)
        return ERR_MALFORMED;
    *out = ask->after.len == 8 ? cursor_load_u64(ask->after.data) : 0;
    return OK;
}

/* ---- what every program answers */

static void
put_setting(void *arg, const struct conf_row *row, const char *value, const char *source)
{
    struct admin_writer *writer = arg;
    admin_text(writer, "name", slice_cstr(row->name));
    admin_text(writer, "value", slice_cstr(value));
    admin_text(writer, "source", slice_cstr(source));
    admin_text(writer, "unit", slice_cstr(row->unit));
    admin_text(writer, "help", slice_cstr(row->help));
    (void)admin_item_end(writer);
}

void
admin_put_settings(struct admin_writer *writer, const struct conf *conf)
{
    conf_describe(conf, put_setting, writer);
}

enum err
admin_log_level(struct admin_writer *writer, const Sluice__AdminAsk *ask)
{
    struct slice wanted = admin_ask_text(ask, "level");
    enum log_level level;
    if (wanted.len != 0) {
        enum err err = log_level_parse(wanted, &level);
        if (err != OK)
            return err;
        log_set_level(level);
    }
    admin_text(writer, "level", slice_cstr(log_level_text(log_get_level())));
    (void)admin_item_end(writer);
    return OK;
}
