/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * examples/embed.c in C++20: a thread that never stops writing 16 MiB is the
 * "guest"; it moves, with its memory, into a second object of the same program.
 */
#include <atomic>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <stdexcept>
#include <thread>

#include "ramjet-dirty.h"

constexpr std::uint64_t pages = 4096;
constexpr std::size_t bytes = pages * RAMJET_PAGE_BYTES;

/* ramjet's error becomes an exception; what a call returns is handed on. */
template <typename Call> static int must(Call call)
{
	struct ramjet_error error = {};
	const int rc = call(&error);

	if (rc < 0)
		throw std::runtime_error(error.message);
	return rc;
}

struct migration_free {
	void operator()(struct ramjet_migration *migration) const
	{
		ramjet_migration_free(migration);
	}
};
using Migration = std::unique_ptr<struct ramjet_migration, migration_free>;

class Machine
{
      public:
	Machine()
	{
		describe();
	}
	~Machine()
	{
		if (thread_.joinable())
			(void)stop();
		ramjet_guest_free(guest_);
	}
	Machine(const Machine &) = delete;
	Machine &operator=(const Machine &) = delete;

	struct ramjet_guest *guest()
	{
		return guest_;
	}
	std::uint64_t step() const
	{
		return step_;
	}

	/* No exception may pass through ramjet: these return errno. */
	int start() noexcept
	try {
		stop_ = false;
		thread_ = std::thread([this] { work(); });
		return 0;
	} catch (...) {
		return -EAGAIN;
	}

	int stop() noexcept
	try {
		stop_ = true;
		thread_.join();
		return 0;
	} catch (...) {
		return -EINVAL;
	}

	/* Each page carries the last step that wrote it. */
	bool is_sound() const
	{
		for (std::uint64_t step = step_ - pages; step < step_; step++)
			if (std::memcmp(page(step), &step, sizeof(step)))
				return false;
		return true;
	}

      private:
	std::uint8_t *page(std::uint64_t step) const
	{
		return ram_.get() + step % pages * RAMJET_PAGE_BYTES;
	}

	void work()
	{
		while (!stop_) {
			const std::uint64_t step = step_, at = step % pages;

			std::memcpy(page(step), &step, sizeof(step));
			/* After the write: so no write is ever missed. */
			dirty_[at / 64].fetch_or(UINT64_C(1) << at % 64);
			step_ = step + 1;
		}
	}

	static int save(void *user, void **ret_data, std::size_t *ret_bytes,
			struct ramjet_error *)
	{
		const std::uint64_t step = static_cast<Machine *>(user)->step_;

		*ret_bytes = sizeof(step);
		*ret_data = std::malloc(sizeof(step)); /* ramjet frees it */
		if (!*ret_data)
			return -ENOMEM;
		std::memcpy(*ret_data, &step, sizeof(step));
		return 0;
	}

	static int load(void *user, const void *data, std::size_t size,
			struct ramjet_error *)
	{
		std::uint64_t step;

		if (size != sizeof(step))
			return -EPROTO;
		std::memcpy(&step, data, sizeof(step));
		static_cast<Machine *>(user)->step_ = step;
		return 0;
	}

	void describe()
	{
		struct ramjet_dirty_source *source;
		struct ramjet_dirty_bitmap bitmap;
		struct ramjet_guest_ops ops;
		struct ramjet_block block;

		ramjet_guest_ops_init(&ops);
		ops.stop = [](void *user, struct ramjet_error *) {
			return static_cast<Machine *>(user)->stop();
		};
		ops.start = [](void *user, struct ramjet_error *) {
			return static_cast<Machine *>(user)->start();
		};
		ops.save_state = save;
		ops.load_state = load;
		ramjet_block_init(&block);
		block.name = "ram0";
		block.host = ram_.get();
		block.bytes = bytes;
		ramjet_dirty_bitmap_init(&bitmap);
		bitmap.block = "ram0";
		bitmap.bits = dirty_;
		bitmap.bytes = sizeof(dirty_);

		must([&](auto *err) {
			return ramjet_guest_new(&ops, this, &guest_, err);
		});
		must([&](auto *err) {
			return ramjet_guest_add_block(guest_, &block, err);
		});
		must([&](auto *err) {
			return ramjet_dirty_shared_new(&bitmap, &source, err);
		});
		must([&](auto *err) {
			return ramjet_guest_add_dirty_source(guest_, source,
							     err);
		});
	}

	struct free_ram {
		void operator()(std::uint8_t *ram) const
		{
			std::free(ram);
		}
	};
	std::unique_ptr<std::uint8_t[], free_ram> ram_{
		static_cast<std::uint8_t *>(
			std::aligned_alloc(RAMJET_PAGE_BYTES, bytes))
	};
	std::atomic<std::uint64_t> dirty_[pages / 64] = {};
	std::atomic<std::uint64_t> step_ = 0;
	std::atomic<bool> stop_ = false;
	std::thread thread_;
	struct ramjet_guest *guest_ = nullptr;
};

static void move(Machine &source, Machine &target)
{
	struct ramjet_migration *raw;
	struct ramjet_params params;

	ramjet_params_init(&params);
	params.verify = true;
	must([&](auto *err) {
		return ramjet_incoming(target.guest(), "tcp:127.0.0.1:0",
				       &params, &raw, err);
	});
	const Migration incoming(raw);

	must([&](auto *err) {
		return ramjet_migrate(source.guest(),
				      ramjet_listen_uri(incoming.get()),
				      &params, &raw, err);
	});
	const Migration outgoing(raw);

	for (const auto &each : { outgoing.get(), incoming.get() })
		must([&](auto *err) { return ramjet_wait(each, -1, err); });
}

static void await(const Machine &machine, std::uint64_t step)
{
	while (machine.step() < step)
		std::this_thread::yield();
}

static int run()
{
	auto source = std::make_unique<Machine>();
	auto target = std::make_unique<Machine>();

	if (source->start())
		throw std::runtime_error("no thread");
	await(*source, 2 * pages);
	move(*source, *target);
	await(*target, source->step() + pages / 2);
	(void)target->stop();

	const bool sound = source->is_sound() && target->is_sound();

	std::printf("the source stopped at step %llu, the target went on to "
		    "%llu: %s\n",
		    static_cast<unsigned long long>(source->step()),
		    static_cast<unsigned long long>(target->step()),
		    sound ? "every page agrees" : "PAGES ARE WRONG");
	return !sound;
}

int main()
try {
	return run();
} catch (const std::exception &error) {
	(void)std::fprintf(stderr, "%s\n", error.what());
	return 1;
}
