"""What surrounds a computation: the process, its signals, progress, workers, caches."""
