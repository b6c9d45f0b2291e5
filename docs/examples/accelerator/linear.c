/* One linear layer on a simulated accelerator: three rows times a matrix of 2-bit weights.
 *
 * accel.h is what `gen accel -o accel.v` writes beside the Verilog, and all that this program knows
 * of the design; board.h is the simulation (lowbit/generators/flow/native). On hardware the
 * functions `put` and `get` are accesses to mapped registers, and nothing else changes.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "accel.h"
#include "board.h"

enum {
    ROWS = 3, BITS = 2, BLOCK = ACCEL_BLOCK,
    N = ACCEL_CAP0_N_VALUE, K = ACCEL_CAP0_K_VALUE, CHAINS = ACCEL_CAP1_CHAINS_VALUE,
    BEAT = K * ACCEL_CAP1_GROUPS_VALUE,         /* activations of a step */
    DRAIN = N / CHAINS,
    LOG_STEPS = 3, STEPS = 1 << LOG_STEPS,      /* one group with a scale of its own */
    INPUTS = BEAT * STEPS,
    /* places in memory; a row begins at a multiple of 64 bytes */
    X_PITCH = (2 * INPUTS + BLOCK - 1) / BLOCK, Y_PITCH = (4 * N + BLOCK - 1) / BLOCK,
    PROGRAM = 0, X = 0x1000, W = 0x2000, S = 0x8000, Y = 0xC000, MEMORY = 0x10000
};

static uint8_t memory[MEMORY];
static struct board *device;

static void put(uint32_t offset, uint32_t value)
{
    if (board_write(device, offset, value) < 0)
        printf("register %#x: %s\n", (unsigned)offset, board_message(device));
}

static uint32_t get(uint32_t offset)
{
    uint32_t value = 0;
    if (board_read(device, offset, &value) < 0)
        printf("register %#x: %s\n", (unsigned)offset, board_message(device));
    return value;
}

/* The data of the layer, and FP16 of a small integer. */
static int activation(int row, int i) { return (5 * row + 3 * i) % 17 - 8; }
static int weight(int column, int i) { return (7 * column + i * i) % 4 - 2; }

static uint16_t half(int value)
{
    unsigned magnitude = (unsigned)(value < 0 ? -value : value), exponent = 25;
    if (!magnitude)
        return 0;
    for (; magnitude < 1024; exponent--)
        magnitude <<= 1;
    return (uint16_t)((value < 0) << 15 | exponent << 10 | (magnitude & 1023));
}

static void little_endian(size_t at, uint32_t value, int bytes)
{
    for (int i = 0; i < bytes; i++)
        memory[at + (size_t)i] = (uint8_t)(value >> 8 * i);
}

/* For each step and plane a word: K bits a column and table, in the order of the core's columns. A
 * half table has the entries whose last activation is added; the top bit says to negate one. */
static size_t pack_weights(void)
{
    size_t bit = 0;
    for (int step = 0; step < STEPS; step++)
        for (int plane = 0; plane < BITS; plane++)
            for (int place = 0; place < N; place++) {
                int column = place % DRAIN * CHAINS + place / DRAIN;
                for (int table = 0; table < BEAT / K; table++) {
                    unsigned pattern = 0;
                    for (int i = 0; i < K; i++) {
                        int code = weight(column, step * BEAT + table * K + i) + (1 << (BITS - 1));
                        pattern |= (unsigned)(code >> plane & 1) << i;
                    }
                    if (!(pattern >> (K - 1)))
                        pattern ^= (1u << K) - 1;
                    else
                        pattern ^= 1u << (K - 1);
                    for (int i = 0; i < K; i++, bit++)
                        memory[W + bit / 8] |= (uint8_t)((pattern >> i & 1) << bit % 8);
                }
            }
    return (bit / 8 + BLOCK - 1) / BLOCK;
}

static uint32_t write_program(uint32_t weight_blocks)
{
    uint32_t code[6][ACCEL_INSTRUCTION_WORDS];
    accel_lda(code[0], 0, 0, X / BLOCK, ROWS, STEPS, LOG_STEPS, 0, X_PITCH);
    accel_ldw(code[1], 0, 0, W / BLOCK, weight_blocks, 0);
    accel_lds(code[2], ACCEL_PUSH_NEXT, 0, S / BLOCK, (2 * N + BLOCK - 1) / BLOCK, 0);
    accel_lmma(code[3], ACCEL_POP_PREV | ACCEL_PUSH_NEXT, 0, STEPS, 0, 0, 0,
               (ROWS + ACCEL_CAP0_M_VALUE - 1) / ACCEL_CAP0_M_VALUE, 1, LOG_STEPS, BITS - 1,
               1 /* signed codes */, 0, 1, 0);
    accel_st(code[4], ACCEL_POP_PREV, 1, 0, ROWS, 0, DRAIN, Y_PITCH, 0);
    accel_end(code[5], 0, 1);
    for (int i = 0; i < 6; i++)
        for (int word = 0; word < (int)ACCEL_INSTRUCTION_WORDS; word++)
            little_endian(PROGRAM + 16 * (size_t)i + 4 * (size_t)word, code[i][word], 4);
    return 6;
}

int main(void)
{
    int wrong = 0;
    for (int row = 0; row < ROWS; row++)
        for (int i = 0; i < INPUTS; i++)
            little_endian(X + (size_t)(row * X_PITCH * BLOCK + 2 * i), half(activation(row, i)), 2);
    for (int column = 0; column < N; column++)
        little_endian(S + 2 * (size_t)column, half(1), 2);
    uint32_t instructions = write_program((uint32_t)pack_weights());

    device = board_create(memory, MEMORY, 50, 0, 1);
    if (!device || get(ACCEL_ID) != ACCEL_ID_MAGIC_VALUE)
        return puts("no accelerator"), 2;
    put(ACCEL_PROG_LO, PROGRAM);
    put(ACCEL_PROG_LEN, instructions);
    put(ACCEL_BASE_LO + ACCEL_BASE_LO_STRIDE, Y);       /* base 1; base 0 is 0 after reset */
    put(ACCEL_CTRL, ACCEL_CTRL_START_MASK | ACCEL_CTRL_IRQ_EN_MASK);
    if (board_run(device, 100000) != 1)
        return printf("no interrupt: %s\n", board_message(device)), 2;
    uint32_t status = get(ACCEL_STATUS);
    if (status & ACCEL_STATUS_ERROR_MASK)
        return printf("error %u\n", (unsigned)(status >> ACCEL_STATUS_CODE_SHIFT)), 2;
    put(ACCEL_STATUS, ACCEL_STATUS_DONE_MASK);

    for (int row = 0; row < ROWS; row++)
        for (int column = 0; column < N; column++) {
            int sum = 0;
            float result;
            for (int i = 0; i < INPUTS; i++)
                sum += activation(row, i) * weight(column, i);
            memcpy(&result, &memory[Y + row * Y_PITCH * BLOCK + 4 * column], 4);
            wrong += result != (float)sum;
        }
    printf("%d x %d results, %d wrong, %u cycles, %u weight beats\n", ROWS, N, wrong,
           (unsigned)get(ACCEL_CYCLES), (unsigned)get(ACCEL_BEATS));
    board_destroy(device);
    return wrong != 0;
}
