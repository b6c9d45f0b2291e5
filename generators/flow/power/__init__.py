"""Power of a mapped netlist: cells from liberty files, simulation with toggle counts, energies.

functions    boolean functions as liberty files write them
liberty      groups of a liberty file, of the cells that a netlist has
cells        what simulation and power need of a cell: functions, loads, energies, leakage
models       Verilog models of cells, for a simulator
netlist      a mapped netlist as gates and nets
recording    a workload through the RTL, all ports of all cycles
activity     the netlist through the recorded cycles: outputs compared, toggles counted
energy       counts times energies
hierarchy    which instance of the design a gate serves
"""
