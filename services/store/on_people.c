/* SPDX-License-Identifier: Apache-2.0 */
/* Calls about users, from rest. Passwords are hashed on the password threads; a change is answered
 * when it is durable, and then every gateway hears of it. */
#include "common/log.h"
#include "common/mem.h"
#include "proto/access_rules.h"
#include "proto/calls.pb-c.h"
#include "proto/feed_records.h"
#include "proto/limits.h"
#include "proto/utf8.h"
#include "services/store/access_rows.h"
#include "services/store/desks.h"
#include "services/store/signin.h"

#include <string.h>

#define LIST_MAX  1000u
#define NAMES_MAX 10000u

static void
reply_error(struct store *store, struct call_request request, enum err err)
{
    peers_reply(store->peers, request, err, slice_of(NULL, 0));
}

static bool
name_is_valid(struct slice name)
{
    return name.len != 0 && name.len <= USERS_NAME_MAX && utf8_is_valid(name);
}

/* ---- get, status */

static const char *
status_of(struct store *store, struct slice name)
{
    struct signin_user user = {0};
    struct session *session;
    if (signin_user_get(store, name, &user) != OK)
        return "notFound";
    signin_user_fini(&user);
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
        reply_error(store, request, ERR_MALFORMED);
        return;
    }
    err = signin_user_get(store, slice_cstr(get->name), &user);
    if (err != OK) {
        reply_error(store, request, err);
    } else {
        size_t count;
        char **roles = signin_roles_decode(slice_of(user.roles, user.roles_len), &count);
        answer.name = get->name;
        answer.roles = roles;
        answer.n_roles = count;
        answer.rules = user.rules;
        answer.revision = user.revision;
        answer.status = (char *)(uintptr_t)status_of(store, slice_cstr(get->name));
        store_reply(store, request, OK, &answer);
        signin_roles_free(roles, count);
        signin_user_fini(&user);
    }
    sluice__user_get__free_unpacked(get, NULL);
}

void
on_people_status(struct store *store, struct peer *peer, struct call_request request,
                 struct slice body)
{
    Sluice__UserStatus *get = sluice__user_status__unpack(NULL, body.len, body.data);
    Sluice__UserStatuses answer = SLUICE__USER_STATUSES__INIT;
    Sluice__User *rows;
    size_t i;
    (void)peer;
    if (get == NULL || get->n_names > NAMES_MAX) {
        if (get != NULL)
            sluice__user_status__free_unpacked(get, NULL);
        reply_error(store, request, ERR_MALFORMED);
        return;
    }
    rows = mem_zalloc_array(get->n_names + 1, sizeof(*rows));
    answer.users = mem_zalloc_array(get->n_names + 1, sizeof(Sluice__User *));
    for (i = 0; i < get->n_names; i++) {
        sluice__user__init(&rows[i]);
        rows[i].name = get->names[i];
        rows[i].status = (char *)(uintptr_t)status_of(store, slice_cstr(get->names[i]));
        answer.users[answer.n_users++] = &rows[i];
    }
    store_reply(store, request, OK, &answer);
    mem_free(answer.users);
    mem_free(rows);
    sluice__user_status__free_unpacked(get, NULL);
}

/* ---- list */

struct listing {
    size_t count;
    Sluice__User *users[LIST_MAX];
    Sluice__User rows[LIST_MAX];
};

static void
list_one(void *arg, const struct driver_user *user)
{
    struct listing *listing = arg;
    Sluice__User *row = &listing->rows[listing->count];
    if (listing->count == LIST_MAX)
        return;
    sluice__user__init(row);
    row->name = slice_dup(user->name);
    row->roles = signin_roles_decode(user->roles, &row->n_roles);
    row->revision = user->changed_ms;
    listing->users[listing->count++] = row;
}

void
on_people_list(struct store *store, struct peer *peer, struct call_request request,
               struct slice body)
{
    Sluice__UserList *get = sluice__user_list__unpack(NULL, body.len, body.data);
    Sluice__UserListed answer = SLUICE__USER_LISTED__INIT;
    struct listing *listing;
    bool more = false;
    enum err err;
    size_t i;
    (void)peer;
    if (get == NULL) {
        reply_error(store, request, ERR_MALFORMED);
        return;
    }
    listing = mem_zalloc(sizeof(*listing));
    err = driver_user_page(store->driver, slice_cstr(get->after),
                           get->limit == 0 || get->limit > LIST_MAX ? LIST_MAX : get->limit,
                           list_one, listing, &more);
    if (err == OK) {
        for (i = 0; i < listing->count; i++)
            listing->rows[i].status =
                (char *)(uintptr_t)status_of(store, slice_cstr(listing->rows[i].name));
        answer.users = listing->users;
        answer.n_users = listing->count;
        if (more && listing->count != 0)
            answer.next = listing->rows[listing->count - 1].name;
        store_reply(store, request, OK, &answer);
    } else {
        reply_error(store, request, err);
    }
    for (i = 0; i < listing->count; i++) {
        signin_roles_free(listing->rows[i].roles, listing->rows[i].n_roles);
        mem_free(listing->rows[i].name);
    }
    mem_free(listing);
    sluice__user_list__free_unpacked(get, NULL);
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
    reply_error(change->store, change->request, err);
    change_free(change);
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
    users_pending_done(store->users, name_of(change));
    users_forget(store->users, name_of(change));
    store_link_broadcast(store, FEED_USER_CHANGED, name_of(change));
    answer.created = change->created;
    answer.revision = change->revision;
    if (change->put != NULL)
        store_reply(store, change->request, OK, &answer);
    else
        reply_error(store, change->request, OK);
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
        buf_append_cstr(&detail, "password; ");
    if (!put->keep_roles) {
        buf_append_cstr(&detail, "roles");
        for (i = 0; i < put->n_roles; i++) {
            buf_append_cstr(&detail, " ");
            buf_append_cstr(&detail, put->roles[i]);
        }
        buf_append_cstr(&detail, "; ");
    }
    if (put->has_rules)
        buf_printf(&detail, "%zu rules", rule_count);
    access_rows_audit(change->store, put->actor, "user.put", slice_cstr(put->name),
                      buf_slice(&detail));
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
        reply_error(store, request, put == NULL ? ERR_MALFORMED : ERR_INVALID);
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
        reply_error(store, request, err);
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
        reply_error(verify->store, verify->request, err);
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
        reply_error(store, request, err);
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
