// A Verilated accelerator (Vtop.h) with memory and both of its buses; board.h says what it offers.
// The build names the reset: LOWBIT_RESET is its port, LOWBIT_RESET_ACTIVE its level.
//
// SPDX-License-Identifier: Apache-2.0
#include "board.h"

#include <memory>

#include "Vtop.h"
#include "bus.h"
#include "verilated.h"

namespace {
constexpr int kAnswers = 100000;    // cycles after which registers do not answer
}

// What the register bus said just before the last edge.
struct Host {
    bool awready, wready, arready, bvalid, rvalid;
    int bresp, rresp;
    uint32_t rdata;
};

struct board {
    VerilatedContext context;
    std::unique_ptr<Vtop> top;
    Mood mood;
    Bus<Vtop> bus;
    Host host{};
    uint64_t now = 0;
    const char* message = "";

    board(uint8_t* memory, uint64_t size, uint32_t seed)
        : mood(seed), bus(memory, size, mood) {
        context.randReset(seed ? 2 : 0);
        if (seed & 0x7FFFFFFF) context.randSeed(static_cast<int>(seed & 0x7FFFFFFF));
        top.reset(new Vtop{&context, "top"});
    }

    ~board() { top->final(); }

    // One cycle; inputs of the register bus are set before. False: the protocol is broken.
    bool cycle() {
        top->clk = 0;
        bus.drive(*top, now);
        top->eval();
        bus.sample(*top, now);
        host = {bool(top->s_axi_awready), bool(top->s_axi_wready), bool(top->s_axi_arready),
                bool(top->s_axi_bvalid), bool(top->s_axi_rvalid), top->s_axi_bresp,
                top->s_axi_rresp, top->s_axi_rdata};
        top->clk = 1;
        top->eval();
        now++;
        if (bus.problem) message = bus.problem;
        return !bus.problem;
    }

    int fail(const char* why) {
        message = why;
        return -1;
    }
};

extern "C" {

board* board_create(uint8_t* memory, uint64_t size, uint32_t latency, uint32_t stall_permille,
                    uint32_t seed) {
    board* it = new board(memory, size, seed);
    if (board_timing(it, latency, stall_permille) < 0 || board_reset(it) < 0) {
        delete it;
        return nullptr;
    }
    return it;
}

void board_destroy(board* it) { delete it; }

int board_timing(board* it, uint32_t latency, uint32_t stall_permille) {
    if (stall_permille > 999) return it->fail("stall_permille must be 0 to 999");
    it->bus.latency = latency;
    it->mood.permille = stall_permille;
    return 0;
}

int board_reset(board* it) {
    Vtop& top = *it->top;
    top.s_axi_awvalid = top.s_axi_wvalid = top.s_axi_arvalid = 0;
    top.s_axi_bready = top.s_axi_rready = 0;
    it->bus.restart();
    top.LOWBIT_RESET = LOWBIT_RESET_ACTIVE;
    for (int i = 0; i < 4; i++) {
        // nothing counts that is on the buses before the reset has taken hold
        top.clk = 0, top.eval();
        top.m_axi_arready = top.m_axi_awready = top.m_axi_wready = 0;
        top.m_axi_rvalid = top.m_axi_bvalid = 0;
        top.clk = 1, top.eval();
        it->now++;
    }
    top.LOWBIT_RESET = !LOWBIT_RESET_ACTIVE;
    return 0;
}

int board_write(board* it, uint32_t offset, uint32_t value) {
    Vtop& top = *it->top;
    top.s_axi_awaddr = offset & 0xFFF;
    top.s_axi_wdata = value;
    top.s_axi_wstrb = 15;
    top.s_axi_awvalid = top.s_axi_wvalid = top.s_axi_bready = 1;
    for (int i = 0; i < kAnswers; i++) {
        if (!it->cycle()) return -1;
        if (it->host.awready) top.s_axi_awvalid = 0;
        if (it->host.wready) top.s_axi_wvalid = 0;
        if (it->host.bvalid) {
            top.s_axi_bready = 0;
            return it->host.bresp ? it->fail("a write to a register was refused") : 0;
        }
    }
    return it->fail("the registers do not answer");
}

int board_read(board* it, uint32_t offset, uint32_t* value) {
    Vtop& top = *it->top;
    top.s_axi_araddr = offset & 0xFFF;
    top.s_axi_arvalid = top.s_axi_rready = 1;
    for (int i = 0; i < kAnswers; i++) {
        if (!it->cycle()) return -1;
        if (it->host.arready) top.s_axi_arvalid = 0;
        if (it->host.rvalid) {
            top.s_axi_rready = 0;
            *value = it->host.rdata;
            return it->host.rresp ? it->fail("a read of a register was refused") : 0;
        }
    }
    return it->fail("the registers do not answer");
}

int board_run(board* it, uint64_t limit) {
    for (uint64_t i = 0; i < limit; i++) {
        if (it->top->irq) return 1;
        if (!it->cycle()) return -1;
    }
    return it->top->irq;
}

int board_irq(const board* it) { return it->top->irq; }

void board_fail(board* it, uint64_t first, uint64_t end) {
    it->bus.fail_first = first;
    it->bus.fail_end = end;
}

uint64_t board_cycles(const board* it) { return it->now; }

const char* board_message(const board* it) { return it->message; }

}  // extern "C"
