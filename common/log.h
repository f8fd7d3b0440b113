/* SPDX-License-Identifier: Apache-2.0 */
/* One line per event to stderr: key=value on a terminal, JSON otherwise. Thread-safe; a stuck
 * reader costs lines (counted), never time beyond a few milliseconds. It decides nothing about what
 * may be said: never pass a password, token or payload.
 *
 *     log_info("client_connected", LOG_STR("client", id), LOG_U64("port", 1883), LOG_END);
 */
#ifndef SLUICE_COMMON_LOG_H
#define SLUICE_COMMON_LOG_H

#include "common/err.h"
#include "common/str.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define LOG_LINE_MAX                                                                               \
    4096 /* longer lines are cut between fields: PIPE_BUF, so a line stays whole                   \
          */

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARN, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };
enum log_format { LOG_FORMAT_AUTO, LOG_FORMAT_KV, LOG_FORMAT_JSON };
enum log_type {
    LOG_TYPE_END,
    LOG_TYPE_STR,
    LOG_TYPE_U64,
    LOG_TYPE_I64,
    LOG_TYPE_HEX,
    LOG_TYPE_BOOL
};

struct log_field {
    const char *key;
    enum log_type type;
    struct slice text;
    uint64_t number;
};

/* Names this program in every line. Before log_open lines are written as "sluice", level info.
 * program is borrowed for ever. */
void log_open(const char *program, enum log_level level, enum log_format format);
void log_set_level(enum log_level level);
enum log_level log_get_level(void);
/* "error" "warn" "info" "debug". ERR_INVALID for any other text. */
const char *log_level_text(enum log_level level);
ERR_MUST_USE enum err log_level_parse(struct slice text, enum log_level *out);

/* Lines lost because stderr did not take them. */
uint64_t log_dropped(void);

/* fields ends with LOG_END. Use the macros. */
void log_write(enum log_level level, const char *event, const struct log_field *fields);
/* The line (with its newline) as log_write would write it, into out; returns its length. Pure. */
size_t log_render(char *out, size_t cap, enum log_format format, uint64_t wall_ms,
                  const char *program, enum log_level level, const char *event,
                  const struct log_field *fields);
/* Plain text to stderr as it is: usage mistakes before there is a log. */
void log_plain(const char *text);
/* Logs at error level and aborts: for mem.c and for broken invariants. */
void log_fatal(const char *event, const char *detail) __attribute__((noreturn));

/* Lets one line through per interval and counts the others. Static zero is ready to use. */
struct log_limit {
    _Atomic uint64_t next_ms;
    _Atomic uint64_t held_back;
};

/* True when a line may be written now; *suppressed then says how many were held back since the
 * last one. Put it in the line. Thread-safe. */
bool log_every(struct log_limit *limit, uint64_t interval_ms, uint64_t *suppressed);
/* As log_every with the clock told. */
bool log_every_at(struct log_limit *limit, uint64_t interval_ms, uint64_t now_ms,
                  uint64_t *suppressed);

extern _Atomic int log_level_now; /* for log_is_enabled only */

static inline bool
log_is_enabled(enum log_level level)
{
    return (int)level <= atomic_load_explicit(&log_level_now, memory_order_relaxed);
}

static inline struct log_field
log_field_slice(const char *key, struct slice text)
{
    return (struct log_field){.key = key, .type = LOG_TYPE_STR, .text = text};
}

static inline struct log_field
log_field_cstr(const char *key, const char *text)
{
    return log_field_slice(key, slice_cstr(text));
}

/* value: struct slice or (const) char *; need not be valid UTF-8. */
#define LOG_STR(k, v)                                                                              \
    _Generic((v), struct slice                                                                     \
             : log_field_slice, char *                                                             \
             : log_field_cstr, const char *                                                        \
             : log_field_cstr)((k), (v))
#define LOG_U64(k, v)                                                                              \
    ((struct log_field){.key = (k), .type = LOG_TYPE_U64, .number = (uint64_t)(v)})
#define LOG_I64(k, v)                                                                              \
    ((struct log_field){.key = (k), .type = LOG_TYPE_I64, .number = (uint64_t)(int64_t)(v)})
#define LOG_HEX(k, v)                                                                              \
    ((struct log_field){.key = (k), .type = LOG_TYPE_HEX, .number = (uint64_t)(v)})
#define LOG_BOOL(k, v)                                                                             \
    ((struct log_field){.key = (k), .type = LOG_TYPE_BOOL, .number = (v) ? 1u : 0u})
/* An enum err as error="..."; errno as errno="..." . */
#define LOG_ERR(e)   log_field_cstr("error", err_text(e))
#define LOG_ERRNO(n) log_field_cstr("errno", log_errno_text(n))
#define LOG_END      ((struct log_field){.type = LOG_TYPE_END})

/* Static text of an errno value. */
const char *log_errno_text(int number);

#define LOG_AT(level, event, ...)                                                                  \
    do {                                                                                           \
        if (log_is_enabled(level))                                                                 \
            log_write((level), (event), (const struct log_field[]){__VA_ARGS__});                  \
    } while (0)
#define log_error(event, ...) LOG_AT(LOG_LEVEL_ERROR, event, __VA_ARGS__)
#define log_warn(event, ...)  LOG_AT(LOG_LEVEL_WARN, event, __VA_ARGS__)
#define log_info(event, ...)  LOG_AT(LOG_LEVEL_INFO, event, __VA_ARGS__)
#define log_debug(event, ...) LOG_AT(LOG_LEVEL_DEBUG, event, __VA_ARGS__)

#endif
