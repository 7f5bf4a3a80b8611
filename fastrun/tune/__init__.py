"""Measurements that choose a run's values and say where its time goes: what trains here is thrown away."""
