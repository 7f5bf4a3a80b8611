"""The Lightning callbacks of a run, in the order in which ``builders/callbacks.py`` lists them."""
