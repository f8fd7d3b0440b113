/* SPDX-License-Identifier: Apache-2.0 */
/* The readable text of a row (batch.h): lines of a word, a space and the rest. Pure; what the words
 * mean is the matter of the row's own room.
 *
 *     until 1767225600000
 *     reason tried all passwords
 */
#ifndef SERVICES_STORE_ROW_TEXT_H
#define SERVICES_STORE_ROW_TEXT_H

#include "common/buf.h"
#include "common/str.h"

#include <stdbool.h>
#include <stdint.h>

/* A line; what would end it is written as '?'. An empty value writes nothing. */
void row_text_put(struct buf *out, const char *word, struct slice value);
/* 0 writes nothing. */
void row_text_put_u64(struct buf *out, const char *word, uint64_t value);

/* Takes the next line off *rest; false at the end. A line without a space is a word alone. */
bool row_text_next(struct slice *rest, struct slice *word, struct slice *value);

/* Text for people: at most max bytes of UTF-8 without control characters. */
bool row_text_is_plain(const char *text, size_t max);

#endif
