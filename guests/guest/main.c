// The guest at the top of the stack. It asks the processor questions that only hypervisors answer, prints what it hears, then asks again and
// again: a target for stepping, for stops on exits and for measurements. Options: rounds=N ends the run after N rounds (default: forever);
// intrude=M reads the byte at M MiB first, which may be a hypervisor's; interrupts=N waits for N interrupts of the APIC's timer
// first, spin=N goes N times round an empty loop.
#include "../lib/multiboot.h"
#include "../lib/processor.h"
#include "../lib/serial.h"
#include "probes.h"
#include "timer.h"

enum { SENTENCE_LEAF = 0x4abe0000 };

/** What the CPUID loop has seen so far; a debugger finds it as a global variable. */
static struct {
	u64 rounds;
	u64 surprises; // answers that differ from the first
} statistics;

struct sentence {
	char text[17]; // 16 characters, as EAX, EBX, ECX and EDX spell them, and a zero
};

static void spell(char *to, u32 value)
{
	for (unsigned byte = 0; byte < 4; byte++)
		to[byte] = (char)(value >> 8 * byte);
}

static struct sentence read_sentence(void)
{
	struct sentence sentence = {0};
	struct cpuid_result answer = cpuid(SENTENCE_LEAF, 0);
	spell(sentence.text + 0, answer.eax);
	spell(sentence.text + 4, answer.ebx);
	spell(sentence.text + 8, answer.ecx);
	spell(sentence.text + 12, answer.edx);
	return sentence;
}

static unsigned differences(const struct sentence *a, const struct sentence *b)
{
	unsigned count = 0;
	for (unsigned n = 0; n < sizeof a->text; n++)
		count += a->text[n] != b->text[n];
	return count;
}

static void one_round(const struct sentence *expected)
{
	struct sentence heard = read_sentence();
	unsigned wrong = differences(expected, &heard);
	if (wrong)
		statistics.surprises++;
	statistics.rounds++;
}

static void ask_forever(const struct sentence *expected, u64 limit)
{
	for (u64 round = 0; limit == 0 || round < limit; round++)
		one_round(expected);
}

/** Runs without any instruction that exits. */
static void spin(u64 rounds)
{
	for (volatile u64 round = 0; round < rounds; round++)
		;
}

void main(const struct multiboot_info *info)
{
	const char *options = command_line(info);
	serial_start((unsigned)number_option(options, "level", 0), "guest");
	print("running, options '%s'", options);

	// the hypervisor below says at what level it put us; a loader says nothing
	u64 hypervisors = number_option(options, "level", 0);
	struct sentence first = read_sentence();
	print("CPUID says: %s", first.text);
	try_ports();
	try_msrs(hypervisors > 0);
	if (hypervisors > 0) {
		print("hypervisors that VMCALL reaches: %u", count_hypervisors());
		measure_cpuid();
	}
	spin(number_option(options, "spin", 0));
	try_timer(number_option(options, "interrupts", 0));
	try_intrusion(number_option(options, "intrude", 0));
	ask_forever(&first, number_option(options, "rounds", 0));

	print("%u rounds, %u answers differed", statistics.rounds, statistics.surprises);
	end_run(0);
}
