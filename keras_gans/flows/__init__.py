"""What an invertible network computes beside its output, as functions: log-determinants, inverses, bits per dimension."""
