// Board top for the ULX3S: the design behind the UART of the board's USB socket.
// SPDX-License-Identifier: Apache-2.0
module ulx3s (
  input  wire       clk_25mhz,
  input  wire       ftdi_txd,     // from the host
  output wire       ftdi_rxd,     // to the host
  input  wire       btn_fire1,    // reset
  output wire [7:0] led,
  output wire       wifi_gpio0    // high: the board's other processor leaves the FPGA alone
);
  // Reset for 15 cycles after configuration, which is the one time that an FPGA's registers have
  // a start value, and while the button is held (two registers against metastability).
  reg [3:0] awake = 4'd0;
  reg [1:0] button = 2'd0;
  wire rst = (awake != 4'd15) | button[1];
  wire busy;
  reg [23:0] blink = 24'd0;
  always @(posedge clk_25mhz) begin
    if (awake != 4'd15) awake <= awake + 4'd1;
    button <= {button[0], btn_fire1};
    blink <= blink + 24'd1;
  end
  uart_lut_core core (
    .clk(clk_25mhz), .rst(rst), .rx(ftdi_txd), .tx(ftdi_rxd), .busy(busy)
  );
  assign led = {blink[23], 5'd0, busy, ~ftdi_txd};
  assign wifi_gpio0 = 1'b1;
endmodule
