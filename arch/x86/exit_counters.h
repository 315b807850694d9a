/* For hv's statistics. */
#pragma once

/* Bring the counters of exits and NMIs up to date. Exit context. */
void arch_publish_counters(void);
