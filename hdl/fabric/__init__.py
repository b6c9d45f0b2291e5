"""What designs of every family are put together with: streams between ports and datapath."""
