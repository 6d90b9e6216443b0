"""The plugin layer: hook specifications, discovery of modules, and the built-in modules."""
