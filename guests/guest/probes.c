// Accesses that a hypervisor may or may not intercept: ports, MSRs, VMCALL. Each prints what came back.
#include "ports.h"

#include "../lib/serial.h"

void try_ports(void)
{
	u64 returned = 0;
	for (unsigned value = 1; value < 256; value <<= 1)
		returned += exchange_port((u8)value) == value;
	print("%u of 8 values came back from the port", returned);
}
