/* SPDX-License-Identifier: Apache-2.0 */
/* See driver_redis_link.h. hiredis reads the answers; the bytes come from driver_redis_stream,
 * which has deadlines for all it does and TLS. */
#include "services/store/driver_redis_link.h"

#include "common/clock.h"
#include "common/log.h"
#include "services/store/driver_redis_server.h"

#include <errno.h>
#include <string.h>

#define READ_SIZE 16384
#define REPLY_MAX (UINT64_C(600) << 20) /* bytes of one answer */

void
driver_redis_link_init(struct driver_redis_link *link)
{
    memset(link, 0, sizeof(*link));
    link->stream.fd = -1;
}

void
driver_redis_link_close(struct driver_redis_link *link)
{
    if (link->reader != NULL)
        redisReaderFree(link->reader);
    link->reader = NULL;
    driver_redis_stream_close(&link->stream);
    driver_redis_stream_tls_free(link->tls);
    link->tls = NULL;
}

static enum err
broken(struct driver_redis_link *link, enum err err, const char *what)
{
    (void)str_format(link->why, sizeof(link->why), "redis: %s", what);
    driver_redis_link_close(link);
    return err;
}

static enum err
read_reply(struct driver_redis_link *link, redisReply **reply)
{
    char bytes[READ_SIZE];
    uint64_t total = 0;
    for (;;) {
        void *got = NULL;
        size_t n;
        if (redisReaderGetReply(link->reader, &got) != REDIS_OK)
            return broken(link, ERR_IO, "the server does not speak Redis' protocol");
        if (got != NULL) {
            *reply = got;
            return OK;
        }
        if (driver_redis_stream_read(&link->stream, bytes, sizeof(bytes), &n) != OK)
            return broken(link, ERR_IO, link->stream.why);
        total += n;
        if (total > REPLY_MAX)
            return broken(link, ERR_IO, "an answer of the server has no end");
        if (redisReaderFeed(link->reader, bytes, n) != REDIS_OK)
            return broken(link, ERR_IO, "the server does not speak Redis' protocol");
    }
}

enum err
driver_redis_link_call(struct driver_redis_link *link, const struct driver_redis_command *command,
                       uint64_t timeout_ms, redisReply **reply)
{
    char head[32];
    size_t head_len = driver_redis_command_head(command, head);
    enum err err = driver_redis_command_error(command);
    if (err != OK) {
        (void)str_format(link->why, sizeof(link->why), "redis: more than %llu MiB at once",
                         (unsigned long long)(DRIVER_REDIS_COMMAND_MAX >> 20));
        return err;
    }
    link->stream.deadline_us = clock_monotonic_us() + timeout_ms * 1000;
    err = driver_redis_stream_write(&link->stream, slice_of(head, head_len));
    if (err == OK)
        err = driver_redis_stream_write(&link->stream, buf_slice(&command->body));
    if (err != OK)
        return broken(link, ERR_IO, link->stream.why);
    err = read_reply(link, reply);
    if (err == OK)
        link->used++;
    return err;
}

static bool
reply_has_prefix(const redisReply *reply, const char *prefix)
{
    return slice_has_prefix(slice_of(reply->str, (size_t)reply->len), slice_cstr(prefix));
}

static enum err
load_script(struct driver_redis_link *link, enum driver_redis_script script, uint64_t timeout_ms)
{
    struct driver_redis_command command;
    struct buf text;
    redisReply *reply = NULL;
    enum err err;
    driver_redis_command_init(&command);
    buf_init(&text, DRIVER_REDIS_SCRIPT_MAX);
    driver_redis_scripts_text(script, &text);
    driver_redis_command_cstr(&command, "SCRIPT");
    driver_redis_command_cstr(&command, "LOAD");
    driver_redis_command_add(&command, buf_slice(&text));
    buf_fini(&text);
    err = driver_redis_link_call(link, &command, timeout_ms, &reply);
    driver_redis_command_fini(&command);
    if (err == OK && reply->type == REDIS_REPLY_ERROR)
        err = driver_redis_link_refusal(link, reply);
    if (reply != NULL)
        freeReplyObject(reply);
    return err;
}

enum err
driver_redis_link_script(struct driver_redis_link *link, enum driver_redis_script script,
                         const struct driver_redis_command *command, uint64_t timeout_ms,
                         redisReply **reply)
{
    enum err err = driver_redis_link_call(link, command, timeout_ms, reply);
    if (err != OK || (*reply)->type != REDIS_REPLY_ERROR || !reply_has_prefix(*reply, "NOSCRIPT"))
        return err;
    freeReplyObject(*reply);
    *reply = NULL;
    err = load_script(link, script, timeout_ms);
    return err != OK ? err : driver_redis_link_call(link, command, timeout_ms, reply);
}

/* Redis puts the system's own text into MISCONF. */
static bool
says_full(const char *text)
{
    static const int full[] = {ENOSPC, EDQUOT, EFBIG};
    size_t i;
    for (i = 0; i < sizeof(full) / sizeof(full[0]); i++) {
        if (strstr(text, strerrordesc_np(full[i])) != NULL)
            return true;
    }
    return false;
}

enum err
driver_redis_link_refusal(struct driver_redis_link *link, const redisReply *reply)
{
    static const struct {
        const char *prefix;
        enum err err;
        bool leave; /* another server has to be found */
    } table[] = {
        {"OOM ", ERR_NO_SPACE, false},        {"STALE ", ERR_STALE, false},
        {"LOST ", ERR_STALE, false},          {"DAMAGED ", ERR_MALFORMED, false},
        {"WRONGTYPE ", ERR_MALFORMED, false}, {"NOAUTH ", ERR_DENIED, true},
        {"WRONGPASS ", ERR_DENIED, true},     {"NOPERM ", ERR_DENIED, false},
        {"READONLY ", ERR_IO, true},          {"MASTERDOWN ", ERR_IO, true},
        {"LOADING ", ERR_IO, true},           {"UNBLOCKED ", ERR_IO, true},
    };
    struct slice text = slice_of(reply->str, (size_t)reply->len);
    size_t i;
    (void)str_format(link->why, sizeof(link->why), "redis: %.*s", (int)text.len,
                     (const char *)text.data);
    if (slice_has_prefix(text, slice_cstr("MISCONF ")))
        return says_full(reply->str) ? ERR_NO_SPACE : ERR_IO;
    for (i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        if (!slice_has_prefix(text, slice_cstr(table[i].prefix)))
            continue;
        if (table[i].leave)
            driver_redis_link_close(link);
        return table[i].err;
    }
    return ERR_IO;
}

/* ---- opening ---- */

/* Connects the bytes only; timeouts from now on. */
static enum err
dial(struct driver_redis_link *link, const struct driver_redis_config *config, const char *address)
{
    enum err err = OK;
    link->used = 0;
    if (config->tls && link->tls == NULL)
        err = driver_redis_stream_tls_new(config, link->stream.why, &link->tls);
    link->stream.deadline_us = clock_monotonic_us() + config->connect_timeout_ms * UINT64_C(1000);
    if (err == OK)
        err = driver_redis_stream_open(&link->stream, address, link->tls);
    if (err != OK) {
        (void)str_format(link->why, sizeof(link->why), "redis at %s: %s", address,
                         link->stream.why);
        return err;
    }
    link->reader = redisReaderCreate();
    return link->reader != NULL ? OK : broken(link, ERR_IO, "no memory");
}

/* Logs in at one server and looks whether it will do. */
static enum err
open_at(struct driver_redis_link *link, const struct driver_redis_config *config,
        const char *address, bool durable)
{
    uint64_t timeout_ms = config->connect_timeout_ms;
    int script;
    enum err err = dial(link, config, address);
    if (err == OK)
        err = driver_redis_server_login(link, config, address);
    if (err == OK)
        err = driver_redis_server_check(link, config, address, durable);
    for (script = 0; err == OK && script < DRIVER_REDIS_SCRIPTS; script++)
        err = load_script(link, (enum driver_redis_script)script, timeout_ms);
    if (err != OK)
        driver_redis_link_close(link);
    else if (durable)
        log_info("redis_connected", LOG_STR("server", address), LOG_END);
    link->used = 0;
    return err;
}

/* Of two failures, the one that a person can do something about. */
static enum err
worse(enum err a, enum err b)
{
    return a == OK || a == ERR_IO ? b : a;
}

enum err
driver_redis_link_open(struct driver_redis_link *link, const struct driver_redis_config *config,
                       bool durable)
{
    bool guarded = config->sentinels.count != 0;
    const struct conf_list *list = guarded ? &config->sentinels : &config->hosts;
    char why[DRIVER_REASON_SIZE] = "redis: no server is named";
    enum err result = ERR_INVALID;
    size_t i;
    for (i = 0; i < list->count; i++) {
        char master[300];
        const char *address = list->items[i];
        enum err err = OK, before = result;
        if (guarded) {
            err = dial(link, config, address);
            if (err == OK)
                err =
                    driver_redis_server_ask_sentinel(link, config, address, master, sizeof(master));
            driver_redis_link_close(link);
            address = master;
        }
        if (err == OK)
            err = open_at(link, config, address, durable);
        if (err == OK)
            return OK;
        result = i == 0 ? err : worse(before, err);
        if (i == 0 || result != before)
            memcpy(why, link->why, sizeof(why));
    }
    memcpy(link->why, why, sizeof(why));
    return result;
}
