/* SPDX-License-Identifier: Apache-2.0 */
/* See driver_redis_server.h. */
#include "services/store/driver_redis_server.h"

#include "common/log.h"

#include <string.h>

#define VERSION_MIN 7

/* One command of up to four words; an error reply becomes an error. reply NULL: not wanted. */
static enum err
ask(struct driver_redis_link *link, const struct driver_redis_config *config,
    const char *const words[4], redisReply **reply)
{
    struct driver_redis_command command;
    redisReply *got = NULL;
    size_t i;
    enum err err;
    driver_redis_command_init(&command);
    for (i = 0; i < 4 && words[i] != NULL; i++)
        driver_redis_command_cstr(&command, words[i]);
    err = driver_redis_link_call(link, &command, config->connect_timeout_ms, &got);
    driver_redis_command_fini(&command);
    if (err == OK && got->type == REDIS_REPLY_ERROR)
        err = driver_redis_link_refusal(link, got);
    if (err == OK && reply != NULL)
        *reply = got;
    else if (got != NULL)
        freeReplyObject(got);
    return err;
}

static enum err
authenticate(struct driver_redis_link *link, const struct driver_redis_config *config,
             const char *user, const char *password)
{
    if (password[0] == '\0')
        return OK;
    if (user[0] == '\0')
        return ask(link, config, (const char *const[4]){"AUTH", password}, NULL);
    return ask(link, config, (const char *const[4]){"AUTH", user, password}, NULL);
}

/* Puts the address before what went wrong. */
static enum err
at(struct driver_redis_link *link, const char *address, enum err err)
{
    char why[DRIVER_REASON_SIZE];
    if (err == OK)
        return OK;
    memcpy(why, link->why, sizeof(why));
    (void)str_format(link->why, sizeof(link->why), "%s: %s", address, why);
    return err;
}

enum err
driver_redis_server_login(struct driver_redis_link *link, const struct driver_redis_config *config,
                          const char *address)
{
    char database[24];
    enum err err = authenticate(link, config, config->user, config->password);
    (void)str_format(database, sizeof(database), "%llu", (unsigned long long)config->database);
    if (err == OK && config->database != 0)
        err = ask(link, config, (const char *const[4]){"SELECT", database}, NULL);
    if (err == OK)
        err = ask(link, config, (const char *const[4]){"CLIENT", "SETNAME", "sluice-store"}, NULL);
    return at(link, address, err);
}

struct slice
driver_redis_server_info(struct slice info, const char *name)
{
    struct slice line;
    while (str_split(&info, '\n', &line)) {
        size_t n = strlen(name);
        if (slice_has_prefix(line, slice_cstr(name)) && line.len > n && line.data[n] == ':')
            return slice_sub(line, n + 1, line.len);
    }
    return slice_of(NULL, 0);
}

static bool
info_is(struct slice info, const char *name, const char *value)
{
    return slice_equal_cstr(driver_redis_server_info(info, name), value);
}

static enum err
unsuitable(struct driver_redis_link *link, enum err err, const char *text)
{
    (void)str_format(link->why, sizeof(link->why), "redis: %s", text);
    return err;
}

static enum err
check_info(struct driver_redis_link *link, struct slice info, bool durable)
{
    struct slice version = driver_redis_server_info(info, "redis_version");
    uint64_t major = 0;
    version.len = slice_find(version, '.');
    if (str_parse_u64(version, 0, 1000, &major) != OK || major < VERSION_MIN)
        return unsuitable(link, ERR_UNSUPPORTED, "Redis 7 or later is needed");
    if (info_is(info, "cluster_enabled", "1") || info_is(info, "redis_mode", "cluster"))
        return unsuitable(link, ERR_UNSUPPORTED,
                          "a Redis Cluster cannot apply a batch as a whole: use one server, or "
                          "Sentinel");
    if (info_is(info, "loading", "1"))
        return unsuitable(link, ERR_IO, "the server is loading its data");
    if (!info_is(info, "role", "master"))
        return unsuitable(link, ERR_IO, "the server is a replica");
    if (durable && !info_is(info, "aof_enabled", "1"))
        return unsuitable(link, ERR_UNSUPPORTED,
                          "the server keeps no append-only file: set appendonly yes");
    if (durable && !info_is(info, "maxmemory_policy", "noeviction"))
        return unsuitable(link, ERR_UNSUPPORTED,
                          "the server may evict keys: set maxmemory-policy noeviction");
    return OK;
}

/* appendfsync is in CONFIG only, which an ACL may forbid. */
static enum err
check_fsync(struct driver_redis_link *link, const struct driver_redis_config *config,
            const char *address)
{
    redisReply *reply = NULL;
    const char *value = "";
    enum err err =
        ask(link, config, (const char *const[4]){"CONFIG", "GET", "appendfsync"}, &reply);
    if (err == ERR_IO && driver_redis_link_is_open(link))
        err = ERR_DENIED; /* CONFIG is renamed or switched off */
    if (err == ERR_DENIED) {
        if (!link->quiet_unknown)
            log_warn("redis_fsync_unknown", LOG_STR("server", address),
                     LOG_STR("advice", "appendfsync must be always; CONFIG GET is not allowed"),
                     LOG_END);
        link->quiet_unknown = true;
        return OK;
    }
    if (err != OK)
        return err;
    if (reply->type == REDIS_REPLY_ARRAY && reply->elements == 2 &&
        reply->element[1]->type == REDIS_REPLY_STRING)
        value = reply->element[1]->str;
    if (strcmp(value, "everysec") == 0) {
        if (!link->quiet_everysec)
            log_warn("redis_everysec", LOG_STR("server", address),
                     LOG_STR("advice", "a crash of the server's machine can lose the last second "
                                       "of acknowledged changes; set appendfsync always"),
                     LOG_END);
        link->quiet_everysec = true;
    } else if (strcmp(value, "always") != 0) {
        err = unsuitable(link, ERR_UNSUPPORTED,
                         "the server does not fsync what it acknowledges: set appendfsync always");
    }
    freeReplyObject(reply);
    return err;
}

enum err
driver_redis_server_check(struct driver_redis_link *link, const struct driver_redis_config *config,
                          const char *address, bool durable)
{
    redisReply *reply = NULL;
    enum err err = ask(link, config, (const char *const[4]){"INFO"}, &reply);
    if (err != OK)
        return at(link, address, err);
    if (reply->type == REDIS_REPLY_STRING)
        err = check_info(link, slice_of(reply->str, (size_t)reply->len), durable);
    else
        err = unsuitable(link, ERR_UNSUPPORTED, "this is no Redis server");
    freeReplyObject(reply);
    if (err == OK && durable)
        err = check_fsync(link, config, address);
    return at(link, address, err);
}

enum err
driver_redis_server_ask_sentinel(struct driver_redis_link *link,
                                 const struct driver_redis_config *config, const char *address,
                                 char *out, size_t size)
{
    redisReply *reply = NULL;
    enum err err = authenticate(link, config, config->sentinel_user, config->sentinel_password);
    if (err == OK)
        err = ask(link, config,
                  (const char *const[4]){"SENTINEL", "GET-MASTER-ADDR-BY-NAME", config->master},
                  &reply);
    if (err != OK)
        return at(link, address, err);
    if (reply->type != REDIS_REPLY_ARRAY || reply->elements != 2 ||
        reply->element[0]->type != REDIS_REPLY_STRING ||
        reply->element[1]->type != REDIS_REPLY_STRING ||
        str_format(out, size, "%s:%s", reply->element[0]->str, reply->element[1]->str) != OK)
        err = unsuitable(link, ERR_IO, "the sentinel does not know this master");
    freeReplyObject(reply);
    return at(link, address, err);
}
