// All headers come before the attribute: it is for this file's functions only.
#include "XXH3AVX2.h"

#if defined(__x86_64__)
#include <immintrin.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#pragma clang attribute push(__attribute__((target("avx2"))), apply_to = function)
#define XXH_INLINE_ALL
#define XXH_VECTOR 2  // XXH_AVX2, which is not defined before the header
#include <xxhash.h>

uint64_t xxh3_64_avx2(const void *bytes, size_t count) { return XXH3_64bits(bytes, count); }

uint64_t xxh3_64_seeded_avx2(const void *bytes, size_t count, uint64_t seed) {
    return XXH3_64bits_withSeed(bytes, count, seed);
}
#pragma clang attribute pop
#endif
