/* SPDX-License-Identifier: Apache-2.0 */
/* Whose a shard is, in MySQL: the owner in `shards`, whose row every batch writes, and the lease in
 * `leases`, by the server's clock. A claim writes both in one transaction, so it waits for a batch
 * that is being committed. Who may claim what is not decided here. */
#include "services/store/driver_mysql_inner.h"

#include <string.h>

enum err
driver_mysql_shards(struct driver *driver, uint32_t count, driver_shard_fn fn, void *arg)
{
    struct driver_mysql *d = driver_mysql_of(driver);
    const struct driver_mysql_value *v;
    struct driver_mysql_conn *conn;
    enum err err = driver_mysql_pool_take(d, &conn);
    if (err != OK)
        return err;
    err = driver_mysql_conn_ask(conn, MYSQL_LEASE_ALL, NULL);
    while (err == OK) {
        uint64_t number;
        err = driver_mysql_conn_next(conn, MYSQL_LEASE_ALL, &v);
        if (err == OK && count != 0 && str_parse_u64(v[0].bytes, 0, count - 1, &number) == OK) {
            const struct driver_shard shard = {
                .number = (uint32_t)number,
                .until_ms = v[1].number,
                .left_ms = v[1].number > v[2].number ? v[1].number - v[2].number : 0,
                .lease_ms = v[3].number,
                .holder = v[4].bytes,
            };
            fn(arg, &shard);
        }
    }
    if (err == ERR_NOT_FOUND)
        err = OK;
    driver_mysql_pool_give(d, conn, err);
    return driver_mysql_err(err);
}

static enum err
write_claim(struct driver_mysql *d, const struct driver_claim *claim)
{
    const struct driver_mysql_value shard = driver_mysql_shard(d);
    const struct driver_mysql_value lease = MYSQL_NUMBER(claim->lease_ms);
    const struct driver_mysql_value ours[] = {MYSQL_NUMBER(d->owner),
                                              MYSQL_BYTES(slice_cstr(claim->holder)),
                                              lease,
                                              lease,
                                              lease,
                                              shard,
                                              MYSQL_NUMBER(claim->is_forced),
                                              MYSQL_NUMBER(claim->until_ms)};
    const struct driver_mysql_value take[] = {shard, MYSQL_NUMBER(d->owner)};
    /* First what may have to wait, for a batch of the owner: he can renew meanwhile, and our lease
     * begins behind it. */
    enum err err = driver_mysql_conn_run(&d->writer, MYSQL_SHARD_TAKE, take);
    if (err == OK)
        err = driver_mysql_conn_run(&d->writer, MYSQL_LEASE_ADD, &shard);
    if (err == OK)
        err = driver_mysql_conn_run(&d->writer, MYSQL_LEASE_CLAIM, ours);
    if (err == OK && d->writer.affected == 0)
        return ERR_BUSY;
    return err == OK ? driver_mysql_conn_commit(&d->writer) : err;
}

enum err
driver_mysql_claim(struct driver *driver, const struct driver_claim *claim)
{
    struct driver_mysql *d = driver_mysql_of(driver);
    struct driver_mysql_value last;
    enum err err = driver_mysql_pool_writer(d);
    driver->reason[0] = '\0';
    (void)str_format(d->shard, sizeof(d->shard), "%u", claim->number);
    if (err == OK)
        err = write_claim(d, claim);
    if (err == OK) {
        const struct driver_mysql_value shard = driver_mysql_shard(d);
        err = driver_mysql_conn_one(&d->writer, MYSQL_LAST_BODY, &shard, &last);
    }
    if (err == OK)
        d->next_body = last.number + 1;
    else
        (void)str_format(driver->reason, sizeof(driver->reason), "mysql: %.150s", d->writer.reason);
    driver_mysql_conn_rollback(&d->writer);
    /* AGAIN: somebody else claims it just now */
    return err == ERR_BUSY || err == ERR_AGAIN ? ERR_BUSY : driver_mysql_err(err);
}

/* The owner in `leases` and in `shards` is the same: they change together. */
enum err
driver_mysql_renew(struct driver *driver, uint64_t lease_ms)
{
    struct driver_mysql *d = driver_mysql_of(driver);
    const struct driver_mysql_value ours[] = {MYSQL_NUMBER(lease_ms), MYSQL_NUMBER(lease_ms),
                                              driver_mysql_shard(d), MYSQL_NUMBER(d->owner)};
    struct driver_mysql_value owner;
    struct driver_mysql_conn *conn;
    bool is_ours;
    enum err err = driver_mysql_pool_take(d, &conn);
    if (err != OK)
        return err;
    err = driver_mysql_conn_run(conn, MYSQL_LEASE_RENEW, ours);
    is_ours = conn->affected != 0;
    if (err == OK)
        err = driver_mysql_conn_commit(conn);
    /* Nothing was changed: it is not ours, or the end is the same (renewed in this millisecond). */
    if (err == OK && !is_ours)
        err = driver_mysql_conn_one(conn, MYSQL_LEASE_OWNER, ours + 2, &owner);
    if (err == OK && !is_ours && owner.number != d->owner)
        err = ERR_NOT_FOUND;
    driver_mysql_pool_give(d, conn, err);
    return err == ERR_NOT_FOUND ? ERR_STALE : driver_mysql_err(err);
}
