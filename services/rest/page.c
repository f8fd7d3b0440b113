/* SPDX-License-Identifier: Apache-2.0 */
/* See page.h. A cursor is "<hex of after>:<place>". */
#include "services/rest/page.h"

#include "common/clock.h"
#include "common/crypt.h"
#include "common/mem.h"

#include <stdlib.h>

#define ASKS_MAX   400   /* parts that a page may cost */
#define BUDGET_MS  1500u /* and time; a page that is short says where to go on */
#define CURSOR_MAX 65536u

struct position {
    const char *place; /* NULL: from the start */
    uint8_t *after;
    size_t after_len;
};

/* False: the cursor is none of ours. */
static bool
read_cursor(const char *cursor, struct position *out)
{
    const char *colon = cursor != NULL ? strchr(cursor, ':') : NULL;
    *out = (struct position){0};
    if (cursor == NULL)
        return true;
    size_t digits = colon != NULL ? (size_t)(colon - cursor) : 1;
    if (digits % 2 != 0 || digits / 2 > CURSOR_MAX)
        return false;
    out->after = mem_alloc(digits / 2 + 1);
    out->after_len = digits / 2;
    out->place = colon + 1;
    return crypt_hex_decode(slice_of(cursor, digits), out->after, out->after_len) == OK;
}

static char *
write_cursor(const char *place, struct slice after)
{
    size_t size = 2 * after.len + 2 + strlen(place);
    char *cursor = mem_zalloc(size);
    crypt_hex(after.data, after.len, cursor);
    str_format(cursor + 2 * after.len, size - 2 * after.len, ":%s", place);
    return cursor;
}

static void
take(json_t *items, const Sluice__AdminAnswer *answer, const char *place, page_item_fn to_json)
{
    for (size_t i = 0; i < answer->n_items; i++) {
        json_t *item = to_json(answer->items[i], place);
        if (item != NULL)
            json_array_append_new(items, item);
    }
}

struct walk {
    struct api_request *request;
    char *const *places;
    size_t count, at;
    struct slice after;
    Sluice__AdminAnswer *answer; /* `after` borrows from it */
};

/* The next part. *is_over: there is none behind it. */
static enum err
step(struct walk *walk, page_ask_fn ask, page_item_fn to_json, json_t *items, uint32_t limit)
{
    Sluice__AdminAnswer *answer = NULL;
    const char *place = walk->places[walk->at];
    enum err err = ask(walk->request, place, walk->after, limit, &answer);
    if (err == ERR_NOT_FOUND) {
        err = OK; /* it has gone since it was listed */
    } else if (err == OK) {
        take(items, answer, place, to_json);
    }
    question_free(walk->answer);
    walk->answer = answer;
    if (err == OK && answer != NULL && answer->next.len != 0) {
        walk->after = slice_of(answer->next.data, answer->next.len);
    } else {
        walk->after = slice_of(NULL, 0);
        walk->at++;
    }
    return err;
}

void
page_answer(struct api_request *request, char *const *places, size_t count, page_ask_fn ask,
            page_item_fn to_json, const char *what)
{
    uint32_t limit = (uint32_t)api_number(request, "limit");
    uint64_t end_ms = clock_monotonic_ms() + BUDGET_MS;
    struct walk walk = {.request = request, .places = places, .count = count};
    struct position position;
    json_t *items = json_array();
    enum err err = OK;
    bool is_ours = read_cursor(api_text(request, "cursor"), &position);
    for (; is_ours && position.place != NULL && walk.at < count; walk.at++)
        if (strcmp(places[walk.at], position.place) >= 0)
            break;
    if (position.place != NULL && walk.at < count && strcmp(places[walk.at], position.place) == 0)
        walk.after = slice_of(position.after, position.after_len);
    for (unsigned asks = 0; is_ours && err == OK && walk.at < count && asks < ASKS_MAX &&
                            json_array_size(items) < limit && clock_monotonic_ms() < end_ms;
         asks++)
        err = step(&walk, ask, to_json, items, limit - (uint32_t)json_array_size(items));
    if (!is_ours) {
        api_problem(request, 400, "malformed", "The cursor is none of this list");
    } else if (err != OK) {
        api_fail(request, err == ERR_MALFORMED ? ERR_INVALID : err, what);
    } else {
        char *next = walk.at < count ? write_cursor(places[walk.at], walk.after) : NULL;
        api_answer_page(request, json_incref(items), next);
        mem_free(next);
    }
    json_decref(items);
    question_free(walk.answer);
    mem_free(position.after);
}

char *
page_store_name(size_t store)
{
    char name[8];
    (void)str_format(name, sizeof name, "%02zu", store); /* sorted, as cursors want it */
    return mem_strdup(name);
}

char **
page_stores(const struct upstream *upstream, size_t *count)
{
    size_t stores = upstream_count(upstream, UPSTREAM_STORE);
    char **names = mem_zalloc_array(stores + 1, sizeof *names);
    for (size_t i = 0; i < stores; i++)
        names[i] = page_store_name(i);
    *count = stores;
    return names;
}

size_t
page_store(const char *name)
{
    return strtoul(name, NULL, 10);
}
