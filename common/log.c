/* SPDX-License-Identifier: Apache-2.0 */
/* Rendering of log lines and their one write to stderr. The only file that touches stderr. */
#include "common/log.h"

#include "common/clock.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define LOG_WAIT_MS 20 /* how long a full pipe is given, once, before lines are dropped */

_Atomic int log_level_now = LOG_LEVEL_INFO;
static _Atomic int log_format_now = LOG_FORMAT_AUTO;
static const char *_Atomic log_program = "sluice";
static _Atomic uint64_t log_dropped_count;

static pthread_mutex_t log_lock = PTHREAD_MUTEX_INITIALIZER;
static bool log_is_stuck;       /* under log_lock: the last write found no room */
static uint64_t log_unreported; /* under log_lock: drops not yet told in a line */

/* A line under construction. A field that does not fit is taken back whole. */
struct log_out {
    char *data;
    size_t len;
    size_t cap; /* leaves room for the line's end */
    bool full;
};

static const char *const log_level_texts[] = {"error", "warn", "info", "debug"};

const char *
log_level_text(enum log_level level)
{
    return (unsigned)level <= LOG_LEVEL_DEBUG ? log_level_texts[level] : "debug";
}

enum err
log_level_parse(struct slice text, enum log_level *out)
{
    unsigned i;
    for (i = 0; i <= LOG_LEVEL_DEBUG; i++) {
        if (slice_equal_cstr(text, log_level_texts[i])) {
            *out = (enum log_level)i;
            return OK;
        }
    }
    return ERR_INVALID;
}

void
log_set_level(enum log_level level)
{
    atomic_store_explicit(&log_level_now, (int)level, memory_order_relaxed);
}

enum log_level
log_get_level(void)
{
    return (enum log_level)atomic_load_explicit(&log_level_now, memory_order_relaxed);
}

void
log_open(const char *program, enum log_level level, enum log_format format)
{
    if (format == LOG_FORMAT_AUTO)
        format = isatty(STDERR_FILENO) == 1 ? LOG_FORMAT_KV : LOG_FORMAT_JSON;
    atomic_store(&log_program, program);
    atomic_store(&log_format_now, (int)format);
    log_set_level(level);
}

uint64_t
log_dropped(void)
{
    return atomic_load(&log_dropped_count);
}

const char *
log_errno_text(int number)
{
    const char *text = strerrordesc_np(number);
    return text != NULL ? text : "unknown";
}

static void
log_put(struct log_out *out, const char *data, size_t n)
{
    if (out->full || n > out->cap - out->len) {
        out->full = true;
        return;
    }
    memcpy(out->data + out->len, data, n);
    out->len += n;
}

static void
log_put_cstr(struct log_out *out, const char *text)
{
    log_put(out, text, strlen(text));
}

/* Text inside quotes, good for JSON and for a terminal: control characters are escaped (the C1
 * ones too), and a byte that is not UTF-8 becomes U+FFFD. */
static void
log_put_escaped(struct log_out *out, struct slice text)
{
    size_t at = 0;
    while (at < text.len && !out->full) {
        const uint8_t *c = text.data + at;
        size_t n = str_utf8_char(c, text.len - at);
        char escape[8];
        if (n == 0) {
            log_put_cstr(out, "\xef\xbf\xbd");
            at++;
            continue;
        }
        if (*c == '"' || *c == '\\') {
            escape[0] = '\\';
            escape[1] = (char)*c;
            log_put(out, escape, 2);
        } else if (*c < 0x20 || *c == 0x7f || (n == 2 && c[0] == 0xc2 && c[1] < 0xa0)) {
            snprintf(escape, sizeof(escape), "\\u%04x", n == 2 ? c[1] : c[0]);
            log_put_cstr(out, escape);
        } else {
            log_put(out, (const char *)c, n);
        }
        at += n;
    }
}

static void
log_put_quoted(struct log_out *out, struct slice text)
{
    log_put(out, "\"", 1);
    log_put_escaped(out, text);
    log_put(out, "\"", 1);
}

static bool
log_is_bare(struct slice text)
{
    size_t i;
    for (i = 0; i < text.len; i++) {
        uint8_t c = text.data[i];
        bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                     (c != '\0' && strchr("._-/:@+$#,[]", c) != NULL);
        if (!plain)
            return false;
    }
    return text.len != 0;
}

static void
log_put_field(struct log_out *out, bool json, const struct log_field *field)
{
    char number[32];
    size_t before = out->len;
    number[0] = '\0';
    if (out->full)
        return;
    if (json)
        log_put_cstr(out, ",\"");
    else
        log_put(out, " ", 1);
    log_put_cstr(out, field->key);
    log_put_cstr(out, json ? "\":" : "=");
    switch (field->type) {
    case LOG_TYPE_STR:
        if (!json && log_is_bare(field->text))
            log_put(out, (const char *)field->text.data, field->text.len);
        else
            log_put_quoted(out, field->text);
        break;
    case LOG_TYPE_U64:
        snprintf(number, sizeof(number), "%" PRIu64, field->number);
        break;
    case LOG_TYPE_I64:
        snprintf(number, sizeof(number), "%" PRId64, (int64_t)field->number);
        break;
    case LOG_TYPE_HEX:
        snprintf(number, sizeof(number), json ? "\"%016" PRIx64 "\"" : "%016" PRIx64,
                 field->number);
        break;
    case LOG_TYPE_BOOL:
    case LOG_TYPE_END:
        snprintf(number, sizeof(number), "%s", field->number != 0 ? "true" : "false");
        break;
    }
    log_put_cstr(out, number);
    if (out->full)
        out->len = before;
}

size_t
log_render(char *data, size_t cap, enum log_format format, uint64_t wall_ms, const char *program,
           enum log_level level, const char *event, const struct log_field *fields)
{
    static const size_t tail = sizeof(",\"cut\":true}\n"); /* the longest end of a line */
    char time[CLOCK_ISO8601_SIZE];
    bool json = format != LOG_FORMAT_KV;
    struct log_out out = {data, 0, cap > tail ? cap - tail : 0, false};
    if (cap <= tail)
        return 0;
    clock_iso8601(wall_ms, time);
    if (json) {
        log_put_cstr(&out, "{\"time\":\"");
        log_put_cstr(&out, time);
        log_put_cstr(&out, "\",\"level\":\"");
        log_put_cstr(&out, log_level_text(level));
        log_put_cstr(&out, "\",\"program\":\"");
        log_put_escaped(&out, slice_cstr(program));
        log_put_cstr(&out, "\",\"event\":\"");
        log_put_escaped(&out, slice_cstr(event));
        log_put_cstr(&out, "\"");
    } else {
        log_put_cstr(&out, time);
        log_put(&out, " ", 1);
        log_put_cstr(&out, log_level_text(level));
        log_put(&out, " ", 1);
        log_put_cstr(&out, program);
        log_put(&out, " ", 1);
        log_put_cstr(&out, event);
    }
    for (; fields->type != LOG_TYPE_END && !out.full; fields++)
        log_put_field(&out, json, fields);
    out.cap = cap - 1;
    if (out.full) {
        out.full = false;
        log_put_cstr(&out, json ? ",\"cut\":true" : " cut=true");
    }
    log_put_cstr(&out, json ? "}\n" : "\n");
    data[out.len] = '\0';
    return out.len;
}

/* Under log_lock. Lines fit PIPE_BUF, so after POLLOUT a pipe takes one whole without blocking. */
static bool
log_emit(const char *line, size_t len)
{
    struct pollfd pollfd = {.fd = STDERR_FILENO, .events = POLLOUT};
    int ready = poll(&pollfd, 1, log_is_stuck ? 0 : LOG_WAIT_MS);
    bool ok = ready == 1 && (pollfd.revents & (POLLOUT | POLLERR)) == POLLOUT;
    log_is_stuck = ready == 0;
    while (ok && len != 0) {
        ssize_t n = write(STDERR_FILENO, line, len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        line += n;
        len -= (size_t)n;
    }
    return ok;
}

void
log_write(enum log_level level, const char *event, const struct log_field *fields)
{
    char line[LOG_LINE_MAX];
    int saved_errno = errno;
    enum log_format format = (enum log_format)atomic_load(&log_format_now);
    const char *program = atomic_load(&log_program);
    uint64_t now = clock_wall_ms();
    size_t len = log_render(line, sizeof(line), format, now, program, level, event, fields);
    pthread_mutex_lock(&log_lock);
    if (!log_emit(line, len)) {
        log_unreported++;
        atomic_fetch_add(&log_dropped_count, 1);
    } else if (log_unreported != 0) {
        const struct log_field told[] = {LOG_U64("lines", log_unreported), LOG_END};
        len = log_render(line, sizeof(line), format, now, program, LOG_LEVEL_WARN,
                         "log_lines_dropped", told);
        if (log_emit(line, len))
            log_unreported = 0;
    }
    pthread_mutex_unlock(&log_lock);
    errno = saved_errno;
}

void
log_plain(const char *text)
{
    size_t len = strlen(text);
    while (len != 0) {
        ssize_t n = write(STDERR_FILENO, text, len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return;
        text += n;
        len -= (size_t)n;
    }
}

void
log_fatal(const char *event, const char *detail)
{
    const struct log_field fields[] = {LOG_STR("detail", detail), LOG_END};
    log_write(LOG_LEVEL_ERROR, event, fields);
    abort();
}

bool
log_every_at(struct log_limit *limit, uint64_t interval_ms, uint64_t now_ms, uint64_t *suppressed)
{
    uint64_t next = atomic_load_explicit(&limit->next_ms, memory_order_relaxed);
    if (now_ms < next ||
        !atomic_compare_exchange_strong(&limit->next_ms, &next, now_ms + interval_ms)) {
        atomic_fetch_add(&limit->held_back, 1);
        return false;
    }
    *suppressed = atomic_exchange(&limit->held_back, 0);
    return true;
}

bool
log_every(struct log_limit *limit, uint64_t interval_ms, uint64_t *suppressed)
{
    return log_every_at(limit, interval_ms, clock_monotonic_ms(), suppressed);
}
