/* SPDX-License-Identifier: Apache-2.0 */
/* sluice-rest: the HTTP API. Settings, then rest_run. */
#include "common/log.h"
#include "services/rest/rest.h"

int
main(int argc, char **argv)
{
    struct rest_config config;
    struct conf *conf;
    enum conf_outcome outcome = rest_config_load(&config, argc, argv, &conf);
    int status = conf_exit_status(outcome);
    if (outcome == CONF_RUN) {
        log_open("sluice-rest", config.common.log_level, config.common.log_format);
        status = rest_run(&config, conf);
    }
    conf_free(conf);
    return status;
}
