/* SPDX-License-Identifier: Apache-2.0 */
/* Lines of a table of users from elsewhere: user, MD5 of the password in hex, roles. As JSON
 *
 *     {"user":"ann","md5":"5f4dcc3b5aa765d61d8327deb882cf99","roles":["ADMIN","USER"]}
 *
 * or as columns between tabs or commas (a column with commas is in double quotes), roles between
 * commas, semicolons, '|' or spaces, or a list that Erlang's term_to_binary wrote, in hex (83...),
 * as the replaced server keeps them in MySQL. Pure. */
#ifndef SERVICES_STORE_TRANSFER_USERS_H
#define SERVICES_STORE_TRANSFER_USERS_H

#include "common/buf.h"
#include "common/err.h"
#include "common/str.h"

#include <stdbool.h>

#define TRANSFER_USERS_WHY 160

struct transfer_user {
    struct slice name; /* these three: in bytes */
    struct slice md5;
    struct slice roles; /* as signin_roles_encode writes them */
};

/* ERR_INVALID: why. ERR_NOT_FOUND: no user in it (a heading, an empty line). bytes holds what the
 * user points to. */
ERR_MUST_USE enum err transfer_users_read(struct slice line, struct transfer_user *user,
                                          struct buf *bytes, char why[TRANSFER_USERS_WHY]);

#endif
