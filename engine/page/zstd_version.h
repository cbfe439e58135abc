/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_ENGINE_PAGE_ZSTD_VERSION_H
#define RJ_ENGINE_PAGE_ZSTD_VERSION_H
/* "1.5.4": the libzstd that is used; NULL: this was built without one. Static. */
const char *rj_zstd_version(void);
#endif
