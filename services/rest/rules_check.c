/* SPDX-License-Identifier: Apache-2.0 */
/* See rules_check.h. */
#include "services/rest/rules_check.h"

#include "proto/access_rules.h"
#include "services/rest/schema.h"

static bool
check_one(const json_t *rule, size_t index, json_t *errors)
{
    struct access_rules parsed;
    struct access_problem problem;
    char pointer[48], detail[160];
    enum err err = access_rules_parse(slice_cstr(json_string_value(rule)), &parsed, &problem);
    if (err == OK) {
        access_rules_fini(&parsed);
        return true;
    }
    str_format(pointer, sizeof pointer, "/rules/%zu", index);
    if (err == ERR_INVALID)
        str_format(detail, sizeof detail, "rule %zu, column %u: %s", index + 1, problem.column,
                   problem.text);
    else
        str_format(detail, sizeof detail, "rule %zu is too long", index + 1);
    schema_error(errors, pointer, detail);
    return false;
}

bool
rules_check(const json_t *rules, json_t *errors)
{
    bool right = true;
    for (size_t i = 0; i < json_array_size(rules); i++)
        right = check_one(json_array_get(rules, i), i, errors) && right;
    return right;
}
