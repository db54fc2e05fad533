"""The tables of an experiment that no noun below it holds: the flow, the times, SGD."""
