"""The joints of bodies: what files of data sets say of them."""
