"""
A sine
======

Placeholder.
"""

print("x")
