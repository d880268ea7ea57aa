"""What users of Mephisto 1.x bring, tried on a checkout of it: see `checkout`."""
