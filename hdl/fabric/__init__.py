"""What designs of every family are put together with: streams, operand buffers, systolic arrays."""
