// The memory behind an AXI4 bus, a template over the Verilated model: no two buses have ports of
// the same types. In-order, full rate, and it watches the master's side of the protocol.
//
// SPDX-License-Identifier: Apache-2.0
#ifndef LOWBIT_BUS_H
#define LOWBIT_BUS_H

#include <cstdint>
#include <cstring>
#include <deque>

static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "ports are copied to and from memory");

// Draws whether a channel stalls (xorshift; the same seed, the same run).
class Mood {
public:
    uint32_t permille = 0;

    explicit Mood(uint32_t seed) : state_(seed * 0x9E3779B97F4A7C15ull | 1) {}

    bool stalls() {
        if (!permille) return false;
        state_ ^= state_ << 13;
        state_ ^= state_ >> 7;
        state_ ^= state_ << 17;
        return (state_ >> 20) % 1000 < permille;
    }

private:
    uint64_t state_;
};

template <class Model>
class Bus {
    static constexpr uint64_t kBytes = sizeof(Model::m_axi_rdata);
    enum { OKAY = 0, SLVERR = 2, DECERR = 3 };

    struct Burst {
        uint64_t address;
        uint32_t beats;
        uint64_t when;      // cycle from which it may answer
    };
    struct Beat {
        uint8_t data[kBytes];
        uint64_t strobes;
        bool last;
    };
    struct Response {
        uint64_t when;
        int code;
    };

public:
    uint32_t latency = 0;
    uint64_t fail_first = 0, fail_end = 0;
    const char* problem = nullptr;      // what the master did wrong first

    Bus(uint8_t* memory, uint64_t size, Mood& mood) : memory_(memory), size_(size), mood_(mood) {}

    void restart() {
        reads_.clear(), writes_.clear(), beats_.clear(), responses_.clear();
        read_done_ = write_done_ = 0;
        verdict_ = OKAY;
        r_valid_ = b_valid_ = ar_waits_ = aw_waits_ = w_waits_ = false;
        problem = nullptr;
    }

    // Inputs of the cycle `now`, before its clock edge.
    void drive(Model& top, uint64_t now) {
        top.m_axi_arready = !mood_.stalls();
        top.m_axi_awready = !mood_.stalls();
        top.m_axi_wready = !mood_.stalls();
        if (!r_valid_ && !reads_.empty() && reads_.front().when <= now && !mood_.stalls()) {
            r_valid_ = true;
            const Burst& burst = reads_.front();
            const uint64_t at = burst.address + read_done_ * kBytes;
            const int code = response(at);
            if (code == OKAY) std::memcpy(&top.m_axi_rdata, memory_ + at, kBytes);
            else std::memset(&top.m_axi_rdata, 0xA5, kBytes);
            top.m_axi_rresp = code;
            top.m_axi_rlast = read_done_ + 1 == burst.beats;
        }
        top.m_axi_rvalid = r_valid_;
        if (!b_valid_ && !responses_.empty() && responses_.front().when <= now && !mood_.stalls()) {
            b_valid_ = true;
            top.m_axi_bresp = responses_.front().code;
        }
        top.m_axi_bvalid = b_valid_;
    }

    // What moves at the edge of the cycle `now`: outputs as they are just before it.
    void sample(Model& top, uint64_t now) {
        if (top.m_axi_arvalid) address(top.m_axi_araddr, top.m_axi_arlen, top.m_axi_arready,
                                       ar_waits_, ar_, reads_, now + latency + 1);
        else if (ar_waits_) broken("m_axi_arvalid fell before the address was taken");
        if (top.m_axi_awvalid) address(top.m_axi_awaddr, top.m_axi_awlen, top.m_axi_awready,
                                       aw_waits_, aw_, writes_, 0);
        else if (aw_waits_) broken("m_axi_awvalid fell before the address was taken");
        if (top.m_axi_wvalid) write_beat(top);
        else if (w_waits_) broken("m_axi_wvalid fell before the beat was taken");
        while (!beats_.empty() && !writes_.empty()) write(now);
        if (r_valid_ && top.m_axi_rready) {
            r_valid_ = false;
            if (++read_done_ == reads_.front().beats) {
                read_done_ = 0;
                reads_.pop_front();
            }
        }
        if (b_valid_ && top.m_axi_bready) {
            b_valid_ = false;
            responses_.pop_front();
        }
    }

private:
    void broken(const char* why) {
        if (!problem) problem = why;
    }

    int response(uint64_t at) const {
        if (at > size_ || size_ - at < kBytes) return DECERR;
        return at + kBytes > fail_first && at < fail_end ? SLVERR : OKAY;
    }

    void address(uint64_t at, uint32_t length, bool ready, bool& waits, Burst& waiting,
                 std::deque<Burst>& queue, uint64_t when) {
        const Burst burst{at, length + 1, when};
        if (waits && (waiting.address != at || waiting.beats != burst.beats))
            broken("an address changed while it waited");
        waiting = burst;
        waits = !ready;
        if (!ready) return;
        if (at % kBytes) broken("the address of a burst is not aligned to the bus");
        if (at / 4096 != (at + burst.beats * kBytes - 1) / 4096) broken("a burst crosses 4 KiB");
        queue.push_back(burst);
    }

    void write_beat(Model& top) {
        Beat beat;
        std::memcpy(beat.data, &top.m_axi_wdata, kBytes);
        beat.strobes = top.m_axi_wstrb;
        beat.last = top.m_axi_wlast;
        if (w_waits_ && (std::memcmp(beat.data, w_.data, kBytes) || beat.strobes != w_.strobes
                         || beat.last != w_.last)) broken("a beat changed while it waited");
        w_ = beat;
        w_waits_ = !top.m_axi_wready;
        if (top.m_axi_wready) beats_.push_back(beat);
    }

    void write(uint64_t now) {
        const Burst& burst = writes_.front();
        const Beat& beat = beats_.front();
        const uint64_t at = burst.address + write_done_ * kBytes;
        const int code = response(at);
        if (code > verdict_) verdict_ = code;
        if (code == OKAY)
            for (uint64_t i = 0; i < kBytes; i++)
                if (beat.strobes >> i & 1) memory_[at + i] = beat.data[i];
        const bool last = ++write_done_ == burst.beats;
        if (beat.last != last) broken("m_axi_wlast is not at the end of its burst");
        beats_.pop_front();
        if (!last) return;
        responses_.push_back({now + latency + 1, verdict_});
        writes_.pop_front();
        write_done_ = 0;
        verdict_ = OKAY;
    }

    uint8_t* memory_;
    uint64_t size_;
    Mood& mood_;
    std::deque<Burst> reads_, writes_;
    std::deque<Beat> beats_;
    std::deque<Response> responses_;
    uint32_t read_done_ = 0, write_done_ = 0;       // beats of the bursts in front
    int verdict_ = OKAY;
    bool r_valid_ = false, b_valid_ = false;
    bool ar_waits_ = false, aw_waits_ = false, w_waits_ = false;
    Burst ar_{}, aw_{};
    Beat w_{};
};

#endif
