// Executes single instructions on the processor of this machine and records the state that each leaves. Run by hand through
// tools/vectors/generate.mjs; nothing of it is needed to build or test.
//
//   native INPUT OUTPUT      both are arrays of the fixed-size records below, in the same order
//
// One instruction is executed by returning from a signal handler with RFLAGS.TF set: the processor loads the whole state, executes one
// instruction (one iteration of a repeated string instruction) and traps; a fault arrives in the same handler with its vector. No
// trampoline and no register is lost, so that control flow, stack and flags come out as they are.
#define _GNU_SOURCE
#include <asm/prctl.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

// The places must be those of tools/vectors/layout.ts.
#define CODE 0x20000800ULL
#define CODE_PAGE 0x20000000ULL
#define DATA_PAGE 0x10000000ULL
#define DATA_BYTES 8192
#define WINDOW 0x10000f00ULL
#define WINDOW_BYTES 512
#define GS_BASE 0x10000000ULL

struct input {
  uint8_t code[16];
  uint64_t gpr[16], rflags;
  uint32_t mxcsr, length;
  uint64_t xmm[32];
  uint8_t window[WINDOW_BYTES];
};
struct output {
  uint64_t gpr[16], rflags, rip, cr2;
  uint32_t mxcsr, vector, error, reserved;
  uint64_t xmm[32];
  uint8_t window[WINDOW_BYTES];
};

// general registers in encoding order
static const int order[16] = { REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI, REG_RDI, REG_R8, REG_R9, REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15 };

static struct input *inputs;
static struct output *outputs;
static size_t count, current;
static int started;

static void load(ucontext_t *uc, const struct input *in) {
  greg_t *g = uc->uc_mcontext.gregs;
  memset((void *)CODE_PAGE, 0xcc, 4096);
  memcpy((void *)CODE, in->code, sizeof in->code);
  memset((void *)DATA_PAGE, 0, DATA_BYTES);                   // bit tests reach outside the window
  memcpy((void *)WINDOW, in->window, WINDOW_BYTES);
  for (int n = 0; n < 16; n++) g[order[n]] = (greg_t)in->gpr[n];
  g[REG_RIP] = CODE;
  g[REG_EFL] = (greg_t)(in->rflags | 0x302);
  struct _libc_fpstate *fp = uc->uc_mcontext.fpregs;
  memcpy(fp->_xmm, in->xmm, sizeof in->xmm);
  fp->mxcsr = in->mxcsr;
  *(uint64_t *)((char *)fp + 512) |= 3;                     // XSTATE_BV: x87 and SSE are in the frame
}

static void save(const ucontext_t *uc, struct output *out, const struct input *in) {
  const greg_t *g = uc->uc_mcontext.gregs;
  for (int n = 0; n < 16; n++) out->gpr[n] = (uint64_t)g[order[n]];
  // RF belongs to the fault, TF is ours unless POPF cleared it
  out->rflags = (uint64_t)g[REG_EFL] & ~0x10100ULL;
  out->rip = (uint64_t)g[REG_RIP];
  out->vector = (uint32_t)g[REG_TRAPNO];
  out->error = (uint32_t)g[REG_ERR];
  out->cr2 = out->vector == 14 ? (uint64_t)g[REG_CR2] : 0;
  const struct _libc_fpstate *fp = uc->uc_mcontext.fpregs;
  memcpy(out->xmm, fp->_xmm, sizeof out->xmm);
  out->mxcsr = fp->mxcsr;
  memcpy(out->window, (void *)WINDOW, WINDOW_BYTES);
  (void)in;
}

static void handler(int number, siginfo_t *info, void *context) {
  (void)number; (void)info;
  ucontext_t *uc = context;
  if (started) { save(uc, &outputs[current], &inputs[current]); current++; }
  started = 1;
  if (current == count) _exit(0);
  load(uc, &inputs[current]);
}

int main(int argc, char **argv) {
  if (argc != 3) return 2;
  int in = open(argv[1], O_RDONLY), out = open(argv[2], O_RDWR | O_CREAT | O_TRUNC, 0644);
  struct stat info;
  if (in < 0 || out < 0 || fstat(in, &info)) return 2;
  count = (size_t)info.st_size / sizeof(struct input);
  if (ftruncate(out, (off_t)(count * sizeof(struct output)))) return 2;
  inputs = mmap(0, (size_t)info.st_size, PROT_READ, MAP_PRIVATE, in, 0);
  outputs = mmap(0, count * sizeof(struct output), PROT_READ | PROT_WRITE, MAP_SHARED, out, 0);
  if (mmap((void *)CODE_PAGE, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0) != (void *)CODE_PAGE) return 2;
  if (mmap((void *)DATA_PAGE, DATA_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0) != (void *)DATA_PAGE) return 2;
  if (syscall(SYS_arch_prctl, ARCH_SET_GS, GS_BASE)) return 2;
  stack_t stack = { .ss_sp = malloc(1 << 16), .ss_size = 1 << 16 };
  sigaltstack(&stack, 0);
  struct sigaction action = { .sa_sigaction = handler, .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER };
  const int signals[] = { SIGTRAP, SIGSEGV, SIGFPE, SIGILL, SIGBUS };
  for (int n = 0; n < 5; n++) sigaction(signals[n], &action, 0);
  raise(SIGTRAP);
  return 1;
}
