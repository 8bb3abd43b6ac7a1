// The loops that are measured. Each makes `passes` passes over its work and returns a checksum that depends on every one of them.
#pragma once

#include "../lib/types.h"

u64 loop_sum(u64 passes);
u64 loop_xorshift(u64 passes);
u64 loop_collatz(u64 passes);
u64 loop_sieve(u64 passes);
u64 loop_copy(u64 passes);
u64 loop_chase(u64 passes);
u64 loop_fib(u64 passes);
u64 loop_indirect(u64 passes);
u64 loop_cross_page(u64 passes);
