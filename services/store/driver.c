/* SPDX-License-Identifier: Apache-2.0 */
/* What all drivers share: the place where tests make the n-th step fail, and reads. */
#include "services/store/driver.h"

void
driver_fault_set(struct driver *driver, uint64_t at, uint64_t times, enum err err)
{
    atomic_store(&driver->fault_err, (int)err);
    atomic_store(&driver->fault_n, times);
    atomic_store(&driver->fault, at);
}

enum err
driver_fault_step(struct driver *driver)
{
    uint64_t left = atomic_load_explicit(&driver->fault, memory_order_relaxed);
    uint64_t times;
    if (left == 0)
        return OK;
    if (left > 1) {
        atomic_store(&driver->fault, left - 1);
        return OK;
    }
    times = atomic_load(&driver->fault_n);
    if (times <= 1)
        atomic_store(&driver->fault, 0);
    else
        atomic_store(&driver->fault_n, times - 1);
    return (enum err)atomic_load(&driver->fault_err);
}

void
driver_read_fault_set(struct driver *driver, uint64_t times, enum err err)
{
    atomic_store(&driver->read_fault_err, (int)err);
    atomic_store(&driver->read_faults, times);
}

enum err
driver_read_fault_step(struct driver *driver)
{
    uint64_t left = atomic_load(&driver->read_faults);
    while (left != 0 && !atomic_compare_exchange_weak(&driver->read_faults, &left, left - 1)) {
    }
    return left != 0 ? (enum err)atomic_load(&driver->read_fault_err) : OK;
}
