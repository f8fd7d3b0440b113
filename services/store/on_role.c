/* SPDX-License-Identifier: Apache-2.0 */
/* Calls about roles, from rest. The text of a row is the text of the rules. */
#include "common/mem.h"
#include "proto/access.pb-c.h"
#include "proto/access_rules.h"
#include "services/store/access_rows.h"
#include "services/store/desks.h"

#define LIST_BYTES ((size_t)1 << 20) /* of rules in one page, and one role more */

static void
reply_error(struct store *store, struct call_request request, enum err err)
{
    peers_reply(store->peers, request, err, slice_of(NULL, 0));
}

static void
reply_put(const struct access_done *done)
{
    Sluice__RowPutDone answer = SLUICE__ROW_PUT_DONE__INIT;
    answer.created = done->created;
    answer.revision = done->revision;
    store_reply(done->store, done->request, OK, &answer);
}

/* Borrows from the row. */
static void
fill(const struct people_row *row, Sluice__Role *role)
{
    sluice__role__init(role);
    role->name = row->name;
    role->rules = row->value;
    role->revision = row->revision;
}

void
on_role_list(struct store *store, struct peer *peer, struct call_request request, struct slice body)
{
    Sluice__RoleList *get = sluice__role_list__unpack(NULL, body.len, body.data);
    Sluice__RoleListed answer = SLUICE__ROLE_LISTED__INIT;
    const struct people_rows *rows = &store->access->roles;
    size_t i, bytes = 0;
    Sluice__Role *roles;
    (void)peer;
    if (get == NULL) {
        reply_error(store, request, ERR_MALFORMED);
        return;
    }
    roles = mem_zalloc_array(ACCESS_LIST_MAX, sizeof(*roles));
    answer.roles = mem_zalloc_array(ACCESS_LIST_MAX, sizeof(Sluice__Role *));
    for (i = people_rows_after(rows, get->after);
         i < rows->count && answer.n_roles < access_rows_limit(get->limit) && bytes < LIST_BYTES;
         i++) {
        fill(rows->rows[i], &roles[answer.n_roles]);
        bytes += rows->rows[i]->value_len;
        answer.roles[answer.n_roles] = &roles[answer.n_roles];
        answer.n_roles++;
    }
    if (i < rows->count && answer.n_roles != 0)
        answer.next = roles[answer.n_roles - 1].name;
    store_reply(store, request, OK, &answer);
    mem_free(answer.roles);
    mem_free(roles);
    sluice__role_list__free_unpacked(get, NULL);
}

void
on_role_get(struct store *store, struct peer *peer, struct call_request request, struct slice body)
{
    Sluice__RoleGet *get = sluice__role_get__unpack(NULL, body.len, body.data);
    const struct people_row *row =
        get != NULL ? people_rows_get(&store->access->roles, get->name) : NULL;
    Sluice__Role answer;
    (void)peer;
    if (row == NULL) {
        reply_error(store, request, get == NULL ? ERR_MALFORMED : ERR_NOT_FOUND);
    } else {
        fill(row, &answer);
        store_reply(store, request, OK, &answer);
    }
    if (get != NULL)
        sluice__role_get__free_unpacked(get, NULL);
}

static enum err
check_put(const Sluice__RolePut *put, char detail[64])
{
    struct access_rules rules;
    struct access_problem problem;
    enum err err;
    if (put == NULL)
        return ERR_MALFORMED;
    if (!access_rows_name_is_valid(put->name))
        return ERR_INVALID;
    err = access_rules_parse(slice_cstr(put->rules), &rules, &problem);
    if (err != OK)
        return err;
    (void)str_format(detail, 64, "%zu rules", rules.count);
    access_rules_fini(&rules);
    return OK;
}

void
on_role_put(struct store *store, struct peer *peer, struct call_request request, struct slice body)
{
    Sluice__RolePut *put = sluice__role_put__unpack(NULL, body.len, body.data);
    char detail[64];
    enum err err = check_put(put, detail);
    (void)peer;
    if (err != OK)
        reply_error(store, request, err);
    else
        access_rows_change(store, request,
                           &(struct access_edit){.kind = DRIVER_ROW_ROLE,
                                                 .name = put->name,
                                                 .value = slice_cstr(put->rules),
                                                 .create_only = put->create_only,
                                                 .update_only = put->update_only,
                                                 .has_if_revision = put->has_if_revision,
                                                 .if_revision = put->if_revision,
                                                 .actor = put->actor,
                                                 .what = "role.put",
                                                 .detail = slice_cstr(detail),
                                                 .reply = reply_put});
    if (put != NULL)
        sluice__role_put__free_unpacked(put, NULL);
}

void
on_row_delete(struct store *store, struct call_request request, struct slice body, uint8_t kind,
              const char *what)
{
    Sluice__RowDelete *message = sluice__row_delete__unpack(NULL, body.len, body.data);
    if (message == NULL) {
        reply_error(store, request, ERR_MALFORMED);
        return;
    }
    access_rows_change(store, request,
                       &(struct access_edit){.kind = kind,
                                             .name = message->name,
                                             .is_delete = true,
                                             .update_only = true,
                                             .has_if_revision = message->has_if_revision,
                                             .if_revision = message->if_revision,
                                             .actor = message->actor,
                                             .what = what});
    sluice__row_delete__free_unpacked(message, NULL);
}

void
on_role_delete(struct store *store, struct peer *peer, struct call_request request,
               struct slice body)
{
    (void)peer;
    on_row_delete(store, request, body, DRIVER_ROW_ROLE, "role.delete");
}
