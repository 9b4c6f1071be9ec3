"""What a look measures: one diagnostic a measure, bound to a probe."""
