"""The parts that a recipe chooses: ``conf/<group>/`` is built by ``components/<group>/``."""
