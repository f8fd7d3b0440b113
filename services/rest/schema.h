/* SPDX-License-Identifier: Apache-2.0 */
/* JSON values against JSON schemas (the part of draft 2020-12 that our OpenAPI document uses).
 * Pure: the schema is ours and trusted, the value is hostile. Recursion follows the schema, not the
 * value. */
#ifndef SLUICE_SERVICES_REST_SCHEMA_H
#define SLUICE_SERVICES_REST_SCHEMA_H

#include <jansson.h>
#include <stdbool.h>

#define SCHEMA_ERRORS_MAX 8

/* Appends {"pointer":..,"detail":..} to `errors` for what is wrong, at most SCHEMA_ERRORS_MAX in
 * all. `document` is where "$ref" leads; `pointer` names the value ("/body"). True: all is right.
 */
bool schema_check(const json_t *document, const json_t *schema, const json_t *value,
                  const char *pointer, json_t *errors);

/* The schema itself, "$ref" followed. Borrowed; NULL: it leads nowhere. */
const json_t *schema_resolve(const json_t *document, const json_t *schema);

/* True when every keyword in the schema is one that schema_check knows: for the test of the
 * document. *unknown names the first that is not. */
bool schema_is_known(const json_t *schema, const char **unknown);

/* Appends an error. */
void schema_error(json_t *errors, const char *pointer, const char *detail);

#endif
