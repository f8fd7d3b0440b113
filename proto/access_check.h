/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What one client may do: the rules of its user and of its roles (access_rules.h), with the names
 * put in, in the order in which they count. Pure.
 *
 * Which rule counts. Rules match as subscriptions do: `#` and a first `+` do not match a topic that
 * begins with `$`. Of those that match a topic the most specific one decides: compare level by
 * level, from the first; a level that is written out beats `+`, `+` beats the end of the filter,
 * the end beats `#`. (So longer beats shorter.) On a tie the user's own rule beats one of a role,
 * then deny beats allow. If none matches, the default decides.
 *
 * A subscription is allowed if nothing that it could ever deliver is denied: go through the rules
 * in that order; a deny that overlaps the filter (some topic matches both) denies it, until a rule
 * that covers the filter (every topic of the filter matches the rule) decides; if none covers it,
 * the default decides. Two allows that only together cover a filter do not: ask for each.
 *
 *     allow subscribe a/#          a/b, a/+, a/#: yes
 *     deny  subscribe a/secret     a/secret: no; a/+, a/#: no; a/b/#: yes
 *
 * Names. A name is taken letter by letter. One that is empty or holds '/', '+' or '#' cannot be put
 * in: an allow with it then never matches, and a deny matches everything from that level on (`deny
 * all a/%u/x` becomes `deny all a/#`). Nor does an allow match that a name makes begin with '$'. So
 * no name widens what its owner may do.
 */
#ifndef SLUICE_PROTO_ACCESS_CHECK_H
#define SLUICE_PROTO_ACCESS_CHECK_H

#include "common/str.h"
#include "proto/access_rules.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct access_check;

struct access_names {
    struct slice user;   /* empty: none */
    struct slice client; /* client id */
};

/* New: rules[0] are the user's own, the others those of roles; any may be NULL. by_default: what is
 * allowed where no rule matches (ACCESS_*). Nothing is borrowed after it. NULL when everything is
 * allowed: no rules and ACCESS_ALL. */
struct access_check *access_check_new(const struct access_rules *const *rules, size_t count,
                                      const struct access_names *names, uint8_t by_default);
/* NULL is nothing. */
void access_check_free(struct access_check *check);

/* check NULL: everything is allowed. The topic name, the filter (also a $share form) are valid. */
bool access_check_publish(const struct access_check *check, struct slice topic);
bool access_check_subscribe(const struct access_check *check, struct slice filter);

#endif
