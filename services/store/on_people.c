/* SPDX-License-Identifier: Apache-2.0 */
/* Calls about users, from rest. Passwords are hashed on the password threads; a change is answered
 * when it is durable, and then every gateway hears of it. */
#include "common/clock.h"
#include "common/log.h"
#include "common/mem.h"
#include "proto/access_rules.h"
#include "proto/calls.pb-c.h"
#include "proto/feed_records.h"
#include "proto/limits.h"
#include "proto/utf8.h"
#include "services/store/access_rows.h"
#include "services/store/desks.h"
#include "services/store/user_rows.h"

#include <string.h>

#define LIST_MAX    1000u
#define NAMES_MAX   10000u
#define DEADLINE_MS 8000u /* for reading */

static bool
name_is_valid(struct slice name)
{
    return name.len != 0 && name.len <= USERS_NAME_MAX && utf8_is_valid(name);
}

/* ---- get, status */

/* exists: as far as the driver knows. */
static const char *
status_of(struct store *store, struct slice name, bool exists)
{
    struct slice password;
    struct users_access access;
    struct session *session;
    if (users_pending_get(store->users, name, &password, &access))
        exists = password.len != 0;
    if (!exists)
        return "notFound";
    session = sessions_by_client(store->sessions, name);
    return users_is_live(store->users, name) ||
                   (session != NULL && session->state == SESSION_CONNECTED)
               ? "on"
               : "off";
}

void
on_people_get(struct store *store, struct peer *peer, struct call_request request,
              struct slice body)
{
    Sluice__UserGet *get = sluice__user_get__unpack(NULL, body.len, body.data);
    Sluice__User answer = SLUICE__USER__INIT;
    struct signin_user user = {0};
    enum err err;
    (void)peer;
    if (get == NULL) {
        store_reply(store, request, ERR_MALFORMED, NULL);
        return;
    }
    err = signin_user_get(store, slice_cstr(get->name), &user);
    if (err != OK) {
        store_reply(store, request, err, NULL);
    } else {
        size_t count;
        char **roles = signin_roles_decode(slice_of(user.roles, user.roles_len), &count);
        answer.name = get->name;
        answer.roles = roles;
        answer.n_roles = count;
        answer.rules = user.rules;
        answer.revision = user.revision;
        answer.status = (char *)(uintptr_t)status_of(store, slice_cstr(get->name), true);
        store_reply(store, request, OK, &answer);
        signin_roles_free(roles, count);
        signin_user_fini(&user);
    }
    sluice__user_get__free_unpacked(get, NULL);
}

struct status_job {
    struct read_job job;
    struct store *store;
    struct call_request request;
    Sluice__UserStatus *get;
    bool *exists; /* one for each name */
};

static void
ignore_user(void *arg, const struct driver_user *user)
{
    (void)arg;
    (void)user;
}

static enum err
read_statuses(struct read_job *base, struct driver *driver)
{
    struct status_job *job = (struct status_job *)(void *)base; /* its first member */
    /* Whether they exist the store with the people says; the others, who is connected here. */
    bool are_here = job->store->shard == SHARDS_PEOPLE;
    size_t i;
    for (i = 0; i < job->get->n_names; i++) {
        struct slice name = slice_cstr(job->get->names[i]);
        enum err err = name.len == 0 || name.len > USERS_NAME_MAX ? ERR_NOT_FOUND : OK;
        if (err == OK && are_here)
            err = driver_user_get(driver, name, ignore_user, NULL);
        job->exists[i] = err == OK;
        if (err != OK && err != ERR_NOT_FOUND)
            return err;
    }
    return OK;
}

static void
statuses_read(struct read_job *base)
{
    struct status_job *job = (struct status_job *)(void *)base;
    Sluice__UserStatuses answer = SLUICE__USER_STATUSES__INIT;
    size_t count = job->get->n_names;
    Sluice__User *rows = mem_zalloc_array(count + 1, sizeof(*rows));
    size_t i;
    answer.users = mem_zalloc_array(count + 1, sizeof(Sluice__User *));
    for (i = 0; i < count; i++) {
        sluice__user__init(&rows[i]);
        rows[i].name = job->get->names[i];
        rows[i].status = (char *)(uintptr_t)status_of(job->store, slice_cstr(job->get->names[i]),
                                                      job->exists[i]);
        answer.users[answer.n_users++] = &rows[i];
    }
    if (base->err == OK)
        store_reply(job->store, job->request, OK, &answer);
    else
        store_reply(job->store, job->request, base->err, NULL);
    mem_free(answer.users);
    mem_free(rows);
    sluice__user_status__free_unpacked(job->get, NULL);
    mem_free(job->exists);
    mem_free(job);
}

void
on_people_status(struct store *store, struct peer *peer, struct call_request request,
                 struct slice body)
{
    Sluice__UserStatus *get = sluice__user_status__unpack(NULL, body.len, body.data);
    struct status_job *job;
    (void)peer;
    if (get == NULL || get->n_names > NAMES_MAX) {
        if (get != NULL)
            sluice__user_status__free_unpacked(get, NULL);
        store_reply(store, request, ERR_MALFORMED, NULL);
        return;
    }
    job = mem_zalloc(sizeof(*job));
    job->job = (struct read_job){.read = read_statuses,
                                 .done = statuses_read,
                                 .deadline_ms = clock_monotonic_ms() + DEADLINE_MS};
    job->store = store;
    job->request = request;
    job->get = get;
    job->exists = mem_zalloc_array(get->n_names + 1, sizeof(*job->exists));
    read_pool_submit(store->reads, &job->job);
}

/* ---- list */

struct list_job {
    struct read_job job;
    struct store *store;
    struct call_request request;
    Sluice__UserList *get;
    bool more;
    size_t count;
    Sluice__User *users[LIST_MAX];
    Sluice__User rows[LIST_MAX];
};

static void
forget_list(struct list_job *job)
{
    size_t i;
    for (i = 0; i < job->count; i++) {
        signin_roles_free(job->rows[i].roles, job->rows[i].n_roles);
        mem_free(job->rows[i].name);
    }
    job->count = 0;
}

static void
list_one(void *arg, const struct driver_user *user)
{
    struct list_job *job = arg;
    Sluice__User *row = &job->rows[job->count];
    if (job->count == LIST_MAX)
        return;
    sluice__user__init(row);
    row->name = slice_dup(user->name);
    row->roles = signin_roles_decode(user->roles, &row->n_roles);
    row->revision = user->changed_ms;
    job->users[job->count++] = row;
}

static enum err
read_list(struct read_job *base, struct driver *driver)
{
    struct list_job *job = (struct list_job *)(void *)base; /* its first member */
    uint32_t limit = job->get->limit;
    forget_list(job);
    return driver_user_page(driver, slice_cstr(job->get->after),
                            limit == 0 || limit > LIST_MAX ? LIST_MAX : limit, list_one, job,
                            &job->more);
}

static void
list_read(struct read_job *base)
{
    struct list_job *job = (struct list_job *)(void *)base;
    Sluice__UserListed answer = SLUICE__USER_LISTED__INIT;
    size_t i;
    for (i = 0; i < job->count; i++)
        job->rows[i].status =
            (char *)(uintptr_t)status_of(job->store, slice_cstr(job->rows[i].name), true);
    answer.users = job->users;
    answer.n_users = job->count;
    if (job->more && job->count != 0)
        answer.next = job->rows[job->count - 1].name;
    if (base->err == OK)
        store_reply(job->store, job->request, OK, &answer);
    else
        store_reply(job->store, job->request, base->err, NULL);
    forget_list(job);
    sluice__user_list__free_unpacked(job->get, NULL);
    mem_free(job);
}

void
on_people_list(struct store *store, struct peer *peer, struct call_request request,
               struct slice body)
{
    Sluice__UserList *get = sluice__user_list__unpack(NULL, body.len, body.data);
    struct list_job *job;
    (void)peer;
    if (get == NULL) {
        store_reply(store, request, ERR_MALFORMED, NULL);
        return;
    }
    job = mem_zalloc(sizeof(*job));
    job->job = (struct read_job){
        .read = read_list, .done = list_read, .deadline_ms = clock_monotonic_ms() + DEADLINE_MS};
    job->store = store;
    job->request = request;
    job->get = get;
    read_pool_submit(store->reads, &job->job);
}

/* ---- put, delete */

struct change {
    struct store *store;
    struct call_request request;
    Sluice__UserPut *put; /* NULL: deletion */
    char *name;           /* of a deletion; else put->name */
    bool created;
    uint64_t revision;
};

static struct slice
name_of(const struct change *change)
{
    return slice_cstr(change->put != NULL ? change->put->name : change->name);
}

static void
change_free(struct change *change)
{
    if (change->put != NULL)
        sluice__user_put__free_unpacked(change->put, NULL);
    mem_free(change->name);
    mem_free(change);
}

static void
change_failed(struct change *change, enum err err)
{
    store_reply(change->store, change->request, err, NULL);
    change_free(change);
}

/* The row in memory becomes what the last change makes of it. */
static void
row_changed(struct store *store, struct slice name)
{
    struct signin_user user = {0};
    enum err err = signin_user_get(store, name, &user);
    user_rows_changed(store, name, err == OK ? &user : NULL);
    signin_user_fini(&user);
}

/* Durable: tell the caller and the gateways. */
static void
changed(void *arg, uint64_t a, uint64_t b, uint64_t c)
{
    struct store *store = arg;
    struct change *change = (struct change *)(uintptr_t)a;
    Sluice__UserPutDone answer = SLUICE__USER_PUT_DONE__INIT;
    (void)b;
    (void)c;
    row_changed(store, name_of(change));
    users_pending_done(store->users, name_of(change));
    users_forget(store->users, name_of(change));
    store_link_broadcast(store, FEED_USER_CHANGED, name_of(change));
    answer.created = change->created;
    answer.revision = change->revision;
    if (change->put != NULL)
        store_reply(store, change->request, OK, &answer);
    else
        store_reply(store, change->request, OK, NULL);
    log_info(change->put != NULL ? "user_put" : "user_deleted", LOG_STR("user", name_of(change)),
             LOG_END);
    change_free(change);
}

/* What the audit says of a put; never a password. */
static void
audit_put(const struct change *change, size_t rule_count)
{
    const Sluice__UserPut *put = change->put;
    struct buf detail;
    size_t i;
    buf_init(&detail, (size_t)USERS_ROLES_MAX * (USERS_ROLE_MAX + 1) + 64);
    if (put->has_password || put->has_password_md5)
        buf_append_cstr(&detail, "password");
    if (!put->keep_roles) {
        buf_append_cstr(&detail, buf_len(&detail) != 0 ? "; roles" : "roles");
        for (i = 0; i < put->n_roles; i++) {
            buf_append_cstr(&detail, " ");
            buf_append_cstr(&detail, put->roles[i]);
        }
    }
    if (put->has_rules)
        buf_printf(&detail, "%s%zu rules", buf_len(&detail) != 0 ? "; " : "", rule_count);
    access_rows_audit(change->store, put->actor, put->sign_out ? "user.sign_out" : "user.put",
                      slice_cstr(put->name), buf_slice(&detail));
    buf_fini(&detail);
}

/* Whether there may be a change: of the former user (NULL: none). */
static enum err
may_write(struct store *store, const Sluice__UserPut *put, const struct signin_user *former,
          bool has_password)
{
    const struct people_row row = {.revision = former != NULL ? former->revision : 0};
    enum err err = access_rows_check(former != NULL ? &row : NULL, put->create_only,
                                     put->update_only, put->has_if_revision, put->if_revision);
    if (err == OK && former == NULL && !has_password)
        err = ERR_INVALID;
    if (err == OK)
        err = commit_state(store->commit) != OK ? commit_state(store->commit)
                                                : commit_room(store->commit);
    return err;
}

/* password empty: as it is. */
static void
write_user(struct change *change, struct slice password)
{
    struct store *store = change->store;
    const Sluice__UserPut *put = change->put;
    struct signin_user former = {0};
    struct users_access access;
    struct access_rules rules = {0};
    struct access_problem problem;
    struct driver_user row = {.name = slice_cstr(put->name), .password = password};
    struct buf roles;
    enum err err = signin_user_get(store, row.name, &former);
    change->created = err == ERR_NOT_FOUND;
    buf_init(&roles, (size_t)USERS_ROLES_MAX * (USERS_ROLE_MAX + 1));
    if (err == OK || err == ERR_NOT_FOUND)
        err = may_write(store, put, change->created ? NULL : &former, password.len != 0);
    if (err == OK && put->has_rules)
        err = access_rules_parse(slice_cstr(put->rules), &rules, &problem);
    if (err == OK && !put->keep_roles)
        err = signin_roles_encode(put->roles, put->n_roles, &roles);
    if (err != OK) {
        change_failed(change, err);
    } else {
        access = signin_user_access(&former);
        if (put->has_rules)
            access.rules = slice_cstr(put->rules);
        if (!put->keep_roles)
            access.roles = buf_slice(&roles);
        access.revision = access_rows_revision(store, former.revision);
        if (password.len == 0)
            row.password = slice_of(former.password, former.password_len);
        row.roles = access.roles;
        row.rules = access.rules;
        row.changed_ms = change->revision = access.revision;
        batch_user_put(commit_batch(store->commit), &row);
        audit_put(change, rules.count);
        users_pending_put(store->users, row.name, row.password, &access);
        users_forget(store->users, row.name);
        commit_mark(store->commit, changed, store, (uint64_t)(uintptr_t)change, 0, 0);
    }
    access_rules_fini(&rules);
    buf_fini(&roles);
    signin_user_fini(&former);
}

static void
hashed(void *arg, enum err err, const char *text)
{
    struct change *change = arg;
    metric_counter_add(change->store->counters.verified, 1);
    if (err != OK)
        change_failed(change, err);
    else
        write_user(change, slice_cstr(text));
}

void
on_people_put(struct store *store, struct peer *peer, struct call_request request,
              struct slice body)
{
    Sluice__UserPut *put = sluice__user_put__unpack(NULL, body.len, body.data);
    struct change *change;
    struct slice password;
    enum err err = OK;
    (void)peer;
    if (put == NULL || !name_is_valid(slice_cstr(put->name)) ||
        (put->has_password && put->has_password_md5) ||
        (put->has_password && strlen(put->password) > LIMITS_STRING)) {
        if (put != NULL)
            sluice__user_put__free_unpacked(put, NULL);
        store_reply(store, request, put == NULL ? ERR_MALFORMED : ERR_INVALID, NULL);
        return;
    }
    change = mem_zalloc(sizeof(*change));
    change->store = store;
    change->request = request;
    change->put = put;
    if (!put->has_password && !put->has_password_md5) {
        write_user(change, slice_of(NULL, 0));
        return;
    }
    password = slice_cstr(put->has_password ? put->password : put->password_md5);
    err = verify_pool_hash(store->pool, password, put->has_password_md5, hashed, change);
    if (err != OK)
        change_failed(change, err);
}

void
on_people_delete(struct store *store, struct peer *peer, struct call_request request,
                 struct slice body)
{
    Sluice__UserDelete *message = sluice__user_delete__unpack(NULL, body.len, body.data);
    struct signin_user former = {0};
    struct change *change;
    struct slice name;
    enum err err = ERR_MALFORMED;
    (void)peer;
    if (message != NULL) {
        name = slice_cstr(message->name);
        err = signin_user_get(store, name, &former);
        if (err == ERR_NOT_FOUND && message->has_if_revision)
            err = ERR_CONFLICT;
        if (err == OK && message->has_if_revision && message->if_revision != former.revision)
            err = ERR_CONFLICT;
        if (err == OK)
            err = commit_state(store->commit);
    }
    if (err != OK) {
        store_reply(store, request, err, NULL);
    } else {
        change = mem_zalloc(sizeof(*change));
        change->store = store;
        change->request = request;
        change->name = mem_strdup(message->name);
        batch_user_delete(commit_batch(store->commit), name);
        access_rows_audit(store, message->actor, "user.delete", name, slice_of(NULL, 0));
        users_pending_put(store->users, name, slice_of(NULL, 0), &(struct users_access){0});
        users_forget(store->users, name);
        commit_mark(store->commit, changed, store, (uint64_t)(uintptr_t)change, 0, 0);
    }
    signin_user_fini(&former);
    if (message != NULL)
        sluice__user_delete__free_unpacked(message, NULL);
}

/* ---- verify */

struct verify {
    struct store *store;
    struct call_request request;
};

static void
verified(void *arg, enum err err, const struct users_access *access)
{
    struct verify *verify = arg;
    Sluice__UserVerified answer = SLUICE__USER_VERIFIED__INIT;
    size_t count = 0;
    char **roles = NULL;
    if (err == OK || err == ERR_DENIED) {
        answer.ok = err == OK;
        if (err == OK)
            roles = signin_roles_decode(access->roles, &count);
        answer.roles = roles;
        answer.n_roles = count;
        store_reply(verify->store, verify->request, OK, &answer);
        signin_roles_free(roles, count);
    } else {
        store_reply(verify->store, verify->request, err, NULL);
    }
    mem_free(verify);
}

void
on_people_verify(struct store *store, struct peer *peer, struct call_request request,
                 struct slice body)
{
    Sluice__UserVerify *message = sluice__user_verify__unpack(NULL, body.len, body.data);
    struct signin_user user = {0};
    struct verify *verify;
    enum err err = ERR_MALFORMED;
    (void)peer;
    if (message != NULL)
        err = strlen(message->password) > LIMITS_STRING
                  ? ERR_INVALID
                  : signin_user_get(store, slice_cstr(message->name), &user);
    signin_user_fini(&user);
    if (err != OK) {
        store_reply(store, request, err, NULL);
    } else {
        verify = mem_alloc(sizeof(*verify));
        verify->store = store;
        verify->request = request;
        signin_check(store, slice_cstr(message->name), slice_cstr(message->password), verified,
                     verify);
    }
    if (message != NULL)
        sluice__user_verify__free_unpacked(message, NULL);
}
