"""The rules: what happened, held against what is known, gives what follows. No I/O, no clock, no asyncio."""
