"""From settings to objects: data, network, loss, optimizer, callbacks and trainer."""
