/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_CLI_KVM_NOTES_H
#define RJ_CLI_KVM_NOTES_H
/* What a save or a load had to leave out, for people: "vcpu 0: MSR 0x6e0 not
 * loaded; ...". Zeroed is empty; what does not fit ends in "...". */
#include "util/compiler.h"

struct rj_kvm_notes {
	char text[1024];
};

/* `notes` may be NULL. */
RJ_PRINTF(2, 3)
void rj_kvm_note(struct rj_kvm_notes *notes, const char *format, ...);
#endif
