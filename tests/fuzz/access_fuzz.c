/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fuzzes the text of access rules. The input: a user name, a client id and a text of rules, each up
 * to a zero byte, then lines with filters and topics. A text that is refused says where. What a
 * filter may be subscribed to must not reach a topic that may not be subscribed to by itself.
 */
#include "proto/access_check.h"
#include "proto/topic.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define LINES_MAX 32

static void
require(bool holds)
{
    if (!holds)
        abort();
}

static struct slice
take(struct slice *rest, uint8_t end)
{
    size_t len = slice_find(*rest, end);
    struct slice part = slice_sub(*rest, 0, len);
    *rest = slice_sub(*rest, len + 1, rest->len);
    return part;
}

static void
judge(const struct access_check *check, const struct slice *lines, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct slice group, filter = lines[i];
        if (topic_name_is_valid(filter))
            (void)access_check_publish(check, filter);
        if (!topic_filter_is_valid(filter) || !access_check_subscribe(check, filter))
            continue;
        (void)topic_share_parse(filter, &group, &filter);
        for (size_t k = 0; k < count; k++) {
            if (topic_name_is_valid(lines[k]) && topic_filter_is_valid(lines[k]) &&
                !slice_has_prefix(lines[k], slice_cstr("$share/")) &&
                topic_matches(filter, lines[k]))
                require(access_check_subscribe(check, lines[k]));
        }
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice rest = slice_of(data, size);
    struct access_names names = {take(&rest, 0), take(&rest, 0)};
    struct slice text = take(&rest, 0);
    struct slice lines[LINES_MAX];
    struct access_rules rules;
    const struct access_rules *one = &rules;
    struct access_problem problem = {0};
    size_t count = 0;
    while (rest.len > 0 && count < LINES_MAX)
        lines[count++] = take(&rest, '\n');
    if (access_rules_parse(text, &rules, &problem) != OK) {
        require(problem.text != NULL && problem.line >= 1 && problem.column >= 1);
        return 0;
    }
    for (uint8_t allow = 0; allow <= ACCESS_ALL; allow++) {
        struct access_check *check = access_check_new(&one, 1, &names, allow);
        judge(check, lines, count);
        access_check_free(check);
    }
    access_rules_fini(&rules);
    return 0;
}
