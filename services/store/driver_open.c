/* SPDX-License-Identifier: Apache-2.0 */
/* Choosing and opening drivers; see driver_open.h. A new driver is one function and one row. */
#include "services/store/driver_open.h"

#include "services/store/driver_lmdb.h"
#include "services/store/driver_mysql.h"
#include "services/store/driver_redis.h"

#include <string.h>

typedef enum err (*open_fn)(const struct store_config *config, char why[DRIVER_REASON_SIZE],
                            struct driver **out);

static enum err
open_embedded(const struct store_config *config, char why[DRIVER_REASON_SIZE], struct driver **out)
{
    struct driver_lmdb_settings settings = {.data_dir = config->data_dir,
                                            .max_bytes = config->data_max};
    return driver_lmdb_open(&settings, why, out);
}

static enum err
open_mysql(const struct store_config *config, char why[DRIVER_REASON_SIZE], struct driver **out)
{
    return driver_mysql_open(&config->mysql, why, out);
}

static enum err
open_redis(const struct store_config *config, char why[DRIVER_REASON_SIZE], struct driver **out)
{
    return driver_redis_open(&config->redis, why, out);
}

static const struct {
    const char *name;
    open_fn open; /* NULL: this build has none */
    bool may_retry;
    bool is_shared;
} kinds[] = {
    {"embedded", open_embedded, false, false},
    {"mysql", open_mysql, false, true},
    {"redis", open_redis, true, true},
};
#define KIND_COUNT (sizeof(kinds) / sizeof(kinds[0]))

static size_t
kind_of(const char *name)
{
    size_t i = 0;
    while (i < KIND_COUNT && strcmp(kinds[i].name, name) != 0)
        i++;
    return i;
}

bool
driver_open_is_name(const char *name)
{
    return kind_of(name) < KIND_COUNT;
}

const char *
driver_open_choice(const struct store_config *config, enum driver_domain domain)
{
    const char *own = domain == DRIVER_PEOPLE     ? config->driver_people
                      : domain == DRIVER_RETAINED ? config->driver_retained
                                                  : config->driver_sessions;
    return own[0] != '\0' ? own : config->driver;
}

bool
driver_open_is_shared(const struct store_config *config, enum driver_domain domain)
{
    size_t kind = kind_of(driver_open_choice(config, domain));
    return kind < KIND_COUNT && kinds[kind].is_shared;
}

bool
driver_open_may_retry(const struct store_config *config)
{
    unsigned i;
    for (i = 0; i < DRIVER_DOMAIN_COUNT; i++) {
        size_t kind = kind_of(driver_open_choice(config, (enum driver_domain)i));
        if (kind < KIND_COUNT && kinds[kind].may_retry)
            return true;
    }
    return false;
}

static enum err
open_kind(const struct store_config *config, size_t kind, char why[DRIVER_REASON_SIZE],
          struct driver **out)
{
    if (kind < KIND_COUNT && kinds[kind].open != NULL)
        return kinds[kind].open(config, why, out);
    (void)str_format(why, DRIVER_REASON_SIZE, "this program has no driver %s",
                     kind < KIND_COUNT ? kinds[kind].name : "of that name");
    return ERR_UNSUPPORTED;
}

/* The drivers of all domains, each kind opened once. */
static enum err
open_parts(const struct store_config *config, char why[DRIVER_REASON_SIZE],
           struct driver *opened[KIND_COUNT], struct driver *parts[DRIVER_DOMAIN_COUNT])
{
    unsigned i;
    for (i = 0; i < DRIVER_DOMAIN_COUNT; i++) {
        enum driver_domain domain = (enum driver_domain)i;
        const char *name = driver_open_choice(config, domain);
        size_t kind = kind_of(name);
        enum err err = OK;
        if (kind == KIND_COUNT || opened[kind] == NULL)
            err = open_kind(config, kind, why, kind < KIND_COUNT ? &opened[kind] : NULL);
        if (err != OK)
            return err;
        if (!driver_domains_can(opened[kind], domain)) {
            (void)str_format(why, DRIVER_REASON_SIZE, "the driver %s cannot keep %s", name,
                             driver_domains_name(domain));
            return ERR_UNSUPPORTED;
        }
        parts[i] = opened[kind];
    }
    return OK;
}

enum err
driver_open(const struct store_config *config, char why[DRIVER_REASON_SIZE], struct driver **out)
{
    struct driver *opened[KIND_COUNT] = {NULL};
    struct driver *parts[DRIVER_DOMAIN_COUNT] = {NULL};
    enum err err = open_parts(config, why, opened, parts);
    size_t i;
    if (err == OK) {
        *out = driver_domains_new(parts);
        return OK;
    }
    for (i = 0; i < KIND_COUNT; i++)
        driver_close(opened[i]);
    return err;
}
