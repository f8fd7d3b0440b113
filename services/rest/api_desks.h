/* SPDX-License-Identifier: Apache-2.0 */
/* The desks of /api/v1: one function for each operation of the OpenAPI document, found by its
 * operationId. Their bodies are in on_*.c. */
#ifndef SLUICE_SERVICES_REST_API_DESKS_H
#define SLUICE_SERVICES_REST_API_DESKS_H

#include "services/rest/api.h"

/* NULL: no desk has this id. */
api_fn api_desks_find(const char *id);

/* on_sign_in.c */
void on_sign_in(struct api_request *request);
void on_sign_in_who(struct api_request *request);
void on_sign_in_out(struct api_request *request);
void on_sign_in_document(struct api_request *request);
/* Guessing passwords is bounded, for an address and for a user. False: the problem is answered. */
bool on_sign_in_may_try(struct api_request *request, const char *user);
/* ERR_DENIED: a wrong password or no such user; both take the same time. */
ERR_MUST_USE enum err on_sign_in_check(struct api_request *request, const char *user,
                                       const char *password);

/* on_api_user.c */
void on_api_user_list(struct api_request *request);
void on_api_user_get(struct api_request *request);
void on_api_user_put(struct api_request *request);
void on_api_user_delete(struct api_request *request);
void on_api_user_password(struct api_request *request);
void on_api_user_rules(struct api_request *request);
void on_api_user_rules_put(struct api_request *request);

/* on_api_role.c */
void on_api_role_list(struct api_request *request);
void on_api_role_get(struct api_request *request);
void on_api_role_put(struct api_request *request);
void on_api_role_delete(struct api_request *request);

/* on_api_ban.c */
void on_api_ban_list(struct api_request *request);
void on_api_ban_get(struct api_request *request);
void on_api_ban_put(struct api_request *request);
void on_api_ban_delete(struct api_request *request);

/* on_api_key.c */
void on_api_key_list(struct api_request *request);
void on_api_key_get(struct api_request *request);
void on_api_key_put(struct api_request *request);
void on_api_key_delete(struct api_request *request);

/* on_api_audit.c */
void on_api_audit_list(struct api_request *request);
void on_api_audit_export(struct api_request *request);

/* What no desk serves yet. */
void api_desks_missing(struct api_request *request);

#endif
