"""What all tests share."""

collect_ignore = ["data"]  # samples, not tests
