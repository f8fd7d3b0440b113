/* SPDX-License-Identifier: Apache-2.0 */
/* Settings in force as the API of the replaced server shows them. Secrets stay masked. */
#ifndef SLUICE_SERVICES_REST_CONFIG_JSON_H
#define SLUICE_SERVICES_REST_CONFIG_JSON_H

#include "common/conf.h"
#include "services/rest/upstream.h"

/* [{"config":{name:value},"app":"x"}] for "x,y,z", new text (mem_free), whole numbers as numbers:
 * mqtt_rest is this program, of `conf`; mqtt_server a gateway, mqtt_common the store with the
 * people (empty when they do not answer); others are empty. */
char *config_json_apps(struct upstream *upstream, const struct conf *conf, const char *apps);

#endif
