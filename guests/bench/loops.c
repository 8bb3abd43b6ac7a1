// Nine small programs, each heavy on one thing that an emulator must do well: arithmetic, flags and branches, loads and stores, dependent
// loads, calls and returns, indirect jumps, control transfers between pages. Optimised as a compiler would optimise any program.
#pragma GCC optimize("O2")
#include "loops.h"

#define LOOP __attribute__((noipa))

enum { SUM_WORDS = 1024, SUM_ROUNDS = 16, XORSHIFT_STEPS = 4096, COLLATZ_STARTS = 128, SIEVE_SIZE = 8192, COPY_WORDS = 8192, CHASE_NODES = 16384, FIB_OF = 15, BYTECODE = 1024 };

static u64 words[COPY_WORDS], copies[COPY_WORDS];
static u8 composite[SIEVE_SIZE];

static u64 xorshift(u64 x)
{
	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	return x;
}

/** Additions of an array's elements. */
LOOP u64 loop_sum(u64 passes)
{
	for (unsigned n = 0; n < SUM_WORDS; n++)
		words[n] = xorshift(n + 1);
	u64 sum = 0;
	for (u64 pass = 0; pass < passes * SUM_ROUNDS; pass++)
		for (unsigned n = 0; n < SUM_WORDS; n++)
			sum += words[n];
	return sum;
}

/** A random-number generator: shifts and exclusive ors in registers. */
LOOP u64 loop_xorshift(u64 passes)
{
	u64 x = 88172645463325252;
	for (u64 pass = 0; pass < passes * XORSHIFT_STEPS; pass++)
		x = xorshift(x);
	return x;
}

/** Lengths of Collatz sequences: branches that depend on data. */
LOOP u64 loop_collatz(u64 passes)
{
	u64 steps = 0;
	for (u64 pass = 0; pass < passes; pass++)
		for (u64 start = 1; start <= COLLATZ_STARTS; start++)
			for (u64 n = start + pass % 16; n != 1; steps++) {
				if (n & 1)
					n = 3 * n + 1;
				else
					n >>= 1;
			}
	return steps;
}

/** Prime numbers by the sieve of Eratosthenes: stores with a stride. */
LOOP u64 loop_sieve(u64 passes)
{
	u64 primes = 0;
	for (u64 pass = 0; pass < passes; pass++) {
		for (unsigned n = 0; n < SIEVE_SIZE; n++)
			composite[n] = 0;
		for (unsigned n = 2; n < SIEVE_SIZE; n++) {
			if (composite[n])
				continue;
			primes++;
			for (unsigned k = 2 * n; k < SIEVE_SIZE; k += n)
				composite[k] = 1;
		}
	}
	return primes;
}

/** Copies 64 KiB word by word: a load and a store in turn. */
LOOP __attribute__((optimize("no-tree-loop-distribute-patterns"))) u64 loop_copy(u64 passes)
{
	for (unsigned n = 0; n < COPY_WORDS; n++)
		words[n] = xorshift(n + 1);
	for (u64 pass = 0; pass < passes; pass++) {
		words[pass % COPY_WORDS] ^= pass;
		for (unsigned n = 0; n < COPY_WORDS; n++)
			copies[n] = words[n];
	}
	return copies[0] ^ copies[COPY_WORDS - 1];
}

/** Follows pointers through 1 MiB in an order that no prefetcher guesses: each load needs the one before. */
LOOP u64 loop_chase(u64 passes)
{
	static struct node { struct node *next; u64 padding[7]; } nodes[CHASE_NODES];
	// a full cycle: the step is odd and the number of nodes a power of two
	for (u64 n = 0, at = 0; n < CHASE_NODES; n++) {
		u64 next = (at + 9973) % CHASE_NODES;
		nodes[at].next = &nodes[next];
		at = next;
	}
	struct node *node = nodes;
	for (u64 pass = 0; pass < passes * CHASE_NODES + 1; pass++)
		node = node->next;
	return (u64)(node - nodes);
}

LOOP static u64 fib(u64 n) { return n < 2 ? n : fib(n - 1) + fib(n - 2); }

/** Fibonacci numbers by recursion: calls, returns, pushes and pops. */
LOOP u64 loop_fib(u64 passes)
{
	u64 sum = 0;
	for (u64 pass = 0; pass < passes; pass++)
		sum += fib(FIB_OF);
	return sum;
}

/** An interpreter of random bytecode: each instruction jumps through a table to the next. */
LOOP u64 loop_indirect(u64 passes)
{
	static u8 code[BYTECODE + 1];
	static const void *const operations[] = {&&add, &&subtract, &&exclusive_or, &&rotate, &&negate, &&shift, &&increment, &&multiply, &&end};
	u64 random = 1;
	for (unsigned n = 0; n < BYTECODE; n++) {
		random = xorshift(random + n);
		code[n] = random >> 20 & 7;
	}
	code[BYTECODE] = 8;
	u64 a = 1, b = 2, pass = 0;
	const u8 *at = code;
#define NEXT goto *operations[*at++]
	NEXT;
add: a += b; NEXT;
subtract: b -= a; NEXT;
exclusive_or: a ^= b; NEXT;
rotate: b = b << 5 | b >> 59; NEXT;
negate: a = -a; NEXT;
shift: b ^= a >> 3; NEXT;
increment: b++; NEXT;
multiply: a *= 5; NEXT;
end:
	at = code;
	if (++pass < passes)
		NEXT;
	return a ^ b;
#undef NEXT
}

// four functions, each on a page of its own
#define OWN_PAGE __attribute__((noipa, aligned(4096)))
OWN_PAGE static u64 fourth_page(u64 x) { return x ^ x >> 7; }
OWN_PAGE static u64 third_page(u64 x) { return fourth_page(x + 3) + 1; }
OWN_PAGE static u64 second_page(u64 x) { return third_page(x * 5) - 1; }

/** Calls and returns between pages. */
OWN_PAGE u64 loop_cross_page(u64 passes)
{
	u64 x = 1;
	for (u64 pass = 0; pass < passes * 1024; pass++)
		x = second_page(x) + pass;
	return x;
}
