#pragma once
#include <stdint.h>

/// Allocations that the calling thread has made since it began, Swift's own included.
uint64_t allocations_of_this_thread(void);
