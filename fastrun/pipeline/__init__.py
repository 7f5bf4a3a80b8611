"""From samples to batches on the device.

All pipelines yield the same batches for the same seed: the order of an epoch and the draws of its augmentation depend
on the seed and the epoch alone (:mod:`fastrun.pipeline.order`). They differ in what that costs.
"""
