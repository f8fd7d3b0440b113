/* SPDX-License-Identifier: Apache-2.0 */
/* One page of a list that lies in several programs: asked one after the other, each as long as it
 * has more, until the page is full or has cost enough. The cursor names the program and where in
 * it; a program that is gone by then is passed over. */
#ifndef SLUICE_SERVICES_REST_PAGE_H
#define SLUICE_SERVICES_REST_PAGE_H

#include "services/rest/api.h"
#include "services/rest/question.h"

/* Asks the program of this name for a part of the list behind `after`. */
typedef enum err (*page_ask_fn)(struct api_request *request, const char *place, struct slice after,
                                uint32_t limit, Sluice__AdminAnswer **out);
/* An item as JSON, new; NULL: it is left out. */
typedef json_t *(*page_item_fn)(const Sluice__AdminItem *item, const char *place);

/* Answers with the page. places: names in the order in which they are asked; what: for problems. */
void page_answer(struct api_request *request, char *const *places, size_t count, page_ask_fn ask,
                 page_item_fn to_json, const char *what);

/* The stores by their shards, as places: new array of new texts (api_json_free_texts). */
char **page_stores(const struct upstream *upstream, size_t *count);
/* One of them: new. */
char *page_store_name(size_t store);
/* The store of such a name. */
size_t page_store(const char *name);

#endif
