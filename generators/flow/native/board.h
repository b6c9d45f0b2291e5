/* A Verilated accelerator with memory and both of its buses: what programs call.
 *
 * Functions that may fail return a negative number then, and board_message says why.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef LOWBIT_BOARD_H
#define LOWBIT_BOARD_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct board;

/* An accelerator after reset. Its memory is the caller's: `size` bytes from address 0 on, beyond
 * them the bus answers with DECERR. `latency`: cycles from an address to its first beat, and from
 * a write's last beat to its response. Of 1000 times that a channel could move, it stalls
 * `stall_permille` times (0 to 999). Registers start with random bits of `seed`, 0 for zeros. */
struct board *board_create(uint8_t *memory, uint64_t size, uint32_t latency,
                           uint32_t stall_permille, uint32_t seed);
void board_destroy(struct board *board);

/* Reset; what was on its way on the buses is forgotten. */
int board_reset(struct board *board);

/* Registers, through AXI4-Lite. */
int board_write(struct board *board, uint32_t offset, uint32_t value);
int board_read(struct board *board, uint32_t offset, uint32_t *value);

/* Run until the interrupt: 1; 0 if it has not come after `limit` cycles. */
int board_run(struct board *board, uint64_t limit);
int board_irq(const struct board *board);

/* Other latency and stalls from now on. */
int board_timing(struct board *board, uint32_t latency, uint32_t stall_permille);

/* Beats at addresses from `first` up to, not including, `end` answer with SLVERR. */
void board_fail(struct board *board, uint64_t first, uint64_t end);

uint64_t board_cycles(const struct board *board);   /* since board_create */
const char *board_message(const struct board *board);

#ifdef __cplusplus
}
#endif

#endif
