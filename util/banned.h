/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_UTIL_BANNED_H
#define RJ_UTIL_BANNED_H
/* Force-included into every file by meson: these never appear in ramjet. */
#if !defined(__cplusplus) && !defined(__ASSEMBLER__)
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#pragma GCC poison strcpy strcat sprintf vsprintf strtok gets atoi atol
#endif
#endif
