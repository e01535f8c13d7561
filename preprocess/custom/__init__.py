"""Own recordings, as a manifest names them."""
