// Memory operations that the compiler may call by itself (copies and clears of structures) and that the images use.
#pragma once

#include "types.h"

void *memcpy(void *to, const void *from, size_t bytes);
void *memset(void *to, int value, size_t bytes);
