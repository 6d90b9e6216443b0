"""Apps, hosts and modules that end, hang, fork and crash at the worst moment."""
