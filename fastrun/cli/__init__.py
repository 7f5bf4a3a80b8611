"""The command line: the parser, what a terminal shows, and one file a verb in ``commands``."""
