"""One module for each kind of trouble."""
