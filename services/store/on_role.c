/* SPDX-License-Identifier: Apache-2.0 */
/* Roles are put, from rest. The text of a row is the text of the rules. */
#include "common/mem.h"
#include "proto/access.pb-c.h"
#include "proto/access_rules.h"
#include "services/store/access_rows.h"
#include "services/store/desks.h"

static void
reply_put(const struct access_done *done)
{
    Sluice__RowPutDone answer = SLUICE__ROW_PUT_DONE__INIT;
    answer.created = done->created;
    answer.revision = done->revision;
    store_reply(done->store, done->request, OK, &answer);
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
        store_reply(store, request, err, NULL);
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
