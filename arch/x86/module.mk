# The x86 half of the core.

# Pure logic, compiled for the host too. ------------------------------------------------------------
CORE_SRC += arch/x86/vmx/control.c arch/x86/vmx/exit_reason.c arch/x86/vmx/bitmap.c \
	arch/x86/vmx/cr3_target.c arch/x86/vmx/root_table.c arch/x86/mtrr.c arch/x86/ept.c \
	arch/x86/cpuid_policy.c

UNIT_TESTS += test_control test_bitmap test_mtrr test_ept
test_control_SRC := tests/unit/test_control.c arch/x86/vmx/control.c arch/x86/vmx/exit_reason.c
test_bitmap_SRC := tests/unit/test_bitmap.c arch/x86/vmx/bitmap.c
test_mtrr_SRC := tests/unit/test_mtrr.c arch/x86/mtrr.c
test_ept_SRC := tests/unit/test_ept.c arch/x86/ept.c arch/x86/mtrr.c hv/format.c
