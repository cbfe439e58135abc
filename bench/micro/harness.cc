/* SPDX-License-Identifier: BSD-3-Clause */
#include "bench/micro/harness.h"

#include <benchmark/benchmark.h>

static benchmark::State &state_of(struct rj_bench *bench)
{
	return *reinterpret_cast<benchmark::State *>(bench);
}

void rj_bench_register(const char *name, rj_bench_fn *fn, int64_t argument)
{
	benchmark::RegisterBenchmark(name, [fn](benchmark::State &state) {
		fn(reinterpret_cast<struct rj_bench *>(&state), state.range(0));
	})->Arg(argument);
}

bool rj_bench_next(struct rj_bench *bench)
{
	return state_of(bench).KeepRunning();
}

void rj_bench_bytes(struct rj_bench *bench, int64_t bytes)
{
	state_of(bench).SetBytesProcessed(state_of(bench).iterations() * bytes);
}

void rj_bench_items(struct rj_bench *bench, int64_t items)
{
	state_of(bench).SetItemsProcessed(state_of(bench).iterations() * items);
}

void rj_bench_figure(struct rj_bench *bench, const char *name, double value)
{
	state_of(bench).counters[name] = value;
}

int main(int argc, char **argv)
{
	rj_bench_register_all();
	benchmark::Initialize(&argc, argv);
	if (benchmark::ReportUnrecognizedArguments(argc, argv))
		return 2;
	benchmark::RunSpecifiedBenchmarks();
	return 0;
}
