/*
 * Lets a User Mode Linux from before 6.9 run on a processor with AMX. It keeps 2.7 KiB of a
 * program's extended registers, and there the host's kernel takes back no less than all 11 KiB: the
 * first program would die of "ptrace set fp regs failed". Put before its C library by LD_PRELOAD, this
 * hands it the part that it has room for, and fills up with zeros what it gives back, which is the
 * initial state of tile registers that no program inside has been allowed to use.
 */
#define _GNU_SOURCE
#include <elf.h>
#include <stdarg.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

/* Not on the stack: a kernel's is small. One thread of it does all of this. */
static char whole[16384] __attribute__((aligned(64)));

static size_t smaller(size_t a, size_t b)
{
	return a < b ? a : b;
}

static long extended_registers(int request, int pid, struct iovec *part)
{
	struct iovec all = { whole, sizeof whole };
	long result;

	memset(whole, 0, sizeof whole);
	if (request == PTRACE_SETREGSET) {
		/* The host cuts the length to what it has. */
		memcpy(whole, part->iov_base, smaller(part->iov_len, sizeof whole));
		return syscall(SYS_ptrace, request, pid, NT_X86_XSTATE, &all);
	}
	result = syscall(SYS_ptrace, request, pid, NT_X86_XSTATE, &all);
	if (result == 0) {
		part->iov_len = smaller(part->iov_len, all.iov_len);
		memcpy(part->iov_base, whole, part->iov_len);
	}
	return result;
}

long ptrace(enum __ptrace_request request, ...)
{
	va_list rest;
	long word, result;
	int pid;
	void *address, *data;

	va_start(rest, request);
	pid = va_arg(rest, int);
	address = va_arg(rest, void *);
	data = va_arg(rest, void *);
	va_end(rest);

	switch (request) {
	case PTRACE_GETREGSET:
	case PTRACE_SETREGSET:
		if ((long)address == NT_X86_XSTATE)
			return extended_registers(request, pid, data);
		break;
	case PTRACE_PEEKTEXT:
	case PTRACE_PEEKDATA:
	case PTRACE_PEEKUSER:
		/* The C library returns the word; the system call stores it. */
		result = syscall(SYS_ptrace, request, pid, address, &word);
		return result == 0 ? word : result;
	default:
		break;
	}
	return syscall(SYS_ptrace, request, pid, address, data);
}
