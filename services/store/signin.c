/* SPDX-License-Identifier: Apache-2.0 */
/* Signing in; see signin.h. */
#include "services/store/signin.h"

#include "common/clock.h"
#include "common/cursor.h"
#include "common/log.h"
#include "common/mem.h"
#include "services/store/user_rows.h"

#include <string.h>

/* What an unknown name is checked against: no password fits, but it costs the same. */
#define NOBODY                                                                                     \
    "scrypt$16384$8$1$AAAAAAAAAAAAAAAAAAAAAA==$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="

#define DEADLINE_MS 8000u /* for reading the row */

struct waiter {
    struct waiter *next;
    signin_fn fn;
    void *arg;
};

struct signin_job {
    struct users_mac mac;
    UT_hash_handle hh;
    struct store *store;
    struct waiter *waiters;
    struct signin_user user;
    bool known;
    char *password; /* until the row has come */
    size_t password_len;
    size_t name_len;
    uint8_t name[];
};

void
signin_user_copy(const struct driver_user *user, struct signin_user *out)
{
    out->password = slice_dup(user->password);
    out->password_len = user->password.len;
    out->roles = slice_dup(user->roles);
    out->roles_len = user->roles.len;
    out->rules = slice_dup(user->rules);
    out->rules_len = user->rules.len;
    out->revision = user->changed_ms;
}

enum err
signin_user_get(struct store *store, struct slice name, struct signin_user *out)
{
    struct slice password;
    struct users_access access;
    struct driver_user pending = {0};
    if (name.len == 0 || name.len > USERS_NAME_MAX)
        return ERR_NOT_FOUND;
    if (!users_pending_get(store->users, name, &password, &access))
        return user_rows_get(store, name, out);
    if (password.len == 0)
        return ERR_NOT_FOUND;
    pending.password = password;
    pending.roles = access.roles;
    pending.rules = access.rules;
    pending.changed_ms = access.revision;
    signin_user_copy(&pending, out);
    return OK;
}

void
signin_user_fini(struct signin_user *user)
{
    mem_free(user->password);
    mem_free(user->roles);
    mem_free(user->rules);
    *user = (struct signin_user){0};
}

static void
forget_password(struct signin_job *job)
{
    if (job->password != NULL)
        mem_free_secret(job->password, job->password_len);
    job->password = NULL;
}

static void
job_end(struct signin_job *job, enum err err)
{
    struct store *store = job->store;
    struct users_access access = signin_user_access(&job->user);
    HASH_DEL(store->signins, job);
    while (job->waiters != NULL) {
        struct waiter *waiter = job->waiters;
        job->waiters = waiter->next;
        waiter->fn(waiter->arg, err, &access);
        mem_free(waiter);
    }
    signin_user_fini(&job->user);
    mem_free(job);
}

/* The user may have changed while the password was checked: what was found must still be true. */
static enum err
still_true(struct signin_job *job)
{
    struct slice name = slice_of(job->name, job->name_len);
    struct signin_user now;
    enum err err = signin_user_get(job->store, name, &now);
    if (err != OK)
        return err == ERR_NOT_FOUND ? ERR_DENIED : err;
    if (!slice_equal(slice_of(now.password, now.password_len),
                     slice_of(job->user.password, job->user.password_len)))
        err = ERR_DENIED;
    if (err == OK) {
        /* Roles and rules may have changed while the password stayed. */
        struct signin_user former = job->user;
        struct users_access access = signin_user_access(&now);
        users_remember(job->store->users, name, &job->mac, &access);
        job->user = now;
        now = former;
    }
    signin_user_fini(&now);
    return err;
}

static void
checked(void *arg, enum err err, const char *text)
{
    struct signin_job *job = arg;
    (void)text;
    metric_counter_add(job->store->counters.verified, 1);
    if (!job->known)
        err = ERR_DENIED;
    else if (err == OK)
        err = still_true(job);
    else if (err == ERR_MALFORMED)
        log_error("stored_password_malformed", LOG_STR("user", slice_of(job->name, job->name_len)),
                  LOG_END);
    job_end(job, err);
}

static void
job_wait(struct signin_job *job, signin_fn fn, void *arg)
{
    struct waiter *waiter = mem_alloc(sizeof(*waiter));
    waiter->fn = fn;
    waiter->arg = arg;
    waiter->next = job->waiters;
    job->waiters = waiter;
}

/* The user is in memory, if there is one: now for the password. */
static void
row_came(void *arg, enum err err)
{
    struct signin_job *job = arg;
    struct store *store = job->store;
    if (err == OK) {
        err = signin_user_get(store, slice_of(job->name, job->name_len), &job->user);
        job->known = err == OK;
    }
    if (err == OK || err == ERR_NOT_FOUND)
        err = verify_pool_check(store->pool, slice_of(job->password, job->password_len),
                                job->known ? slice_of(job->user.password, job->user.password_len)
                                           : slice_cstr(NOBODY),
                                checked, job);
    forget_password(job);
    if (err != OK)
        job_end(job, err);
}

void
signin_check(struct store *store, struct slice name, struct slice password, signin_fn fn, void *arg)
{
    struct users_mac mac;
    struct signin_job *job;
    struct users_access access;
    if (name.len > USERS_NAME_MAX)
        name.len = 0; /* nobody has such a name; still costs a check */
    mac = users_mac_of(store->users, name, password);
    if (users_recall(store->users, name, &mac, &access)) {
        fn(arg, OK, &access);
        return;
    }
    HASH_FIND(hh, store->signins, &mac, sizeof(mac), job);
    if (job != NULL) {
        job_wait(job, fn, arg);
        return;
    }
    job = mem_zalloc(sizeof(*job) + name.len);
    job->mac = mac;
    job->store = store;
    job->name_len = name.len;
    if (name.len != 0)
        memcpy(job->name, name.data, name.len);
    job->password = slice_dup(password);
    job->password_len = password.len;
    HASH_ADD(hh, store->signins, mac, sizeof(job->mac), job);
    job_wait(job, fn, arg);
    user_rows_want(store, name, clock_monotonic_ms() + DEADLINE_MS, row_came, job);
}

void
signin_free_all(struct store *store, void (*free_arg)(void *arg))
{
    while (store->signins != NULL) {
        struct signin_job *job = store->signins;
        struct waiter *waiter;
        HASH_DEL(store->signins, job);
        while ((waiter = job->waiters) != NULL) {
            job->waiters = waiter->next;
            if (free_arg != NULL)
                free_arg(waiter->arg);
            mem_free(waiter);
        }
        forget_password(job);
        signin_user_fini(&job->user);
        mem_free(job);
    }
}

enum err
signin_roles_encode(char *const *roles, size_t count, struct buf *out)
{
    size_t i;
    if (count > USERS_ROLES_MAX)
        return ERR_INVALID;
    for (i = 0; i < count; i++) {
        size_t len = strlen(roles[i]);
        if (len == 0 || len > USERS_ROLE_MAX)
            return ERR_INVALID;
        buf_put_u8(out, (uint8_t)len);
        buf_append(out, roles[i], len);
    }
    return buf_error(out);
}

char **
signin_roles_decode(struct slice encoded, size_t *count)
{
    struct cursor c = cursor_of(encoded);
    char **roles = mem_zalloc_array(USERS_ROLES_MAX + 1, sizeof(*roles));
    *count = 0;
    while (cursor_left(&c) != 0 && *count < USERS_ROLES_MAX) {
        size_t len = cursor_u8(&c);
        struct slice role = cursor_bytes(&c, len);
        if (role.len != 0)
            roles[(*count)++] = slice_dup(role);
    }
    return roles;
}

void
signin_roles_free(char **roles, size_t count)
{
    size_t i;
    for (i = 0; roles != NULL && i < count; i++)
        mem_free(roles[i]);
    mem_free(roles);
}
