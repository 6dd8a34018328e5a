"""What the engine of runs survives: real processes, killed, paused, starved and lied to."""
