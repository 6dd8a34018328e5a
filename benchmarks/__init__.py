"""Claims of speed and quality, for anyone to run again."""
