/* SPDX-License-Identifier: Apache-2.0 */
/* Which of the access rules in a request cannot be, and where: so that people see what to correct.
 * The store checks again and decides. Pure. */
#ifndef SLUICE_SERVICES_REST_RULES_CHECK_H
#define SLUICE_SERVICES_REST_RULES_CHECK_H

#include <jansson.h>
#include <stdbool.h>

/* rules: an array of texts, a rule each. Appends {"pointer": "/rules/3", "detail": ..} to `errors`
 * as schema_error does. True: each is right. */
bool rules_check(const json_t *rules, json_t *errors);

#endif
