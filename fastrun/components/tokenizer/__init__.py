"""Tokenizers: how a text becomes whole numbers, which a network of text takes and predicts.

An option is a function that returns a trainer; see :mod:`fastrun.components.tokenizer.protocol`. None stands for
characters.
"""
