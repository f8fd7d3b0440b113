/* SPDX-License-Identifier: Apache-2.0 */
/* The JSON of the user endpoints, both ways: the bodies that the Erlang server's clients send and
 * expect. One of the two files that know jansson. Pure text; no store, no HTTP. */
#ifndef SLUICE_SERVICES_REST_USER_JSON_H
#define SLUICE_SERVICES_REST_USER_JSON_H

#include "common/err.h"
#include "common/str.h"

#include <stdbool.h>
#include <stddef.h>

#define USER_JSON_ROLES_MAX 32
#define USER_JSON_NAME_MAX  1024

/* The body of POST and PUT /user/{name}. Texts are owned (user_body_fini). */
struct user_body {
    char *password;     /* NULL: not given */
    char *password_md5; /* NULL: not given */
    char *roles[USER_JSON_ROLES_MAX];
    size_t role_count;
};

/* {"password": text, "roles": [text...]} or "password_md5" in place of "password". ERR_INVALID: not
 * JSON, wrong types, an unknown member, neither or both passwords, empty password, an MD5 that is
 * not 32 hex digits, too many or empty roles. */
ERR_MUST_USE enum err user_body_parse(struct slice json, struct user_body *out);
/* {"password": text}, nothing else. */
ERR_MUST_USE enum err user_login_parse(struct slice json, struct user_body *out);
void user_body_fini(struct user_body *body);

/* All results below are new text (mem_free). */
char *user_json_roles(char *const *roles, size_t count); /* {"roles":[..]} */
char *user_json_login(bool success, char *const *roles,
                      size_t count); /* {"success":..,"roles":[..]} */
char *user_json_session(struct slice user, const struct slice *roles, size_t count);
char *user_json_error(int code, const char *message); /* {"code":..,"message":".."} */

/* Lists: begin, add one by one, end. */
struct user_json_list;
struct user_json_list *user_json_list_new(void);
void user_json_list_add_status(struct user_json_list *list, const char *name, const char *status);
void user_json_list_add_user(struct user_json_list *list, const char *name, char *const *roles,
                             size_t count, const char *status);
char *user_json_list_end(struct user_json_list *list); /* taken; new text */
/* The only element, as an object instead of a list. */
char *user_json_list_end_single(struct user_json_list *list);

#endif
