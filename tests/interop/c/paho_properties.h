/* SPDX-License-Identifier: Apache-2.0 */
/* Properties of Paho C from and to the lines of line.h. */
#ifndef TESTS_INTEROP_C_PAHO_PROPERTIES_H
#define TESTS_INTEROP_C_PAHO_PROPERTIES_H

#include "tests/interop/c/line.h"

#include "MQTTProperties.h"

void paho_properties_add(MQTTProperties *properties, const struct line_extras *extras);
/* Borrows from properties. */
struct line_extras paho_properties_get(MQTTProperties *properties);
/* Of a CONNACK: whether shared subscriptions may be used; absent means yes. */
int paho_properties_shared(MQTTProperties *properties);

#endif
