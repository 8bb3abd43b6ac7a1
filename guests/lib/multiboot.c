// Reading the Multiboot information: modules and command-line options of the form name=value, separated by spaces.
#include "multiboot.h"

#include "serial.h"

void start_image(u32 magic, const struct multiboot_info *info)
{
	if (magic != MULTIBOOT_LOADED)
		stop_with("not started by a Multiboot loader (EAX = %x)", (u64)magic);
	main(info);
}

const char *command_line(const struct multiboot_info *info)
{
	return info->flags & MULTIBOOT_COMMAND_LINE ? at_physical(info->cmdline) : "";
}

const struct multiboot_module *multiboot_modules(const struct multiboot_info *info) { return at_physical(info->mods_addr); }

/** Text after `name=`, or null. The last one wins: a parent appends its own options to a module's. */
static const char *option(const char *line, const char *name)
{
	const char *found = NULL;
	for (const char *word = line; *word;) {
		const char *a = word, *b = name;
		while (*b && *a == *b)
			a++, b++;
		if (!*b && *a == '=')
			found = a + 1;
		while (*word && *word != ' ')
			word++;
		while (*word == ' ')
			word++;
	}
	return found;
}

u64 number_option(const char *line, const char *name, u64 otherwise)
{
	const char *text = option(line, name);
	if (!text || *text < '0' || *text > '9')
		return otherwise;
	u64 value = 0;
	for (; *text >= '0' && *text <= '9'; text++)
		value = value * 10 + (u64)(*text - '0');
	return value;
}

bool switch_option(const char *line, const char *name)
{
	const char *text = option(line, name);
	return text && text[0] == 'o' && text[1] == 'n';
}
