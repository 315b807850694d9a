# The x86 half of the core.

# Pure logic, compiled for the host too. ------------------------------------------------------------
CORE_SRC += arch/x86/vmx/control.c arch/x86/vmx/exit_reason.c arch/x86/vmx/bitmap.c \
	arch/x86/vmx/cr3_target.c arch/x86/mtrr.c arch/x86/ept.c arch/x86/cpuid_policy.c

UNIT_TESTS += test_control test_bitmap test_mtrr test_ept test_cpuid test_cr3
test_control_SRC := tests/unit/test_control.c arch/x86/vmx/control.c arch/x86/vmx/exit_reason.c
test_bitmap_SRC := tests/unit/test_bitmap.c arch/x86/vmx/bitmap.c
test_mtrr_SRC := tests/unit/test_mtrr.c arch/x86/mtrr.c
test_ept_SRC := tests/unit/test_ept.c arch/x86/ept.c arch/x86/mtrr.c hv/format.c
test_cpuid_SRC := tests/unit/test_cpuid.c arch/x86/cpuid_policy.c
test_cr3_SRC := tests/unit/test_cr3.c arch/x86/vmx/cr3_target.c

# The machine half. ----------------------------------------------------------------------------------
CORE_SRC += arch/x86/entry.S arch/x86/fault.c arch/x86/machine.c arch/x86/paging.c arch/x86/string.c \
	arch/x86/tables.c arch/x86/uart.c \
	arch/x86/vmx/cr_exit.c arch/x86/vmx/enable.c arch/x86/vmx/entry_failure.c arch/x86/vmx/event.c \
	arch/x86/vmx/exit.c arch/x86/vmx/hook.c arch/x86/vmx/memory.c arch/x86/vmx/msr_exit.c arch/x86/vmx/pin.c \
	arch/x86/vmx/power_exit.c arch/x86/vmx/sentry_vm.c arch/x86/vmx/state.c
CORE_HOT += arch/x86/vmx/exit.c arch/x86/vmx/cr_exit.c arch/x86/vmx/cr3_target.c \
	arch/x86/cpuid_policy.c
