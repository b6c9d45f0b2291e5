// The bus of the native simulation with a master that breaks a rule: argv[1] says which. Prints what
// the bus says of it, and what memory and responses are.
//
// SPDX-License-Identifier: Apache-2.0
#include <cstdio>
#include <cstdlib>

#include "bus.h"

struct Master {
    uint64_t m_axi_araddr = 0, m_axi_awaddr = 0, m_axi_rdata = 0, m_axi_wdata = 0;
    uint8_t m_axi_arlen = 0, m_axi_awlen = 0, m_axi_wstrb = 255;
    uint8_t m_axi_arvalid = 0, m_axi_awvalid = 0, m_axi_wvalid = 0, m_axi_rready = 1;
    uint8_t m_axi_bready = 1, m_axi_wlast = 0;
    uint8_t m_axi_arready, m_axi_awready, m_axi_wready;
    uint8_t m_axi_rvalid, m_axi_rlast, m_axi_rresp, m_axi_bvalid, m_axi_bresp;
};

int main(int, char** argv) {
    const int rule = std::atoi(argv[1]);
    static uint8_t memory[8192];
    for (int i = 0; i < 8192; i++) memory[i] = i / 8;
    Mood mood(1);
    Bus<Master> bus(memory, sizeof memory, mood);
    bus.latency = 3;
    bus.restart();
    Master top;
    uint64_t now = 0;
    auto cycle = [&](bool ready = true) {
        bus.drive(top, now);
        if (!ready) top.m_axi_arready = top.m_axi_awready = top.m_axi_wready = 0;
        bus.sample(top, now++);
    };
    if (rule == 0) {        // right: two beats are written before their address, then read
        top.m_axi_wvalid = 1, top.m_axi_wdata = 0x1111111111111111, cycle(false), cycle();
        top.m_axi_wdata = 0x2222222222222222, top.m_axi_wstrb = 15, top.m_axi_wlast = 1, cycle();
        top.m_axi_wvalid = 0;
        top.m_axi_awaddr = 4096 - 16, top.m_axi_awlen = 1, top.m_axi_awvalid = 1, cycle();
        top.m_axi_awvalid = 0;
        const uint64_t from = now;
        while (!top.m_axi_bvalid) cycle();
        std::printf("b %d after %d\n", top.m_axi_bresp, int(now - from));
        top.m_axi_araddr = 4096 - 16, top.m_axi_arlen = 1, top.m_axi_arvalid = 1, cycle();
        top.m_axi_araddr = 8192, top.m_axi_arlen = 0, cycle();
        top.m_axi_arvalid = 0;
        for (int beats = 0; beats < 3;) {
            cycle();
            if (top.m_axi_rvalid) {
                std::printf("r %016llx %d %d\n", (unsigned long long)top.m_axi_rdata,
                            top.m_axi_rresp, top.m_axi_rlast);
                beats++;
            }
        }
    }
    top.m_axi_araddr = rule == 1 ? 4096 - 8 : rule == 2 ? 12 : 64;
    top.m_axi_arlen = rule == 1;
    top.m_axi_arvalid = rule >= 1 && rule <= 4;
    cycle(rule < 3);
    if (rule == 3) top.m_axi_araddr = 128;
    if (rule == 4) top.m_axi_arvalid = 0;
    top.m_axi_awvalid = top.m_axi_wvalid = rule >= 5;
    top.m_axi_wlast = 0;
    cycle(rule < 6);
    if (rule == 6) top.m_axi_wdata++;
    if (rule == 7) top.m_axi_wvalid = 0;
    if (rule >= 6) cycle();
    std::printf("%s\n", bus.problem ? bus.problem : "right");
}
