module adder (input clk, input rst, input [3:0] given, output reg [3:0] total);
  wire [3:0] _00_;
  wire [3:0] stepped;
  assign _00_ = total ^ {given[0], given[3:1]};
  assign stepped = (given & _00_) + 4'd3;
  always @(posedge clk) begin
    if (rst) total <= 4'd0;
    else total <= total + stepped;
  end
endmodule
module toy (input clk, input rst, input [3:0] in, output wire [3:0] out);
  reg [3:0] held;
  always @(posedge clk) held <= in;
  adder part (.clk(clk), .rst(rst), .given(held), .total(out));
endmodule
module scan_wrapper (input clk, input rst, input scan_in, input load, output reg scan_out);
  reg [4:0] shift_in;
  wire [3:0] seen;
  always @(posedge clk) begin
    shift_in <= {shift_in, scan_in};
    scan_out <= load ? seen[3] : ^seen[2:0];
  end
  toy core (.clk(clk), .rst(rst), .in(shift_in[4:1]), .out(seen));
endmodule
