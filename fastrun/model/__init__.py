"""Networks: each function builds one for ``in_shape`` (without the batch) and ``num_classes``."""
