"""Networks: each function builds one for the shape ``in_shape`` of a sample and ``num_classes`` outputs."""
