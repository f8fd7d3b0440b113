/* SPDX-License-Identifier: Apache-2.0 */
/* Domains on different drivers; see driver_domains.h. */
#include "services/store/driver_domains.h"

#include "common/mem.h"

struct domains {
    struct driver driver;
    struct driver_ops ops; /* with a name of its own */
    char name[96];
    struct driver *parts[DRIVER_DOMAIN_COUNT];
    struct batch batch; /* the applying thread's: what goes to one driver */
};

static struct domains *
domains_of(struct driver *driver)
{
    return (struct domains *)(void *)driver; /* its first member */
}

const char *
driver_domains_name(enum driver_domain domain)
{
    static const char *const names[] = {"people", "retained", "sessions"};
    return names[domain];
}

static enum driver_domain
domain_of(enum batch_kind kind)
{
    switch (kind) {
    case BATCH_USER_PUT:
    case BATCH_USER_DELETE:
    case BATCH_ROW_PUT:
    case BATCH_ROW_DELETE:
        return DRIVER_PEOPLE;
    case BATCH_RETAINED_PUT:
    case BATCH_RETAINED_DELETE:
        return DRIVER_RETAINED;
    default:
        return DRIVER_SESSIONS;
    }
}

bool
driver_domains_can(const struct driver *driver, enum driver_domain domain)
{
    const struct driver_ops *ops = driver->ops;
    if (ops->apply == NULL || ops->totals == NULL)
        return false;
    switch (domain) {
    case DRIVER_PEOPLE:
        return ops->user_get != NULL && ops->user_page != NULL && ops->row_get != NULL &&
               ops->row_page != NULL;
    case DRIVER_RETAINED:
        return ops->retained_page != NULL && ops->retained_expired != NULL;
    default:
        return ops->load != NULL && ops->queue_page != NULL;
    }
}

/* Whether a driver's turn comes with this domain: the last of those that it serves. */
static bool
is_turn_of(const struct domains *d, unsigned domain)
{
    unsigned later;
    for (later = domain + 1; later < DRIVER_DOMAIN_COUNT; later++) {
        if (d->parts[later] == d->parts[domain])
            return false;
    }
    return true;
}

/* ---- changes ---- */

/* Copies what the driver serves into d->batch; false when that is all there is. */
static bool
pick(struct domains *d, const struct batch *batch, const struct driver *part)
{
    struct batch_op op;
    size_t begin = 0;
    size_t pos = 0;
    bool left_out = false;
    batch_reset(&d->batch, (size_t)1 << 20);
    while (batch_next(batch, &pos, &op)) {
        if (d->parts[domain_of(op.kind)] == part)
            batch_copy(&d->batch, batch, begin, pos);
        else
            left_out = true;
        begin = pos;
    }
    d->batch.id = batch->id;
    return left_out;
}

static enum err
domains_apply(struct driver *driver, const struct batch *batch)
{
    struct domains *d = domains_of(driver);
    unsigned i;
    driver->reason[0] = '\0';
    for (i = 0; i < DRIVER_DOMAIN_COUNT; i++) {
        const struct batch *part = batch;
        enum err err = batch_error(batch);
        if (!is_turn_of(d, i))
            continue;
        if (pick(d, batch, d->parts[i]))
            part = &d->batch;
        if (batch_is_empty(part))
            continue;
        if (err == OK)
            err = driver_apply(d->parts[i], part);
        if (err != OK) {
            str_format(driver->reason, sizeof(driver->reason), "%s", driver_reason(d->parts[i]));
            return err;
        }
    }
    return OK;
}

/* ---- whose the data are: he who has the sessions has the rest ---- */

static enum err
domains_shards(struct driver *driver, uint32_t count, driver_shard_fn fn, void *arg)
{
    return driver_shards(domains_of(driver)->parts[DRIVER_SESSIONS], count, fn, arg);
}

static enum err
domains_claim(struct driver *driver, const struct driver_claim *claim)
{
    struct domains *d = domains_of(driver);
    struct driver *sessions = d->parts[DRIVER_SESSIONS];
    struct driver_claim forced = *claim;
    const struct driver *failed = sessions;
    enum err err = driver_claim(sessions, claim);
    unsigned i;
    forced.is_forced = true;
    for (i = 0; err == OK && i < DRIVER_SESSIONS; i++) {
        failed = d->parts[i];
        if (is_turn_of(d, i) && d->parts[i] != sessions)
            err = driver_claim(d->parts[i], &forced);
    }
    str_format(driver->reason, sizeof(driver->reason), "%s", driver_reason(failed));
    return err;
}

static enum err
domains_renew(struct driver *driver, uint64_t lease_ms)
{
    return driver_renew(domains_of(driver)->parts[DRIVER_SESSIONS], lease_ms);
}

/* ---- reads ---- */

static enum err
domains_load(struct driver *driver, const struct driver_visitor *visitor, void *arg)
{
    return driver_load(domains_of(driver)->parts[DRIVER_SESSIONS], visitor, arg);
}

static enum err
domains_queue_page(struct driver *driver, uint64_t session, uint64_t from_seq, size_t max_count,
                   size_t max_bytes, driver_entry_fn fn, void *arg, bool *more)
{
    return driver_queue_page(domains_of(driver)->parts[DRIVER_SESSIONS], session, from_seq,
                             max_count, max_bytes, fn, arg, more);
}

static enum err
domains_retained_page(struct driver *driver, struct slice filter, struct slice after,
                      size_t max_count, size_t max_bytes, driver_retained_fn fn, void *arg,
                      struct buf *next)
{
    return driver_retained_page(domains_of(driver)->parts[DRIVER_RETAINED], filter, after,
                                max_count, max_bytes, fn, arg, next);
}

static enum err
domains_retained_expired(struct driver *driver, uint64_t now_ms, size_t max_count,
                         driver_topic_fn fn, void *arg)
{
    return driver_retained_expired(domains_of(driver)->parts[DRIVER_RETAINED], now_ms, max_count,
                                   fn, arg);
}

static enum err
domains_user_get(struct driver *driver, struct slice name, driver_user_fn fn, void *arg)
{
    return driver_user_get(domains_of(driver)->parts[DRIVER_PEOPLE], name, fn, arg);
}

static enum err
domains_user_page(struct driver *driver, struct slice after, size_t max_count, driver_user_fn fn,
                  void *arg, bool *more)
{
    return driver_user_page(domains_of(driver)->parts[DRIVER_PEOPLE], after, max_count, fn, arg,
                            more);
}

static enum err
domains_row_get(struct driver *driver, uint8_t kind, struct slice name, driver_row_fn fn, void *arg)
{
    return driver_row_get(domains_of(driver)->parts[DRIVER_PEOPLE], kind, name, fn, arg);
}

static enum err
domains_row_page(struct driver *driver, uint8_t kind, struct slice after, size_t max_count,
                 driver_row_fn fn, void *arg, bool *more)
{
    return driver_row_page(domains_of(driver)->parts[DRIVER_PEOPLE], kind, after, max_count, fn,
                           arg, more);
}

/* Bytes of the medium are those of the sessions' driver: that is where a full one hurts first. */
static enum err
domains_totals(struct driver *driver, struct driver_totals *out)
{
    struct domains *d = domains_of(driver);
    struct driver_totals people;
    struct driver_totals retained;
    struct driver_totals sessions;
    enum err err = driver_totals(d->parts[DRIVER_PEOPLE], &people);
    if (err == OK)
        err = driver_totals(d->parts[DRIVER_RETAINED], &retained);
    if (err == OK)
        err = driver_totals(d->parts[DRIVER_SESSIONS], &sessions);
    if (err != OK)
        return err;
    *out = sessions;
    out->user_count = people.user_count;
    out->retained_count = retained.retained_count;
    out->retained_bytes = retained.retained_bytes;
    return OK;
}

/* ---- life ---- */

static void
domains_close(struct driver *driver)
{
    struct domains *d = domains_of(driver);
    unsigned i;
    for (i = 0; i < DRIVER_DOMAIN_COUNT; i++) {
        if (is_turn_of(d, i))
            driver_close(d->parts[i]);
    }
    batch_fini(&d->batch);
    mem_free(d);
}

struct driver *
driver_domains_new(struct driver *const parts[DRIVER_DOMAIN_COUNT])
{
    static const struct driver_ops ops = {
        .close = domains_close,
        .shards = domains_shards,
        .claim = domains_claim,
        .renew = domains_renew,
        .apply = domains_apply,
        .load = domains_load,
        .queue_page = domains_queue_page,
        .retained_page = domains_retained_page,
        .retained_expired = domains_retained_expired,
        .user_get = domains_user_get,
        .user_page = domains_user_page,
        .row_get = domains_row_get,
        .row_page = domains_row_page,
        .totals = domains_totals,
    };
    struct domains *d;
    unsigned i;
    if (parts[DRIVER_PEOPLE] == parts[DRIVER_RETAINED] &&
        parts[DRIVER_PEOPLE] == parts[DRIVER_SESSIONS])
        return parts[DRIVER_PEOPLE];
    d = mem_zalloc(sizeof(*d));
    for (i = 0; i < DRIVER_DOMAIN_COUNT; i++)
        d->parts[i] = parts[i];
    (void)str_format(d->name, sizeof(d->name), "people %s, retained %s, sessions %s",
                     parts[DRIVER_PEOPLE]->ops->name, parts[DRIVER_RETAINED]->ops->name,
                     parts[DRIVER_SESSIONS]->ops->name);
    d->ops = ops;
    d->ops.name = d->name;
    d->driver.ops = &d->ops;
    batch_init(&d->batch);
    return &d->driver;
}
