// A digest of what this level keeps for its guest, by VMCALL, from every level at once: two ways of running the same stack must give the same. It
// looks at values as the guest would see them, wherever their newest copy is; information on an exit that its reason leaves undefined is left out.
#include "exit.h"
#include "shadow.h"
#include "vmcs12.h"

#include "../lib/serial.h"

/** FNV-1a, a word at a time. */
static u64 mix(u64 hash, u64 value) { return (hash ^ value) * 0x100000001b3; }

static bool is_defined(enum vmcs_field field) { return field_type(field) != FIELD_READ_ONLY || field == EXIT_REASON; }

static u64 digest_of(struct nested_vmcs *vmcs, u64 hash)
{
	hash = mix(mix(hash, vmcs->pointer), vmcs->region->launched);
	for (unsigned n = 0; n < nested_fields(); n++)
		if (is_defined(nested_field(n)))
			hash = mix(hash, nested_read(vmcs, nested_field(n)));
	return hash;
}

void print_digest(void)
{
	struct nested_vmcs *vmcs;
	u64 hash = 0xcbf29ce484222325;
	for (unsigned n = 0; (vmcs = nested_entry(n)); n++) {
		if (!vmcs->pointer)
			continue;
		bool is_seen = vmcs->shadow_is_newer;
		shadow_pull(vmcs);
		vmcs->shadow_is_newer = is_seen;
		hash = digest_of(vmcs, hash);
	}
	hash = mix(hash, self.believed ? self.believed->pointer : 0);
	make_current(&vmcs01);
	print("digest %x", hash);
	if (self.level > 0)
		asm volatile("vmcall" : : "a"((u64)VMCALL_DIGEST) : "rbx", "rcx", "rdx", "memory");
}
