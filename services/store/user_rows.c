/* SPDX-License-Identifier: Apache-2.0 */
/* Rows of users in memory; see user_rows.h. The table's order is that of last use. */
#include "services/store/user_rows.h"

#include "common/mem.h"
#include "common/table.h"

#include <string.h>

struct wait {
    struct wait *next;
    user_rows_fn fn;
    void *arg;
};

struct row {
    UT_hash_handle hh;
    uint64_t read_ms; /* monotonic; 0: not read yet */
    bool reading;
    bool changed; /* while it was read: what is read is old */
    bool found;
    struct signin_user user;
    struct wait *waits;
    size_t name_len;
    uint8_t name[];
};

struct user_rows {
    struct row *rows;
};

struct read {
    struct read_job job;
    struct store *store;
    struct signin_user user;
    size_t name_len;
    uint8_t name[];
};

struct user_rows *
user_rows_new(void)
{
    return mem_zalloc(sizeof(struct user_rows));
}

static void
row_free(struct user_rows *rows, struct row *row)
{
    HASH_DEL(rows->rows, row);
    signin_user_fini(&row->user);
    while (row->waits != NULL) {
        struct wait *wait = row->waits;
        row->waits = wait->next;
        mem_free(wait);
    }
    mem_free(row);
}

void
user_rows_free(struct user_rows *rows)
{
    if (rows == NULL)
        return;
    while (rows->rows != NULL)
        row_free(rows, rows->rows);
    mem_free(rows);
}

static struct row *
find(struct user_rows *rows, struct slice name)
{
    struct row *row = NULL;
    if (name.len != 0)
        HASH_FIND(hh, rows->rows, name.data, name.len, row);
    return row;
}

/* Those under way stay, so it may hold more than its cap for a moment; reads have a cap too. */
static void
make_room(struct user_rows *rows)
{
    struct row *row;
    struct row *next;
    if (HASH_COUNT(rows->rows) < USER_ROWS_MAX)
        return;
    HASH_ITER(hh, rows->rows, row, next)
    {
        if (!row->reading) {
            row_free(rows, row);
            return;
        }
    }
}

static struct row *
find_or_add(struct user_rows *rows, struct slice name)
{
    struct row *row = find(rows, name);
    if (row != NULL) {
        HASH_DEL(rows->rows, row); /* to the end of the order */
    } else {
        make_room(rows);
        row = mem_zalloc(sizeof(*row) + name.len);
        row->name_len = name.len;
        memcpy(row->name, name.data, name.len);
    }
    HASH_ADD_KEYPTR(hh, rows->rows, row->name, row->name_len, row);
    return row;
}

static void
copy_read(void *arg, const struct driver_user *user)
{
    signin_user_copy(user, arg);
}

static enum err
read_user(struct read_job *job, struct driver *driver)
{
    struct read *read = (struct read *)(void *)job; /* its first member */
    signin_user_fini(&read->user);
    return driver_user_get(driver, slice_of(read->name, read->name_len), copy_read, &read->user);
}

static void
wake(struct row *row, enum err err)
{
    struct wait *waits = row->waits;
    row->waits = NULL;
    while (waits != NULL) {
        struct wait *wait = waits;
        waits = wait->next;
        wait->fn(wait->arg, err);
        mem_free(wait);
    }
}

static void
was_read(struct read_job *job)
{
    struct read *read = (struct read *)(void *)job;
    struct store *store = read->store;
    struct row *row = find(store->user_rows, slice_of(read->name, read->name_len));
    enum err err = job->err == ERR_NOT_FOUND ? OK : job->err;
    row->reading = false; /* a row that is being read stays in the table */
    if (err == OK && !row->changed) {
        signin_user_fini(&row->user);
        row->user = read->user;
        read->user = (struct signin_user){0};
        row->found = job->err == OK;
        row->read_ms = loop_now_ms(store->loop);
    } else if (row->changed) {
        err = OK;
    }
    row->changed = false;
    wake(row, err);
    signin_user_fini(&read->user);
    mem_free(read);
}

void
user_rows_want(struct store *store, struct slice name, uint64_t deadline_ms, user_rows_fn fn,
               void *arg)
{
    struct row *row;
    struct wait *wait;
    struct read *read;
    if (name.len == 0 || name.len > USERS_NAME_MAX) {
        fn(arg, OK); /* nobody has such a name */
        return;
    }
    row = find_or_add(store->user_rows, name);
    if (!row->reading && row->read_ms != 0 &&
        loop_now_ms(store->loop) - row->read_ms < USER_ROWS_FRESH_MS) {
        fn(arg, OK);
        return;
    }
    wait = mem_alloc(sizeof(*wait));
    *wait = (struct wait){row->waits, fn, arg};
    row->waits = wait;
    if (row->reading)
        return;
    row->reading = true;
    read = mem_zalloc(sizeof(*read) + name.len);
    read->job = (struct read_job){.read = read_user, .done = was_read, .deadline_ms = deadline_ms};
    read->store = store;
    read->name_len = name.len;
    memcpy(read->name, name.data, name.len);
    read_pool_submit(store->reads, &read->job);
}

enum err
user_rows_get(struct store *store, struct slice name, struct signin_user *out)
{
    const struct row *row = find(store->user_rows, name);
    struct driver_user copy;
    if (row == NULL || row->read_ms == 0)
        return ERR_BUSY;
    if (!row->found)
        return ERR_NOT_FOUND;
    copy = (struct driver_user){
        .password = slice_of(row->user.password, row->user.password_len),
        .roles = slice_of(row->user.roles, row->user.roles_len),
        .rules = slice_of(row->user.rules, row->user.rules_len),
        .changed_ms = row->user.revision,
    };
    signin_user_copy(&copy, out);
    return OK;
}

void
user_rows_changed(struct store *store, struct slice name, const struct signin_user *user)
{
    struct row *row = find_or_add(store->user_rows, name);
    row->changed = row->reading;
    row->read_ms = loop_now_ms(store->loop);
    row->found = user != NULL;
    signin_user_fini(&row->user);
    if (user != NULL) {
        struct driver_user copy = {
            .password = slice_of(user->password, user->password_len),
            .roles = slice_of(user->roles, user->roles_len),
            .rules = slice_of(user->rules, user->rules_len),
            .changed_ms = user->revision,
        };
        signin_user_copy(&copy, &row->user);
    }
}
