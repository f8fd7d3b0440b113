/* SPDX-License-Identifier: Apache-2.0 */
/* Small pieces of JSON that several desks of /api/v1 need, both ways. Pure. */
#ifndef SLUICE_SERVICES_REST_API_JSON_H
#define SLUICE_SERVICES_REST_API_JSON_H

#include "common/buf.h"
#include "common/str.h"

#include <jansson.h>
#include <stdint.h>

/* New: "2026-01-01T12:00:00.000Z", or null for 0. */
json_t *api_json_time(uint64_t wall_ms);
/* New: a text, or null when it is NULL or empty. */
json_t *api_json_text_or_null(const char *text);
/* New: a list of texts. */
json_t *api_json_texts(char *const *items, size_t count);
/* New: the lines of a text, empty ones left out. */
json_t *api_json_lines(const char *text);
/* New text (mem_free): the strings of a list, each a line. */
char *api_json_join(const json_t *list);
/* New array of new strings (api_json_free_texts); *count of them. */
char **api_json_list(const json_t *list, size_t *count);
void api_json_free_texts(char **items, size_t count);
/* Appends JSON as text and drops it. */
void api_json_dump(json_t *json, struct buf *out);
/* A text member, "" when absent. Borrowed. */
const char *api_json_member(const json_t *object, const char *name);

#endif
