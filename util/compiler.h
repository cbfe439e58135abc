/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_UTIL_COMPILER_H
#define RJ_UTIL_COMPILER_H
/* The attributes ramjet uses, and nothing else: no raw __attribute__ in code. */

#define RAMJET_API       __attribute__((visibility("default")))
#define RJ_NODISCARD     __attribute__((warn_unused_result))
#define RJ_PRINTF(f, a)  __attribute__((format(printf, f, a)))
#define RJ_UNUSED        __attribute__((unused))
#define RJ_CACHE_ALIGNED __attribute__((aligned(64)))
/* A thread's variable that a signal handler may read: it is there from the
 * thread's beginning on, and nothing is allocated at its first use. */
#define RJ_SIGNAL_SAFE __attribute__((tls_model("initial-exec")))
#define RJ_COLD        __attribute__((cold, noinline))
/* Only for what is preloaded into programs that don't call it. */
#define RJ_AT_LOAD __attribute__((constructor))
/* Only where a benchmark, named beside it, shows why. */
#define RJ_ALWAYS_INLINE static inline __attribute__((always_inline))
/* Compiled for more than the base instruction set: only to be called where
 * __builtin_cpu_supports() says so. */
#define RJ_TARGET(isa)   __attribute__((target(isa)))
#define rj_likely(x)     __builtin_expect(!!(x), 1)
#define rj_unlikely(x)   __builtin_expect(!!(x), 0)
#define RJ_ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define rj_container_of(ptr, type, member) \
	((type *)(void *)((char *)(ptr)-offsetof(type, member)))

/*
 * Live guest memory is read while vCPUs write it: the clear-before-read rule
 * makes that sound (docs/threading.md), and ThreadSanitizer cannot know. Only
 * functions that read or write guest pages carry this.
 */
#if defined(__SANITIZE_THREAD__)
#define RJ_GUEST_MEMORY __attribute__((no_sanitize("thread"), noinline))
#define RJ_TSAN         1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define RJ_GUEST_MEMORY __attribute__((no_sanitize("thread"), noinline))
#define RJ_TSAN         1
#endif
#endif
#ifndef RJ_GUEST_MEMORY
#define RJ_GUEST_MEMORY
#endif

/* Clang thread safety analysis of functions; empty on gcc. */
#if defined(__clang__)
#define RJ_CAPABILITY(x) __attribute__((capability(x)))
#define RJ_ACQUIRES(...) __attribute__((acquire_capability(__VA_ARGS__)))
#define RJ_RELEASES(...) __attribute__((release_capability(__VA_ARGS__)))
#define RJ_REQUIRES(...) __attribute__((requires_capability(__VA_ARGS__)))
#define RJ_NO_TSA        __attribute__((no_thread_safety_analysis))
#else
#define RJ_CAPABILITY(x)
#define RJ_ACQUIRES(...)
#define RJ_RELEASES(...)
#define RJ_REQUIRES(...)
#define RJ_NO_TSA
#endif
/* Documentation beside a field: who guards it. C compilers do not check it. */
#define RJ_GUARDED_BY(m)

#endif
