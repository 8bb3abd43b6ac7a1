// Sharing the one timer between this level and its guest (preemption.h). What is left of the guest's time is known between two entries that it asked
// for only as far as our own exits tell: other exits that we handle without it give its time back.
#include "preemption.h"

#include "../lib/serial.h"

#define ENDLESS (~0ull)

static bool guest_uses_timer(struct nested_vmcs *vmcs) { return nested_read(vmcs, PIN_BASED_CONTROLS) & ACTIVATE_PREEMPTION_TIMER; }

bool preemption_is_needed(struct nested_vmcs *vmcs) { return self.preemption_ticks || guest_uses_timer(vmcs); }

static void program(struct nested_vmcs *vmcs)
{
	u64 ours = self.preemption_ticks ? self.preemption_ticks : ENDLESS;
	u64 ticks = ours < vmcs->timer_left ? ours : vmcs->timer_left;
	if (ticks != vmcs->timer_programmed)
		vmwrite(PREEMPTION_TIMER_VALUE, ticks);
	vmcs->timer_programmed = ticks;
}

void preemption_start_nested(struct nested_vmcs *vmcs)
{
	vmcs->timer_left = guest_uses_timer(vmcs) ? nested_read(vmcs, PREEMPTION_TIMER_VALUE) : ENDLESS;
	program(vmcs);
}

bool preemption_handle_nested(struct nested_vmcs *vmcs)
{
	if (vmcs->timer_programmed >= vmcs->timer_left)
		return false;
	preemption_back_in_control();
	if (vmcs->timer_left != ENDLESS)
		vmcs->timer_left -= vmcs->timer_programmed;
	program(vmcs);
	return true;
}

void preemption_back_in_control(void)
{
	static bool said;
	if (!said)
		print("back in control after %u ticks", self.preemption_ticks);
	said = true;
	self.preemptions++;
}
