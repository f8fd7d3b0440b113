/* SPDX-License-Identifier: Apache-2.0 */
/* See api_desks.h. */
#include "services/rest/api_desks.h"

static const struct {
    const char *id;
    api_fn fn;
} desks[] = {
    {"signIn", on_sign_in},
    {"whoAmI", on_sign_in_who},
    {"signOut", on_sign_in_out},
    {"getDocument", on_sign_in_document},
    {"listUsers", on_api_user_list},
    {"getUser", on_api_user_get},
    {"putUser", on_api_user_put},
    {"deleteUser", on_api_user_delete},
    {"putPassword", on_api_user_password},
    {"getUserRules", on_api_user_rules},
    {"putUserRules", on_api_user_rules_put},
    {"listRoles", on_api_role_list},
    {"getRole", on_api_role_get},
    {"putRole", on_api_role_put},
    {"deleteRole", on_api_role_delete},
    {"listBans", on_api_ban_list},
    {"getBan", on_api_ban_get},
    {"putBan", on_api_ban_put},
    {"deleteBan", on_api_ban_delete},
    {"listKeys", on_api_key_list},
    {"getKey", on_api_key_get},
    {"putKey", on_api_key_put},
    {"deleteKey", on_api_key_delete},
    {"listClients", api_desks_missing},
    {"getClient", api_desks_missing},
    {"disconnectClient", api_desks_missing},
    {"disconnectMany", api_desks_missing},
    {"listSessions", api_desks_missing},
    {"getSession", api_desks_missing},
    {"deleteSession", api_desks_missing},
    {"listSubscriptions", api_desks_missing},
    {"listRetained", api_desks_missing},
    {"getRetained", api_desks_missing},
    {"putRetained", api_desks_missing},
    {"deleteRetained", api_desks_missing},
    {"publish", api_desks_missing},
    {"publishBatch", api_desks_missing},
    {"listGroups", api_desks_missing},
    {"getOverview", api_desks_missing},
    {"listPrograms", api_desks_missing},
    {"getProgram", api_desks_missing},
    {"listSettings", api_desks_missing},
    {"getLogLevel", api_desks_missing},
    {"putLogLevel", api_desks_missing},
    {"getDrain", api_desks_missing},
    {"putDrain", api_desks_missing},
    {"deleteDrain", api_desks_missing},
    {"listAudit", on_api_audit_list},
    {"exportAudit", on_api_audit_export},
    {"trace", api_desks_missing},
};

api_fn
api_desks_find(const char *id)
{
    for (size_t i = 0; i < sizeof desks / sizeof desks[0]; i++)
        if (strcmp(desks[i].id, id) == 0)
            return desks[i].fn;
    return NULL;
}

void
api_desks_missing(struct api_request *request)
{
    api_problem(request, 503, "unavailable", "This is not there yet");
}
