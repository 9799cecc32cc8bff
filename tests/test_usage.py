"""Usage: sums, and tokens that nobody counted."""

from prmlab.usage import Usage


def test_usage_is_a_sum():
    assert Usage(1, 2, 3, 4, 5, 6.0) + Usage(1, 1, 1, 1, 1, 1.0) == Usage(2, 3, 4, 5, 6, 7.0)
    assert Usage(5, 5, 5, 5, 5, 5.0, 5) - Usage(1, 2, 3, 4, 5, 1.0, 3) == Usage(4, 3, 2, 1, 0, 4.0, 2)


def test_tokens_are_unknown_where_a_server_did_not_count():
    assert Usage(prompt_tokens=2, new_tokens=3, merged=2).policy_tokens == 5
    assert Usage(prompt_tokens=2, new_tokens=3, uncounted=1).policy_tokens is None
