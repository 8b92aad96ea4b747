// The instructions that every processor of the architecture has.
#define XXH_INLINE_ALL
#include <xxhash.h>

#include "CXXHash.h"
#include "XXH3AVX2.h"

// Below it, XXH3 takes a path without vectors.
enum { VECTOR_BYTES_MIN = 241 };

uint64_t xxh3_64(const void *bytes, size_t count) {
#if defined(__x86_64__)
    if (count >= VECTOR_BYTES_MIN && __builtin_cpu_supports("avx2"))
        return xxh3_64_avx2(bytes, count);
#endif
    return XXH3_64bits(bytes, count);
}

uint64_t xxh3_64_seeded(const void *bytes, size_t count, uint64_t seed) {
#if defined(__x86_64__)
    if (count >= VECTOR_BYTES_MIN && __builtin_cpu_supports("avx2"))
        return xxh3_64_seeded_avx2(bytes, count, seed);
#endif
    return XXH3_64bits_withSeed(bytes, count, seed);
}
