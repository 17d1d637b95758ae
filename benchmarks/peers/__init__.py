"""How each peer is called: a module a peer, which lists its ways in `ADAPTERS` by workload.

An adapter is `make(task) -> Runner`. It imports its library itself, so that a peer that is not
installed costs one line of the result and no more.
"""
