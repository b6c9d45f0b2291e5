"""One build or one run with cocotb's runner, in a process of its own.

``python -m lowbit.generators.flow.cocotb_job JOB.json``: the runner changes environment variables,
prints, and behaves differently under pytest; a child process keeps all of that away from the
caller. ``simulate.py`` writes the job and reads what it leaves.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

__all__ = ["main"]

#: dumps all signals to the file named by +lowbit_waves=FILE (Icarus; Verilator does it itself)
_DUMPER = """module lowbit_waves;
  reg [8*1024-1:0] name;
  initial if ($value$plusargs("lowbit_waves=%s", name)) begin
    $dumpfile(name);
    $dumpvars(0, {top});
  end
endmodule
"""


def main(path: str) -> None:
    from cocotb_tools import runner as cocotb_runner

    job = json.loads(Path(path).read_text())
    runner = cocotb_runner.get_runner(job["simulator"])
    build_dir, top = Path(job["build_dir"]), job["top"]
    icarus = job["simulator"] == "icarus"
    if job["action"] == "build":
        sources, arguments = [build_dir / "design.v"], list(job["build_args"])
        if not icarus:
            sources.insert(0, build_dir / "visible.vlt")
        if icarus and job["waves"]:
            sources.append(build_dir / "waves.v")
            sources[-1].write_text(_DUMPER.format(top=top))
            arguments += ["-s", "lowbit_waves"]
        runner.build(sources=sources, hdl_toplevel=top, build_dir=build_dir, always=True,
                     build_args=arguments, timescale=("1ns", "1ps"),
                     waves=job["waves"] and not icarus)
    else:
        runner.test(test_module=job["bench"], hdl_toplevel=top, hdl_toplevel_lang="verilog",
                    build_dir=build_dir, test_dir=job["run_dir"], seed=job["seed"],
                    plusargs=job["plusargs"], extra_env=job["environment"],
                    results_xml=str(Path(job["run_dir"]) / "results.xml"),
                    waves=job["waves"] and not icarus)


if __name__ == "__main__":
    main(sys.argv[1])
