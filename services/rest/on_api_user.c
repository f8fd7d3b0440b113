/* SPDX-License-Identifier: Apache-2.0 */
/* Users, their passwords and their rules. */
#include "common/mem.h"
#include "proto/calls.pb-c.h"
#include "proto/feed_records.h"
#include "services/rest/api_desks.h"
#include "services/rest/api_json.h"
#include "services/rest/ask.h"
#include "services/rest/user_json.h"
#include "services/rest/user_status.h"

#define LOOKS_MAX 20 /* pages of the store that one page with a filter may cost */
#define LOOK      1000u

static json_t *
to_json(const Sluice__User *user, bool with_rules)
{
    json_t *json = json_pack("{s:s, s:o, s:s}", "name", user->name, "roles",
                             api_json_texts(user->roles, user->n_roles), "status",
                             strcmp(user->status, "on") == 0 ? "on" : "off");
    if (with_rules)
        json_object_set_new(json, "rules", api_json_lines(user->rules));
    if (user->revision != 0)
        json_object_set_new(json, "revision", json_integer((json_int_t)user->revision));
    return json;
}

/* ---- list */

static bool
has_role(const Sluice__User *user, const char *role)
{
    for (size_t i = 0; i < user->n_roles; i++)
        if (strcmp(user->roles[i], role) == 0)
            return true;
    return role == NULL;
}

/* Users are in the order of their names, so those that begin with a text follow one another. */
struct page {
    json_t *items;
    const char *search, *role;
    size_t limit;
    char *after; /* where to go on; "": no more */
};

static void
set_after(struct page *page, const char *after)
{
    char *former = page->after;
    page->after = mem_strdup(after);
    mem_free(former);
}

/* One page of the store. False: this page is complete. */
static bool
take_page(struct page *page, const Sluice__UserListed *listed)
{
    for (size_t i = 0; i < listed->n_users; i++) {
        const Sluice__User *user = listed->users[i];
        int order =
            page->search != NULL ? strncmp(user->name, page->search, strlen(page->search)) : 0;
        if (order > 0) {
            set_after(page, "");
            return false;
        }
        if (order == 0 && (page->role == NULL || has_role(user, page->role)))
            json_array_append_new(page->items, to_json(user, false));
        if (json_array_size(page->items) == page->limit) {
            set_after(page, i + 1 < listed->n_users || listed->next[0] != 0 ? user->name : "");
            return false;
        }
    }
    set_after(page, listed->next);
    return listed->next[0] != 0;
}

/* The name before the first that may begin with `search`: itself without its last byte, one less.
 * It need not exist. */
static char *
before(const char *search)
{
    size_t len = strlen(search);
    char *name = mem_zalloc(len + 2);
    memcpy(name, search, len);
    /* Bytes of UTF-8 that are no character would not travel as a text. */
    if (len != 0 && (unsigned char)name[len - 1] < 0x80 && name[len - 1] > 1) {
        name[len - 1]--;
        name[len] = 0x7f;
    } else {
        while (len != 0 && (unsigned char)name[len - 1] >= 0x80)
            name[--len] = 0;
    }
    return name;
}

void
on_api_user_list(struct api_request *request)
{
    const char *cursor = api_text(request, "cursor");
    struct page page = {.items = json_array(),
                        .search = api_text(request, "search"),
                        .role = api_text(request, "role"),
                        .limit = (size_t)api_number(request, "limit")};
    bool is_filtered = page.search != NULL || page.role != NULL, more = true;
    enum err err = OK;
    page.after = cursor != NULL        ? mem_strdup(cursor)
                 : page.search != NULL ? before(page.search)
                                       : mem_strdup("");
    for (unsigned looks = 0; err == OK && more && looks < LOOKS_MAX; looks++) {
        Sluice__UserList message = SLUICE__USER_LIST__INIT;
        ProtobufCMessage *reply = NULL;
        message.after = page.after;
        message.limit = is_filtered ? LOOK : (uint32_t)(page.limit - json_array_size(page.items));
        err = ask_people(request->api->upstream, CALL_USER_LIST, &message.base,
                         &sluice__user_listed__descriptor, &reply);
        if (err == OK) {
            Sluice__UserListed *listed = (Sluice__UserListed *)(void *)reply;
            user_status_complete(request->api->upstream, listed->users, listed->n_users);
            more = take_page(&page, listed);
        }
        ask_free(reply);
    }
    if (err == OK) {
        api_answer_page(request, page.items, page.after);
    } else {
        json_decref(page.items);
        api_fail(request, err, "user");
    }
    mem_free(page.after);
}

/* ---- one */

/* The user as it is; NULL: the problem is answered. */
static ProtobufCMessage *
get(struct api_request *request)
{
    Sluice__UserGet message = SLUICE__USER_GET__INIT;
    ProtobufCMessage *reply = NULL;
    char *name = mem_strdup(api_text(request, "user"));
    message.name = name;
    enum err err = ask_people(request->api->upstream, CALL_USER_GET, &message.base,
                              &sluice__user__descriptor, &reply);
    mem_free(name);
    if (err != OK)
        api_fail(request, err, "user");
    return reply;
}

void
on_api_user_get(struct api_request *request)
{
    ProtobufCMessage *reply = get(request);
    if (reply == NULL)
        return;
    Sluice__User *user = (Sluice__User *)(void *)reply;
    user_status_complete(request->api->upstream, &user, 1);
    api_set_etag(request, user->revision);
    api_answer(request, 200, to_json(user, true));
    ask_free(reply);
}

void
on_api_user_rules(struct api_request *request)
{
    ProtobufCMessage *reply = get(request);
    if (reply == NULL)
        return;
    const Sluice__User *user = (const Sluice__User *)(void *)reply;
    api_set_etag(request, user->revision);
    api_answer(request, 200,
               json_pack("{s:o, s:I}", "rules", api_json_lines(user->rules), "revision",
                         (json_int_t)user->revision));
    ask_free(reply);
}

/* ---- changes */

/* What the body says, as a change of the user. Texts are owned. */
struct change {
    Sluice__UserPut message;
    char *name, *password, *password_md5, *rules;
    char actor[CALLER_ACTOR_SIZE];
};

static char empty_text[] = "";

static bool
change_init(struct api_request *request, struct change *change)
{
    uint64_t revision = 0;
    bool has_revision;
    if (!api_if_match(request, &revision, &has_revision))
        return false;
    *change = (struct change){.message = SLUICE__USER_PUT__INIT};
    change->name = mem_strdup(api_text(request, "user"));
    change->message.name = change->name;
    change->message.actor = change->actor;
    change->message.password = empty_text;
    change->message.password_md5 = empty_text;
    change->message.rules = empty_text;
    change->message.keep_roles = true;
    change->message.if_revision = revision;
    change->message.has_if_revision = has_revision;
    api_actor(request, change->actor);
    return true;
}

static void
change_fini(struct change *change)
{
    api_json_free_texts(change->message.roles, change->message.n_roles);
    if (change->password != NULL)
        mem_free_secret(change->password, strlen(change->password));
    mem_free(change->password_md5);
    mem_free(change->rules);
    mem_free(change->name);
}

static void
change_password(struct change *change, const char *password)
{
    change->password = mem_strdup(password);
    change->message.password = change->password;
    change->message.has_password = true;
}

static void
change_rules(struct change *change, const json_t *rules)
{
    if (rules == NULL)
        return;
    change->rules = api_json_join(rules);
    change->message.rules = change->rules;
    change->message.has_rules = true;
}

static enum err
change_apply(struct api_request *request, struct change *change, Sluice__UserPutDone *done)
{
    ProtobufCMessage *reply = NULL;
    enum err err = ask_people(request->api->upstream, CALL_USER_PUT, &change->message.base,
                              &sluice__user_put_done__descriptor, &reply);
    if (err == OK)
        *done = *(const Sluice__UserPutDone *)(void *)reply;
    ask_free(reply);
    return err;
}

static void
take_body(const json_t *body, struct change *change)
{
    const json_t *roles = json_object_get(body, "roles");
    if (api_json_member(body, "password")[0] != 0)
        change_password(change, api_json_member(body, "password"));
    if (api_json_member(body, "password_md5")[0] != 0) {
        change->password_md5 = mem_strdup(api_json_member(body, "password_md5"));
        change->message.password_md5 = change->password_md5;
        change->message.has_password_md5 = true;
    }
    if (roles != NULL) {
        change->message.roles = api_json_list(roles, &change->message.n_roles);
        change->message.keep_roles = false;
    }
    change_rules(change, json_object_get(body, "rules"));
}

void
on_api_user_put(struct api_request *request)
{
    struct change change;
    Sluice__UserPutDone done;
    if (!api_rules_are_right(request) || !change_init(request, &change))
        return;
    take_body(request->body, &change);
    change.message.create_only = api_flag(request, "create");
    enum err err = change_apply(request, &change, &done);
    change_fini(&change);
    if (err != OK) {
        api_fail(request, err, "user");
        return;
    }
    on_api_user_get(request);
    if (request->exchange->status == 200 && done.created)
        request->exchange->status = 201;
}

void
on_api_user_rules_put(struct api_request *request)
{
    struct change change;
    Sluice__UserPutDone done;
    if (!api_rules_are_right(request) || !change_init(request, &change))
        return;
    change.message.update_only = true;
    change_rules(&change, json_object_get(request->body, "rules"));
    enum err err = change_apply(request, &change, &done);
    change_fini(&change);
    if (err == OK)
        on_api_user_rules(request);
    else
        api_fail(request, err, "user");
}

/* Whoever changes the own password says the present one; one that is guessed is a sign-in. */
static bool
knows_present(struct api_request *request)
{
    const char *current = api_json_member(request->body, "current");
    if ((request->caller.roles & CALLER_ADMIN) != 0 &&
        strcmp(request->caller.name, api_text(request, "user")) != 0)
        return true;
    if (request->caller.kind != CALLER_COOKIE)
        return true;
    if (!on_sign_in_may_try(request, request->caller.name))
        return false;
    enum err err = on_sign_in_check(request, request->caller.name, current);
    if (err == OK)
        return true;
    if (err == ERR_DENIED)
        api_problem(request, 422, "not_valid", "The present password is wrong");
    else
        api_fail(request, err, "user");
    return false;
}

void
on_api_user_password(struct api_request *request)
{
    struct change change;
    Sluice__UserPutDone done;
    if (!knows_present(request) || !change_init(request, &change))
        return;
    change.message.update_only = true;
    change_password(&change, api_json_member(request->body, "password"));
    enum err err = change_apply(request, &change, &done);
    change_fini(&change);
    if (err == OK)
        api_answer_empty(request, 204);
    else
        api_fail(request, err, "user");
}

void
on_api_user_delete(struct api_request *request)
{
    Sluice__UserDelete message = SLUICE__USER_DELETE__INIT;
    char actor[CALLER_ACTOR_SIZE];
    uint64_t revision = 0;
    bool has_revision;
    if (!api_if_match(request, &revision, &has_revision))
        return;
    char *name = mem_strdup(api_text(request, "user"));
    api_actor(request, actor);
    message.name = name;
    message.actor = actor;
    message.if_revision = revision;
    message.has_if_revision = has_revision;
    enum err err = ask_people(request->api->upstream, CALL_USER_DELETE, &message.base, NULL, NULL);
    mem_free(name);
    /* Deleting again is no error: there is none, as was wanted. */
    if (err == OK || (err == ERR_NOT_FOUND && !has_revision))
        api_answer_empty(request, 204);
    else
        api_fail(request, err == ERR_NOT_FOUND ? ERR_CONFLICT : err, "user");
}
