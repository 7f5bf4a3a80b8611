"""Packed data: shards on a disk or behind an address, which are read in parts, so that data may be larger than memory.

``fastrun data pack`` makes a folder of shards in the format of litdata and a manifest; ``data=stream`` trains on it.
"""
