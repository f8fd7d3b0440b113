/* SPDX-License-Identifier: Apache-2.0 */
/* The desks of /api/v1: one function for each operation of the OpenAPI document, found by its
 * operationId. Their bodies are in on_*.c. */
#ifndef SLUICE_SERVICES_REST_API_DESKS_H
#define SLUICE_SERVICES_REST_API_DESKS_H

#include "proto/admin.pb-c.h"
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

/* on_api_client.c */
void on_api_client_list(struct api_request *request);
void on_api_client_get(struct api_request *request);
void on_api_client_disconnect(struct api_request *request);
void on_api_client_disconnect_many(struct api_request *request);
/* The session of a client, from whichever store has it: one item; *out is new. ERR_NOT_FOUND;
 * ERR_UNAVAILABLE: a store that may have it did not answer. */
ERR_MUST_USE enum err on_api_client_find(struct api_request *request, const char *client,
                                         Sluice__AdminAnswer **out);
/* CALL_ADMIN_DISCONNECT, CALL_ADMIN_SESSION_END to whichever store has the client. */
ERR_MUST_USE enum err on_api_client_tell(struct api_request *request, uint16_t method,
                                         const char *client);

/* on_api_session.c */
void on_api_session_list(struct api_request *request);
void on_api_session_get(struct api_request *request);
void on_api_session_delete(struct api_request *request);

/* on_api_subscription.c */
void on_api_subscription_list(struct api_request *request);
void on_api_subscription_groups(struct api_request *request);

/* on_api_message.c */
void on_api_message_publish(struct api_request *request);
void on_api_message_batch(struct api_request *request);
void on_api_message_retained_list(struct api_request *request);
void on_api_message_retained_get(struct api_request *request);
void on_api_message_retained_put(struct api_request *request);
void on_api_message_retained_delete(struct api_request *request);

/* on_api_program.c */
void on_api_program_list(struct api_request *request);
void on_api_program_get(struct api_request *request);
void on_api_program_settings(struct api_request *request);
void on_api_program_log_level(struct api_request *request);
void on_api_program_log_level_put(struct api_request *request);
void on_api_program_drain(struct api_request *request);
void on_api_program_drain_begin(struct api_request *request);
void on_api_program_drain_end(struct api_request *request);

/* on_api_overview.c */
void on_api_overview(struct api_request *request);

/* on_api_trace.c */
void on_api_trace(struct api_request *request);

#endif
