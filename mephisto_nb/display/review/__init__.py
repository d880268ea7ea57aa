"""The panel in which answers are reviewed: one after the other, with what speaks for and against each."""
