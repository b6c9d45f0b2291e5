// A netlist through recorded cycles: values, and counts of what changed.
//
// A net is a word of 64 runs with the same inputs, whose flip-flops start with 64 different random
// states. Run 0 is the one that is counted; a net on which all runs agree does not depend on the
// start. No delays: in every cycle a net changes once or not at all.
#include <cstdint>
#include <cstring>
#include <vector>

namespace {

using Word = uint64_t;

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

// the inputs of an instance (of a flip-flop also its state), and their rows
struct Inputs {
    int count = 0;
    unsigned row = 0;           // of run 0
    bool same = true;           // in all runs
    Word words[6];

    void add(Word word) {
        row |= unsigned(word & 1) << count;
        same &= word + (word & 1) == 0;
        words[count++] = word;
    }
};

Inputs take(const Circuit &c, const Word *nets, int i) {
    Inputs found;
    for (int32_t at = c.input_at[i]; at < c.input_at[i + 1]; at++)
        found.add(nets[c.inputs[at]]);
    return found;
}

Word look(uint64_t table, const Inputs &in) {
    if (in.same)
        return -(table >> in.row & 1);
    Word values[64];
    for (int row = 0; row < 1 << in.count; row++)
        values[row] = -(table >> row & 1);
    for (int k = in.count - 1; k >= 0; k--)
        for (int row = 0; row < 1 << k; row++)
            values[row] ^= (values[row] ^ values[row + (1 << k)]) & in.words[k];
    return values[0];
}

}  // namespace

extern "C" {

// stimulus: cycles x in_count bytes of 0 and 1; seen: cycles x out_count bytes, 0, 1, or 2 where
// it depends on the start. toggles: of nets. counters of an instance with n variables and m
// outputs: rows that it was in (2^n), toggles of each variable by new row (n * 2^n), toggles of
// each output by variable and new row (m * n * 2^n, in sixtieths). Counted are the cycles from
// .. cycles - 1, each against the one before it.
int run(int32_t gates, int32_t all, const int32_t *inputs, const int32_t *input_at,
        const int32_t *outputs, const int32_t *output_at, const uint64_t *tables,
        const uint64_t *following, const int64_t *counts_at, int32_t nets, uint64_t seed,
        int64_t cycles, int64_t from, int32_t in_count, const int32_t *in_nets,
        const uint8_t *stimulus, int32_t out_count, const int32_t *out_nets, uint8_t *seen,
        uint64_t *toggles, uint32_t *counters) {
    const Circuit c{gates, all, inputs, input_at, outputs, output_at, tables, following, counts_at};
    std::vector<Word> net(nets, 0), before(nets, 0), state(all, 0), next(all, 0);
    std::vector<uint8_t> rows(all), last(all);
    net[1] = ~Word(0);
    for (int i = gates; i < all; i++)
        for (int half = 0; half < 2; half++) {
            seed ^= seed << 13, seed ^= seed >> 7, seed ^= seed << 17;
            state[i] = state[i] << 32 | seed >> 32;
        }
    const auto show = [&](int i) {      // a flip-flop's outputs: functions of its state alone
        Inputs in;
        for (int32_t at = c.input_at[i]; at < c.input_at[i + 1]; at++)
            in.add(0);
        in.add(state[i]);
        for (int32_t at = c.output_at[i]; at < c.output_at[i + 1]; at++)
            if (c.outputs[at] >= 0)
                net[c.outputs[at]] = look(c.tables[at], in);
    };
    for (int64_t cycle = 0; cycle < cycles; cycle++) {
        for (int k = 0; k < in_count; k++)
            net[in_nets[k]] = -Word(stimulus[cycle * in_count + k]);
        for (int i = gates; i < all; i++)
            show(i);
        bool changed = true;
        for (int pass = 0; changed; pass++) {
            if (pass == 8)
                return 1;               // asynchronous resets that do not settle
            for (int i = 0; i < gates; i++) {
                const Inputs in = take(c, net.data(), i);
                rows[i] = uint8_t(in.row);
                for (int32_t at = c.output_at[i]; at < c.output_at[i + 1]; at++)
                    if (c.outputs[at] >= 0)
                        net[c.outputs[at]] = look(c.tables[at], in);
            }
            changed = false;
            for (int i = gates; i < all; i++) {
                const uint64_t *const f = c.following + 3 * int64_t(i - gates);
                Inputs in = take(c, net.data(), i);
                in.add(state[i]);
                rows[i] = uint8_t(in.row);
                const Word clear = f[1] ? look(f[1], in) : 0, preset = f[2] ? look(f[2], in) : 0;
                const Word now = (state[i] & ~clear) | preset;
                next[i] = (look(f[0], in) & ~clear) | preset;
                if (now != state[i]) {
                    state[i] = now;
                    show(i);
                    changed = true;
                }
            }
        }
        for (int k = 0; k < out_count; k++) {
            const Word word = net[out_nets[k]];
            seen[cycle * out_count + k] = word + (word & 1) == 0 ? word & 1 : 2;
        }
        if (cycle >= from) {
            for (int k = 2; k < nets; k++)
                toggles[k] += (net[k] ^ before[k]) & 1;
            for (int i = 0; i < all; i++) {
                const bool flip_flop = i >= gates;
                const int n = c.input_at[i + 1] - c.input_at[i] + flip_flop, size = 1 << n;
                uint32_t *const mine = counters + c.counts_at[i];
                const unsigned now = rows[i], change = now ^ last[i];
                mine[now]++;
                if (!change)
                    continue;
                for (int k = 0; k < n; k++)
                    if (change >> k & 1)
                        mine[size * (1 + k) + now]++;
                const int count = flip_flop ? 1 : __builtin_popcount(change);
                int64_t place = int64_t(size) * (1 + n);
                for (int32_t at = c.output_at[i]; at < c.output_at[i + 1]; at++, place += size * n)
                    if ((c.tables[at] >> now ^ c.tables[at] >> last[i]) & 1)
                        for (int k = flip_flop ? n - 1 : 0; k < n; k++)
                            if (change >> k & 1)
                                mine[place + int64_t(size) * k + now] += 60 / count;
            }
        }
        std::swap(rows, last);
        before = net;
        state = next;           // the clock edge: all at once
    }
    return 0;
}
}
