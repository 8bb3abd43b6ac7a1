// The image of the benchmarks. Its command line names loops with their passes: `sum=100 fib=20 rounds=3` runs the sum with 100 passes and
// the recursive calls with 20, three times each. Around each run stand a serial line and a write to the debug exit port: an emulator's tool
// measures between the ports' stops (exactly), or between the lines.
#include "../lib/multiboot.h"
#include "../lib/processor.h"
#include "../lib/serial.h"
#include "loops.h"
#include "worlds.h"

enum { MARK_PORT = 0xf4, MARK_BEGIN = 2, MARK_END = 3 };

static const struct { const char *name; u64 (*run)(u64 passes); } work[] = {
	{"sum", loop_sum}, {"xorshift", loop_xorshift}, {"collatz", loop_collatz}, {"sieve", loop_sieve}, {"copy", loop_copy}, {"chase", loop_chase},
	{"fib", loop_fib}, {"indirect", loop_indirect}, {"cross-page", loop_cross_page},
	{"cpuid-exit", world_cpuid}, {"ept-violation", world_ept}, {"page-fault", world_page_fault},
};

void main(const struct multiboot_info *info)
{
	const char *line = command_line(info);
	serial_start(0, "bench");
	u64 rounds = number_option(line, "rounds", 1);
	for (unsigned n = 0; n < ARRAY_LENGTH(work); n++) {
		u64 passes = number_option(line, work[n].name, 0);
		for (u64 round = 0; passes != 0 && round < rounds; round++) {
			print("%s begins", work[n].name);
			out8(MARK_PORT, MARK_BEGIN);
			u64 checksum = work[n].run(passes);
			out8(MARK_PORT, MARK_END);
			print("%s ends, %x", work[n].name, checksum);
		}
	}
	print("done");
	end_run(0);
}
