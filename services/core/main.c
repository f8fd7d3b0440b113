/* SPDX-License-Identifier: Apache-2.0 */
/* sluice-core: reads the settings, runs, and says with its exit status how that went: 0 told to
 * stop, 2 could not start. */
#include "common/log.h"
#include "services/core/core.h"

int
main(int argc, char **argv)
{
    static struct core_config config;
    struct conf *conf = NULL;
    struct core *core = NULL;
    enum conf_outcome outcome = core_config_load(argc, argv, &config, &conf);
    int status = conf_exit_status(outcome);
    if (outcome == CONF_RUN) {
        status = 2;
        config.conf = conf;
        log_open("sluice-core", (enum log_level)config.common.log_level,
                 (enum log_format)config.common.log_format);
        if (core_new(&config, &core) == OK) {
            core_run(core);
            core_free(core);
            status = 0;
        }
    }
    conf_free(conf);
    return status;
}
