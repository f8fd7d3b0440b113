/* SPDX-License-Identifier: Apache-2.0 */
/* Settings in force as JSON. Secrets stay masked. Pure. */
#ifndef SLUICE_SERVICES_REST_CONFIG_JSON_H
#define SLUICE_SERVICES_REST_CONFIG_JSON_H

#include "common/conf.h"

/* [{"app":"x","config":{name:value}}] for "x,y,z", new text (mem_free): mqtt_rest has what `conf`
 * says, whole numbers as numbers; names that this program does not know have an empty config. */
char *config_json_apps(const struct conf *conf, const char *apps);

#endif
