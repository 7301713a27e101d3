"""What an invertible network computes beside its output: log-determinants, inverses, bits per dimension."""
