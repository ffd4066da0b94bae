"""Networks: their graph, cutting them into bundles, running a head or a tail."""
