"""The command line: finding the verb, printing errors, and one file for each verb in ``commands``."""
