"""The networks: one stream (`unimodal`), two streams (`fusion`), and the way to the reference's weights (`weights`)."""
