"""The verbs of the command line, one a file: the first line of a module is its help, ``run(arguments)`` its code."""
