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
    {"listClients", on_api_client_list},
    {"getClient", on_api_client_get},
    {"disconnectClient", on_api_client_disconnect},
    {"disconnectMany", on_api_client_disconnect_many},
    {"listSessions", on_api_session_list},
    {"getSession", on_api_session_get},
    {"deleteSession", on_api_session_delete},
    {"listSubscriptions", on_api_subscription_list},
    {"listRetained", on_api_message_retained_list},
    {"getRetained", on_api_message_retained_get},
    {"putRetained", on_api_message_retained_put},
    {"deleteRetained", on_api_message_retained_delete},
    {"publish", on_api_message_publish},
    {"publishBatch", on_api_message_batch},
    {"listGroups", on_api_subscription_groups},
    {"getOverview", on_api_overview},
    {"listPrograms", on_api_program_list},
    {"getProgram", on_api_program_get},
    {"listSettings", on_api_program_settings},
    {"getLogLevel", on_api_program_log_level},
    {"putLogLevel", on_api_program_log_level_put},
    {"getDrain", on_api_program_drain},
    {"putDrain", on_api_program_drain_begin},
    {"deleteDrain", on_api_program_drain_end},
    {"listAudit", on_api_audit_list},
    {"exportAudit", on_api_audit_export},
    {"trace", on_api_trace},
};

api_fn
api_desks_find(const char *id)
{
    for (size_t i = 0; i < sizeof desks / sizeof desks[0]; i++)
        if (strcmp(desks[i].id, id) == 0)
            return desks[i].fn;
    return NULL;
}
