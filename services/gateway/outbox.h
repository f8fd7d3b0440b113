/* SPDX-License-Identifier: Apache-2.0 */
/* Former names of post_box.h, for files that have not been changed yet. */
#ifndef SLUICE_SERVICES_GATEWAY_OUTBOX_H
#define SLUICE_SERVICES_GATEWAY_OUTBOX_H

#include "services/gateway/post_box.h"

#define outbox          post_box
#define outbox_new      post_box_new
#define outbox_free     post_box_free
#define outbox_set      post_box_set
#define outbox_add      post_box_add
#define outbox_flush    post_box_flush
#define outbox_is_empty post_box_is_empty
#define outbox_count    post_box_count

#endif
