/* SPDX-License-Identifier: Apache-2.0 */
/* What sad.c (slots and SPIs) and sad_api.c (install, move, remove, read) share.  Control thread. */
#pragma once

#include "sad.h"

/* A slot for an outbound SA; its handle is in force once sa->handle holds it.  NULL: all in use. */
struct sa_out *sad_out_take(uint32_t *handle);
/* The slot of a reserved SPI without SA: NULL with *err -EINVAL (not reserved) or -EBUSY (has an SA). */
struct sa_in *sad_in_take(uint32_t spi, int *err);
/* The install came to nothing: the SPI is reserved as before. */
void sad_in_untake(struct sa_in *sa);
/* Workers find it by this SPI from now on. */
void sad_in_publish(struct sa_in *sa, uint32_t spi);
/* Back to the free slots; the caller has wiped them. */
void sad_out_put(struct sa_out *sa);
void sad_in_put(struct sa_in *sa);
/* Free what an SA points to, and wipe it.  No worker holds it. */
void sad_out_wipe(struct sa_out *sa);
void sad_in_wipe(struct sa_in *sa);
