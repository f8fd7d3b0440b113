/* SPDX-License-Identifier: Apache-2.0 */
/* One setting's text turned into its value, by type. Pure but for the heap; it does not know where
 * the text came from. Only for conf.c and its test. */
#ifndef SLUICE_COMMON_CONF_VALUE_H
#define SLUICE_COMMON_CONF_VALUE_H

#include "common/buf.h"
#include "common/conf.h"

/* Writes the value of text to settings + row->offset. ERR_INVALID: the text does not fit the row
 * and nothing was written. What was written is freed with conf_value_clear. */
ERR_MUST_USE enum err conf_value_set(const struct conf_row *row, struct slice text, void *settings);
/* Frees what conf_value_set or conf_value_set_empty gave, and sets it to NULL or 0. */
void conf_value_clear(const struct conf_row *row, void *settings);
/* "" or no items for the types that own memory; others become 0. */
void conf_value_set_empty(const struct conf_row *row, void *settings);
/* What the row takes, in words: "a number in 0..65535". */
void conf_value_describe(const struct conf_row *row, struct buf *out);

#endif
