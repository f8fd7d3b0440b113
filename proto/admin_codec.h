/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Questions of operators and their answers (admin.proto): the writer makes the bytes of an
 * AdminAnswer without building objects, because lists are long and the owner of the state must not
 * be kept; the reader finds values by name. Pure. What the names mean is said where methods are
 * listed (feed_records.h) and done by the desks.
 */
#ifndef SLUICE_PROTO_ADMIN_CODEC_H
#define SLUICE_PROTO_ADMIN_CODEC_H

#include "common/buf.h"
#include "common/err.h"
#include "common/str.h"
#include "proto/admin.pb-c.h"

#include <stdbool.h>
#include <stdint.h>

enum admin_kind { ADMIN_TEXT = 1, ADMIN_NUMBER = 2, ADMIN_FLAG = 3, ADMIN_DATA = 4 };

/* Answers stay below this, so that one feed record holds them; a longer list goes on with next. */
#define ADMIN_ANSWER_MAX (192u * 1024)

struct conf;

struct admin_writer {
    struct buf out;
    struct buf item;
    size_t count;
};

void admin_writer_init(struct admin_writer *writer);
void admin_writer_fini(struct admin_writer *writer);
/* Values of the item in hand, in any number. */
void admin_text(struct admin_writer *writer, const char *name, struct slice text);
void admin_data(struct admin_writer *writer, const char *name, struct slice bytes);
void admin_number(struct admin_writer *writer, const char *name, uint64_t number);
void admin_flag(struct admin_writer *writer, const char *name, bool flag);
/* Ends the item in hand. False: it has no room (then or before); the answer ends before it and
 * should say where to go on. */
bool admin_item_end(struct admin_writer *writer);
/* Whether another item of ordinary size will find room. */
bool admin_has_room(const struct admin_writer *writer);
/* Items ended so far. */
size_t admin_count(const struct admin_writer *writer);
/* Where to go on. */
void admin_next(struct admin_writer *writer, struct slice next);
/* The answer; borrowed until the writer changes. */
struct slice admin_bytes(const struct admin_writer *writer);

/* The first value of this name; NULL: none. */
const Sluice__AdminValue *admin_value(Sluice__AdminValue *const *values, size_t count,
                                      const char *name);
/* Borrowed; empty when NULL. */
struct slice admin_value_text(const Sluice__AdminValue *value);

/* ---- questions */

/* New (admin_ask_free); NULL: malformed. */
Sluice__AdminAsk *admin_ask_decode(struct slice body);
void admin_ask_free(Sluice__AdminAsk *ask);
/* Values by name; empty, 0 or false when not told. Borrowed. */
struct slice admin_ask_text(const Sluice__AdminAsk *ask, const char *name);
uint64_t admin_ask_number(const Sluice__AdminAsk *ask, const char *name);
bool admin_ask_flag(const Sluice__AdminAsk *ask, const char *name);
/* limit, at least 1 and at most `most`. */
uint32_t admin_ask_limit(const Sluice__AdminAsk *ask, uint32_t most);
/* after as a number: 8 bytes, big-endian; 0: from the start. ERR_MALFORMED. */
ERR_MUST_USE enum err admin_ask_after(const Sluice__AdminAsk *ask, uint64_t *out);
void admin_next_number(struct admin_writer *writer, uint64_t next);

/* ---- what every program answers in the same way */

/* CALL_ADMIN_SETTINGS: an item for each setting in force, secrets masked. */
void admin_put_settings(struct admin_writer *writer, const struct conf *conf);
/* CALL_ADMIN_LOG_LEVEL: sets the level if the question has one, and says what it is. ERR_INVALID.
 */
ERR_MUST_USE enum err admin_log_level(struct admin_writer *writer, const Sluice__AdminAsk *ask);

#endif
