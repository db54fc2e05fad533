"""generalisation: how the risk over the law, of networks trained on few samples, depends on n, P and lambda."""
