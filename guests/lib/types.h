// The integer types of the images, and attributes that several files need. Freestanding: only the compiler's own headers are used.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;

#define PAGE_SIZE 4096ul
#define PACKED __attribute__((packed))
#define PAGE_ALIGNED __attribute__((aligned(4096)))
#define ARRAY_LENGTH(array) (sizeof(array) / sizeof((array)[0]))

static inline u64 align_up(u64 value, u64 alignment) { return (value + alignment - 1) & -alignment; }

/** Pages are identity-mapped everywhere: a physical address is used as a pointer without translation. */
static inline void *at_physical(u64 address) { return (void *)address; }
static inline u64 physical_of(const void *pointer) { return (u64)pointer; }
