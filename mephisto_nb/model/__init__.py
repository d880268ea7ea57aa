"""Records, states, packets and changes: plain values."""
