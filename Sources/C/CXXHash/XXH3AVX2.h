#pragma once
#include <stddef.h>
#include <stdint.h>

// The same hashes, twice as fast. Only for a processor that has AVX2: the caller asks.
uint64_t xxh3_64_avx2(const void *bytes, size_t count);
uint64_t xxh3_64_seeded_avx2(const void *bytes, size_t count, uint64_t seed);
