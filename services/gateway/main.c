/* SPDX-License-Identifier: Apache-2.0 */
/* sluice-gateway: reads the settings, runs, and says with its exit status how that went: 0 told to
 * stop, 2 could not start, 3 it reached nobody any more (PEERS_STUCK_STATUS). */
#include "common/crypt.h"
#include "common/log.h"
#include "services/gateway/gateway.h"

int
main(int argc, char **argv)
{
    static struct gateway_config config;
    struct conf *conf = NULL;
    struct gateway *gateway = NULL;
    enum conf_outcome outcome = gateway_config_load(&config, argc, argv, &conf);
    int status = conf_exit_status(outcome);
    if (outcome == CONF_RUN) {
        status = 2;
        bool counted = crypt_count_memory();
        config.conf = conf;
        log_open("sluice-gateway", (enum log_level)config.common.log_level,
                 (enum log_format)config.common.log_format);
        if (!counted)
            log_warn("tls_memory_not_counted", LOG_END);
        if (gateway_new(&config, &gateway) == OK) {
            status = gateway_run(gateway);
            gateway_free(gateway);
        }
    }
    conf_free(conf);
    return status;
}
