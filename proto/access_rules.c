/* SPDX-License-Identifier: Apache-2.0 */
/* The text of rules; see access_rules.h. A filter is checked in the form that it has with a plain
 * letter for each name: so a name can never stand beside a wildcard in its level. */
#include "proto/access_rules.h"

#include "common/buf.h"
#include "common/mem.h"
#include "proto/limits.h"
#include "proto/topic.h"

struct parser {
    struct slice line;
    size_t at; /* in the line */
    struct access_problem problem;
};

static bool
is_space(uint8_t byte)
{
    return byte == ' ' || byte == '\t' || byte == '\r';
}

static bool
wrong(struct parser *p, size_t at, const char *text)
{
    p->problem.column = (unsigned)at + 1;
    p->problem.text = text;
    return false;
}

static void
skip_space(struct parser *p)
{
    while (p->at < p->line.len && is_space(p->line.data[p->at]))
        p->at++;
}

static struct slice
take_word(struct parser *p)
{
    size_t begin = p->at;
    while (p->at < p->line.len && !is_space(p->line.data[p->at]))
        p->at++;
    struct slice word = slice_sub(p->line, begin, p->at - begin);
    skip_space(p);
    return word;
}

bool
access_rules_piece(struct slice *rest, struct slice *literal, uint8_t *name)
{
    size_t len = slice_find(*rest, '%');
    *name = 0;
    *literal = slice_of(NULL, 0);
    if (rest->len == 0)
        return false;
    if (len > 0) {
        *literal = slice_sub(*rest, 0, len);
        *rest = slice_sub(*rest, len, rest->len);
        return true;
    }
    if (rest->len > 1 && rest->data[1] == 'u')
        *name = ACCESS_NAME_USER;
    else if (rest->len > 1 && rest->data[1] == 'c')
        *name = ACCESS_NAME_CLIENT;
    else
        *literal = slice_sub(*rest, 0, 1); /* %% */
    *rest = slice_sub(*rest, 2, rest->len);
    return true;
}

/* Every percent sign begins a name or another percent sign. */
static bool
percents_are_right(struct parser *p, struct slice filter, size_t begin)
{
    size_t i;
    for (i = 0; i < filter.len; i++) {
        if (filter.data[i] != '%')
            continue;
        i++;
        if (i == filter.len ||
            (filter.data[i] != 'u' && filter.data[i] != 'c' && filter.data[i] != '%'))
            return wrong(p, begin + i - 1, "only %u, %c and %% may follow here");
    }
    return true;
}

static bool
filter_is_right(struct parser *p, struct slice filter, size_t begin, uint8_t *names)
{
    struct slice rest = filter, literal;
    struct buf plain;
    uint8_t name;
    bool valid;
    *names = 0;
    if (filter.len == 0)
        return wrong(p, begin, "a topic filter is missing");
    if (!percents_are_right(p, filter, begin))
        return false;
    buf_init(&plain, ACCESS_RULES_TEXT_MAX);
    while (access_rules_piece(&rest, &literal, &name)) {
        *names |= name;
        if (name != 0)
            buf_put_u8(&plain, 'x');
        else
            buf_append_slice(&plain, literal);
    }
    valid = topic_filter_is_valid(buf_slice(&plain)) &&
            topic_level_count(buf_slice(&plain)) <= LIMITS_FILTER_LEVELS;
    buf_fini(&plain);
    if (!valid)
        return wrong(p, begin, "this is no topic filter");
    if (slice_has_prefix(filter, slice_cstr("$share/")))
        return wrong(p, begin, "a shared subscription is judged by the filter in it: write that");
    return true;
}

/* One line with a rule in it. */
static bool
parse_rule(struct parser *p, struct access_rule *rule, struct slice *filter)
{
    size_t begin = p->at;
    struct slice word = take_word(p);
    *rule = (struct access_rule){0};
    rule->allow = slice_equal_cstr(word, "allow");
    if (!rule->allow && !slice_equal_cstr(word, "deny"))
        return wrong(p, begin, "a rule begins with allow or deny");
    begin = p->at;
    word = take_word(p);
    if (slice_equal_cstr(word, "publish"))
        rule->actions = ACCESS_PUBLISH;
    else if (slice_equal_cstr(word, "subscribe"))
        rule->actions = ACCESS_SUBSCRIBE;
    else if (slice_equal_cstr(word, "all"))
        rule->actions = ACCESS_ALL;
    else
        return wrong(p, begin, "expected publish, subscribe or all");
    *filter = slice_sub(p->line, p->at, p->line.len);
    while (filter->len > 0 && is_space(filter->data[filter->len - 1]))
        filter->len--;
    return filter_is_right(p, *filter, p->at, &rule->names);
}

static size_t
line_count(struct slice text)
{
    size_t i, count = 1;
    for (i = 0; i < text.len; i++)
        count += text.data[i] == '\n';
    return count;
}

enum err
access_rules_parse(struct slice text, struct access_rules *out, struct access_problem *problem)
{
    struct access_rules got = {0};
    struct parser p = {.problem = {1, 1, "too long"}};
    size_t from = 0, lines;
    enum err err = text.len > ACCESS_RULES_TEXT_MAX ? ERR_TOO_LARGE : OK;
    if (err == OK) {
        lines = line_count(text);
        got.text = slice_dup(text);
        got.rules = mem_zalloc_array(lines < ACCESS_RULES_MAX ? lines : ACCESS_RULES_MAX,
                                     sizeof(*got.rules));
    }
    for (p.problem.line = 1; err == OK && from < text.len; p.problem.line++) {
        struct slice rest = slice_sub(text, from, text.len);
        struct access_rule rule;
        struct slice filter;
        p.line = slice_sub(rest, 0, slice_find(rest, '\n'));
        p.at = 0;
        skip_space(&p);
        if (p.at < p.line.len && p.line.data[p.at] != '#') {
            if (!parse_rule(&p, &rule, &filter)) {
                err = ERR_INVALID;
                break;
            }
            if (got.count == ACCESS_RULES_MAX) {
                (void)wrong(&p, 0, "too many rules");
                err = ERR_TOO_LARGE;
                break;
            }
            rule.at = (uint32_t)(filter.data - text.data);
            rule.len = (uint32_t)filter.len;
            got.names |= rule.names;
            got.rules[got.count++] = rule;
        }
        from += p.line.len + 1;
    }
    if (err == OK) {
        *out = got;
    } else {
        *problem = p.problem;
        access_rules_fini(&got);
    }
    return err;
}

void
access_rules_fini(struct access_rules *rules)
{
    mem_free(rules->text);
    mem_free(rules->rules);
    *rules = (struct access_rules){0};
}
