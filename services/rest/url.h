/* SPDX-License-Identifier: Apache-2.0 */
/* Pieces of a URL: escapes, paths by segments, queries. Pure text; what a path means is decided
 * elsewhere. Everything here is hostile: no result holds a NUL or is not UTF-8. */
#ifndef SLUICE_SERVICES_REST_URL_H
#define SLUICE_SERVICES_REST_URL_H

#include "common/err.h"
#include "common/str.h"

/* New text with %XX resolved ('+' is a space if is_query). NULL: an escape that is none, a NUL, or
 * not UTF-8. */
char *url_decode(struct slice text, bool is_query);

/* Takes the next segment of a path ("/a//b": "a", "", "b"), escapes as they are. False: no more. */
bool url_segment(struct slice *path, struct slice *segment);

/* Takes the next name=value of a query, escapes as they are; value is empty without '='. */
bool url_pair(struct slice *query, struct slice *name, struct slice *value);

/* The value of the first pair of this name. *out is new, NULL: absent. ERR_MALFORMED: its escapes
 * are bad. */
ERR_MUST_USE enum err url_query(struct slice query, const char *name, char **out);

#endif
