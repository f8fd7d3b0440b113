/* SPDX-License-Identifier: Apache-2.0 */
/* Users and the other rows of people in Redis: a hash for each under its name, and the names in a
 * sorted set, which gives pages in the order of their bytes. */
#include "services/store/driver_redis_inner.h"

#define USER_FIELDS "password", "roles", "rules", "changed_ms"
#define ROW_FIELDS  "value", "changed_ms"
#define FIELDS_MAX  4

static const char *const user_fields[] = {USER_FIELDS};
static const char *const row_fields[] = {ROW_FIELDS};

const char *
driver_redis_row_kind(uint8_t kind)
{
    static const char *const kinds[] = {
        [DRIVER_ROW_ROLE] = "role",
        [DRIVER_ROW_BAN] = "ban",
        [DRIVER_ROW_KEY] = "key",
        [DRIVER_ROW_AUDIT] = "audit",
    };
    return kind < sizeof(kinds) / sizeof(kinds[0]) ? kinds[kind] : NULL;
}

/* What is asked for: kind of row and its fields; who gets it. */
struct asked {
    const char *kind;
    const char *const *fields; /* the last is when it changed */
    size_t field_count;
    void (*give)(const struct asked *asked, struct slice name, const struct slice *values,
                 uint64_t changed_ms);
    driver_user_fn user_fn;
    driver_row_fn row_fn;
    void *arg;
    uint8_t row_kind;
};

static void
give_user(const struct asked *asked, struct slice name, const struct slice *values,
          uint64_t changed_ms)
{
    struct driver_user user = {.name = name,
                               .password = values[0],
                               .roles = values[1],
                               .rules = values[2],
                               .changed_ms = changed_ms};
    asked->user_fn(asked->arg, &user);
}

static void
give_row(const struct asked *asked, struct slice name, const struct slice *values,
         uint64_t changed_ms)
{
    struct driver_row row = {asked->row_kind, name, values[0], changed_ms};
    asked->row_fn(asked->arg, &row);
}

/* values: the fields' in their order. ERR_MALFORMED. */
static enum err
give(const struct asked *asked, struct slice name, const struct slice values[FIELDS_MAX])
{
    bool bad = false;
    uint64_t changed_ms = driver_redis_u64(values[asked->field_count - 1], &bad);
    if (bad || name.len == 0)
        return ERR_MALFORMED;
    asked->give(asked, name, values, changed_ms);
    return OK;
}

static enum err
get(struct driver_redis *d, const struct asked *asked, struct slice name)
{
    struct slice values[FIELDS_MAX];
    struct driver_redis_command command;
    redisReply *reply = NULL;
    size_t i;
    enum err err;
    if (name.len == 0 || name.len > BATCH_TEXT_MAX)
        return ERR_NOT_FOUND;
    driver_redis_command_init(&command);
    driver_redis_command_cstr(&command, "HMGET");
    driver_redis_command_begin(&command, strlen(d->all) + strlen(asked->kind) + 1 + name.len);
    buf_append_cstr(&command.body, d->all);
    buf_append_cstr(&command.body, asked->kind);
    buf_append_cstr(&command.body, ":");
    buf_append_slice(&command.body, name);
    driver_redis_command_end(&command);
    for (i = 0; i < asked->field_count; i++)
        driver_redis_command_cstr(&command, asked->fields[i]);
    err = driver_redis_ask(d, DRIVER_REDIS_SCRIPTS, &command, &reply);
    driver_redis_command_fini(&command);
    if (err != OK)
        return err;
    atomic_fetch_add_explicit(&d->driver.steps, 1, memory_order_relaxed);
    if (!driver_redis_is_array(reply, asked->field_count))
        err = ERR_MALFORMED;
    else if (reply->element[asked->field_count - 1]->type == REDIS_REPLY_NIL)
        err = ERR_NOT_FOUND;
    for (i = 0; err == OK && i < asked->field_count; i++)
        values[i] = driver_redis_item(reply, i);
    if (err == OK)
        err = give(asked, name, values);
    freeReplyObject(reply);
    return err;
}

static enum err
page(struct driver_redis *d, const struct asked *asked, struct slice after, size_t max_count,
     bool *more)
{
    struct driver_redis_command command;
    char key[64];
    redisReply *reply = NULL;
    size_t width = asked->field_count + 1;
    size_t i;
    enum err err;
    *more = false;
    driver_redis_command_init(&command);
    driver_redis_begin(d, &command, DRIVER_REDIS_NAMES);
    (void)str_format(key, sizeof(key), "%s%ss", d->all, asked->kind);
    driver_redis_command_cstr(&command, key);
    (void)str_format(key, sizeof(key), "%s%s:", d->all, asked->kind);
    driver_redis_command_cstr(&command, key);
    driver_redis_command_add(&command, after);
    driver_redis_command_u64(
        &command, max_count < DRIVER_REDIS_PAGE_COUNT ? max_count : DRIVER_REDIS_PAGE_COUNT);
    for (i = 0; i < asked->field_count; i++)
        driver_redis_command_cstr(&command, asked->fields[i]);
    err = driver_redis_ask(d, DRIVER_REDIS_NAMES, &command, &reply);
    driver_redis_command_fini(&command);
    if (err != OK)
        return err;
    if (!driver_redis_is_array(reply, 1) || (reply->elements - 1) % width != 0)
        err = ERR_MALFORMED;
    for (i = 1; err == OK && i < reply->elements; i += width) {
        struct slice values[FIELDS_MAX];
        size_t k;
        for (k = 0; k < asked->field_count; k++)
            values[k] = driver_redis_item(reply, i + 1 + k);
        err = give(asked, driver_redis_item(reply, i), values);
        atomic_fetch_add_explicit(&d->driver.steps, 1, memory_order_relaxed);
    }
    if (err == OK)
        *more = slice_equal_cstr(driver_redis_item(reply, 0), "1");
    freeReplyObject(reply);
    return err;
}

static struct asked
users(driver_user_fn fn, void *arg)
{
    return (struct asked){.kind = "user",
                          .fields = user_fields,
                          .field_count = sizeof(user_fields) / sizeof(user_fields[0]),
                          .give = give_user,
                          .user_fn = fn,
                          .arg = arg};
}

static struct asked
rows(uint8_t kind, driver_row_fn fn, void *arg)
{
    return (struct asked){.kind = driver_redis_row_kind(kind),
                          .fields = row_fields,
                          .field_count = sizeof(row_fields) / sizeof(row_fields[0]),
                          .give = give_row,
                          .row_kind = kind,
                          .row_fn = fn,
                          .arg = arg};
}

enum err
driver_redis_user_get(struct driver *driver, struct slice name, driver_user_fn fn, void *arg)
{
    const struct asked asked = users(fn, arg);
    return get(driver_redis_of(driver), &asked, name);
}

enum err
driver_redis_user_page(struct driver *driver, struct slice after, size_t max_count,
                       driver_user_fn fn, void *arg, bool *more)
{
    const struct asked asked = users(fn, arg);
    return page(driver_redis_of(driver), &asked, after, max_count, more);
}

enum err
driver_redis_row_get(struct driver *driver, uint8_t kind, struct slice name, driver_row_fn fn,
                     void *arg)
{
    const struct asked asked = rows(kind, fn, arg);
    return asked.kind == NULL ? ERR_NOT_FOUND : get(driver_redis_of(driver), &asked, name);
}

enum err
driver_redis_row_page(struct driver *driver, uint8_t kind, struct slice after, size_t max_count,
                      driver_row_fn fn, void *arg, bool *more)
{
    const struct asked asked = rows(kind, fn, arg);
    *more = false;
    return asked.kind == NULL ? OK : page(driver_redis_of(driver), &asked, after, max_count, more);
}
