#pragma once
#include <stddef.h>
#include <stdint.h>

// XXH3-64 of libxxhash's header: nothing is linked. Compiled here and not in Swift's importer,
// which optimises for size and leaves the inner loops rolled up.
uint64_t xxh3_64(const void *bytes, size_t count);
uint64_t xxh3_64_seeded(const void *bytes, size_t count, uint64_t seed);
