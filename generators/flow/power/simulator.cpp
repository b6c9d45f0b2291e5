// A netlist through recorded cycles: values, what is known from X, and counts of what changed.
//
// A net is a byte: bit 0 its value, bit 1 set while the value is not known (X, spread as a
// simulator spreads it). Values of unknown nets are those of a random start, so counts are of one
// possible run. No delays: in every cycle a net changes once or not at all.
#include <cstdint>
#include <cstring>
#include <vector>

namespace {

struct Circuit {
    int32_t gates;              // gates, in order of evaluation, then flip-flops
    int32_t all;
    const int32_t *inputs;      // nets of all instances' inputs, one after another
    const int32_t *input_at;    // instance -> its first input; one more than instances
    const int32_t *outputs;
    const int32_t *output_at;
    const uint64_t *tables;     // of outputs
    const uint64_t *following;  // of flip-flops: next state, clear, preset
    const int64_t *counts_at;   // instance -> its counters
};

uint64_t row(const Circuit &c, const uint8_t *nets, int i, unsigned &unknown) {
    unsigned index = 0, bit = 0;
    unknown = 0;
    for (int32_t at = c.input_at[i]; at < c.input_at[i + 1]; at++, bit++) {
        const uint8_t net = nets[c.inputs[at]];
        index |= unsigned(net & 1) << bit;
        unknown |= unsigned(net >> 1) << bit;
    }
    return index;
}

// value of a table in a row of which some inputs are unknown
uint8_t look(uint64_t table, uint64_t index, unsigned unknown) {
    const uint8_t value = table >> index & 1;
    for (unsigned some = unknown; some; some = (some - 1) & unknown)
        if ((table >> (index ^ some) & 1) != value)
            return value | 2;
    return value;
}

}  // namespace

extern "C" {

// stimulus: cycles x in_count bytes of 0 and 1; seen: cycles x out_count net bytes.
// toggles: of nets. counters of an instance with n variables and m outputs: rows that it was in
// (2^n), toggles of each variable by new row (n * 2^n), toggles of each output by variable and
// new row (m * n * 2^n, in sixtieths). Counted are cycles from .. cycles - 1 against those before.
int run(int32_t gates, int32_t all, const int32_t *inputs, const int32_t *input_at,
        const int32_t *outputs, const int32_t *output_at, const uint64_t *tables,
        const uint64_t *following, const int64_t *counts_at, int32_t nets, uint64_t seed,
        int64_t cycles, int64_t from, int32_t in_count, const int32_t *in_nets,
        const uint8_t *stimulus, int32_t out_count, const int32_t *out_nets, uint8_t *seen,
        uint64_t *toggles, uint32_t *counters) {
    const Circuit c{gates, all, inputs, input_at, outputs, output_at, tables, following, counts_at};
    std::vector<uint8_t> net(nets, 2), before(nets, 2), state(all, 2), old(all, 2);
    std::vector<uint8_t> rows(all), last(all);
    net[0] = 0;
    net[1] = 1;
    for (int i = gates; i < all; i++) {
        seed ^= seed << 13, seed ^= seed >> 7, seed ^= seed << 17;
        state[i] = 2 | (seed >> 20 & 1);
    }
    auto show = [&](int i) {            // a flip-flop's outputs: functions of its state alone
        const int n = c.input_at[i + 1] - c.input_at[i];
        for (int32_t at = c.output_at[i]; at < c.output_at[i + 1]; at++)
            if (c.outputs[at] >= 0)
                net[c.outputs[at]] = look(c.tables[at], uint64_t(state[i] & 1) << n,
                                          unsigned(state[i] >> 1) << n);
    };
    for (int64_t cycle = 0; cycle < cycles; cycle++) {
        for (int k = 0; k < in_count; k++)
            net[in_nets[k]] = stimulus[cycle * in_count + k];
        for (int i = gates; i < all; i++)
            show(i);
        for (int pass = 0;; pass++) {
            if (pass == 8)
                return 1;               // asynchronous resets that do not settle
            unsigned unknown;
            for (int i = 0; i < gates; i++) {
                const uint64_t index = row(c, net.data(), i, unknown);
                rows[i] = uint8_t(index);
                for (int32_t at = c.output_at[i]; at < c.output_at[i + 1]; at++)
                    if (c.outputs[at] >= 0)
                        net[c.outputs[at]] = look(c.tables[at], index, unknown);
            }
            bool changed = false;
            for (int i = gates; i < all; i++) {
                const uint64_t *const f = c.following + 3 * int64_t(i - gates);
                const int n = c.input_at[i + 1] - c.input_at[i];
                uint64_t index = row(c, net.data(), i, unknown);
                index |= uint64_t(state[i] & 1) << n;
                unknown |= unsigned(state[i] >> 1) << n;
                rows[i] = uint8_t(index);
                if (!(f[1] | f[2]))
                    continue;
                const uint8_t clear = look(f[1], index, unknown), preset = look(f[2], index, unknown);
                const uint8_t now = clear == 1 ? 0 : preset == 1 ? 1
                    : (clear | preset) & 2 ? state[i] | 2 : state[i];
                if (now != state[i]) {
                    state[i] = now;
                    show(i);
                    changed = true;
                }
            }
            if (!changed)
                break;
        }
        for (int k = 0; k < out_count; k++)
            seen[cycle * out_count + k] = net[out_nets[k]];
        if (cycle >= from) {
            for (int k = 2; k < nets; k++)
                toggles[k] += (net[k] ^ before[k]) & 1;
            for (int i = 0; i < all; i++) {
                const int flip_flop = i >= gates;
                const int n = c.input_at[i + 1] - c.input_at[i] + flip_flop, size = 1 << n;
                uint32_t *const mine = counters + c.counts_at[i];
                const unsigned now = rows[i], changed = now ^ last[i];
                mine[now]++;
                if (!changed)
                    continue;
                for (int k = 0; k < n; k++)
                    if (changed >> k & 1)
                        mine[size * (1 + k) + now]++;
                const int count = flip_flop ? 1 : __builtin_popcount(changed);
                int64_t place = int64_t(size) * (1 + n);
                for (int32_t at = c.output_at[i]; at < c.output_at[i + 1]; at++, place += size * n)
                    if ((c.tables[at] >> now ^ c.tables[at] >> last[i]) & 1)
                        for (int k = flip_flop ? n - 1 : 0; k < n; k++)
                            if (changed >> k & 1)
                                mine[place + int64_t(size) * k + now] += 60 / count;
            }
        }
        std::swap(rows, last);
        std::memcpy(before.data(), net.data(), nets);
        for (int i = gates; i < all; i++) {     // the clock edge: all at once
            const uint64_t *const f = c.following + 3 * int64_t(i - gates);
            const int n = c.input_at[i + 1] - c.input_at[i];
            unsigned unknown;
            uint64_t index = row(c, net.data(), i, unknown) | uint64_t(state[i] & 1) << n;
            unknown |= unsigned(state[i] >> 1) << n;
            const uint8_t clear = look(f[1], index, unknown), preset = look(f[2], index, unknown);
            old[i] = clear == 1 ? 0 : preset == 1 ? 1 : look(f[0], index, unknown);
        }
        for (int i = gates; i < all; i++)
            state[i] = old[i];
    }
    return 0;
}
}
