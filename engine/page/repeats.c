/* SPDX-License-Identifier: BSD-3-Clause */
#include "engine/page/repeats.h"

#include <stdatomic.h>

#include "ramjet.h"
#include "util/compiler.h"

/* Between two looks at whether the page differs: four vectors, as they can be
 * loaded and combined side by side. */
#define STEP 4u

/* One body for all: `vector`s are compared with one of the word. LOAD(p),
 * DIFFERS(seen, word, next): what differed so far, and now; ANY(seen). */
#define DEFINE_REPEATS(name, attributes, vector, ALL_OF, NONE, LOAD, DIFFER, \
		       ANY)                                                  \
	attributes RJ_GUEST_MEMORY static bool name(const uint8_t *page,     \
						    uint64_t word)           \
	{                                                                    \
		const vector *p = (const vector *)(const void *)page;        \
		const vector *end = p + RAMJET_PAGE_BYTES / sizeof(vector);  \
		const vector all = ALL_OF(word);                             \
                                                                             \
		for (; p < end; p += STEP) {                                 \
			vector seen = NONE;                                  \
                                                                             \
			for (unsigned i = 0; i < STEP; i++)                  \
				seen = DIFFER(seen, LOAD(p + i), all);       \
			if (ANY(seen))                                       \
				return false;                                \
		}                                                            \
		return true;                                                 \
	}

typedef uint64_t word64 __attribute__((may_alias));

#define WORD_ALL(word)              (word)
#define WORD_LOAD(p)                (*(p))
#define WORD_DIFFER(seen, now, all) ((seen) | ((now) ^ (all)))
#define WORD_ANY(seen)              ((seen) != 0)
DEFINE_REPEATS(repeats_portable, , word64, WORD_ALL, 0, WORD_LOAD, WORD_DIFFER,
	       WORD_ANY)

static bool everywhere(void)
{
	return true;
}

#if defined(__x86_64__)
#include <immintrin.h>

#define SSE2_ALL(word)       _mm_set1_epi64x((long long)(word))
#define SSE2_DIFFER(s, n, a) _mm_or_si128(s, _mm_xor_si128(n, a))
#define SSE2_ANY(s) \
	(_mm_movemask_epi8(_mm_cmpeq_epi8(s, _mm_setzero_si128())) != 0xffff)
DEFINE_REPEATS(repeats_sse2, , __m128i, SSE2_ALL, _mm_setzero_si128(),
	       _mm_loadu_si128, SSE2_DIFFER, SSE2_ANY)

#define AVX2_ALL(word)       _mm256_set1_epi64x((long long)(word))
#define AVX2_DIFFER(s, n, a) _mm256_or_si256(s, _mm256_xor_si256(n, a))
#define AVX2_ANY(s)          (!_mm256_testz_si256(s, s))
DEFINE_REPEATS(repeats_avx2, __attribute__((target("avx2"))), __m256i, AVX2_ALL,
	       _mm256_setzero_si256(), _mm256_loadu_si256, AVX2_DIFFER,
	       AVX2_ANY)

/* s | (n ^ a), in one instruction */
#define AVX512_ALL(word)       _mm512_set1_epi64((long long)(word))
#define AVX512_LOAD(p)         _mm512_loadu_si512(p)
#define AVX512_DIFFER(s, n, a) _mm512_ternarylogic_epi64(s, n, a, 0xf6)
#define AVX512_ANY(s)          (_mm512_test_epi64_mask(s, s) != 0)
DEFINE_REPEATS(repeats_avx512, __attribute__((target("avx512f"))), __m512i,
	       AVX512_ALL, _mm512_setzero_si512(), AVX512_LOAD, AVX512_DIFFER,
	       AVX512_ANY)

static bool has_avx2(void)
{
	return __builtin_cpu_supports("avx2");
}

static bool has_avx512(void)
{
	return __builtin_cpu_supports("avx512f");
}
#endif

const struct rj_repeats_level rj_repeats_levels[] = {
#if defined(__x86_64__)
	{ "AVX-512", has_avx512, repeats_avx512 },
	{ "AVX2", has_avx2, repeats_avx2 },
	{ "SSE2", everywhere, repeats_sse2 },
#endif
	{ "portable", everywhere, repeats_portable },
};
const unsigned rj_repeats_level_count = RJ_ARRAY_SIZE(rj_repeats_levels);

static bool choose_first(const uint8_t *page, uint64_t word);

/* Relaxed: whoever still sees the first one chooses the same again. */
static _Atomic(rj_repeats) chosen = choose_first;

static bool choose_first(const uint8_t *page, uint64_t word)
{
	const struct rj_repeats_level *level = rj_repeats_levels;

	while (!level->is_there())
		level++;
	atomic_store_explicit(&chosen, level->repeats, memory_order_relaxed);
	return level->repeats(page, word);
}

bool rj_page_repeats(const uint8_t *page, uint64_t word)
{
	return atomic_load_explicit(&chosen, memory_order_relaxed)(page, word);
}
