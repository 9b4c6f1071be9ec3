"""Modules that keep something outside their parameters, which their forward changes and later training depends on."""
