import pytest

from attnviz.models.weights.transfer import RetryPolicy, TryAgain, Unreachable, keep_trying


@pytest.fixture
def waits(monkeypatch):
    found = []
    monkeypatch.setattr("time.sleep", found.append)
    return found


def failing(error, times):
    calls = []

    def attempt():
        calls.append(None)
        if len(calls) <= times:
            raise error

    attempt.calls = calls
    return attempt


def test_each_wait_is_twice_as_long_up_to_half_a_minute(waits):
    attempt = failing(TryAgain("busy"), 8)
    keep_trying(attempt, RetryPolicy(retries=8, first_wait=1.0))
    assert waits == [1, 2, 4, 8, 16, 30, 30, 30]


def test_after_the_last_attempt_the_reason_is_told(waits):
    attempt = failing(TryAgain("busy"), 9)
    with pytest.raises(TryAgain, match="busy"):
        keep_trying(attempt, RetryPolicy(retries=2))
    assert (len(attempt.calls), len(waits)) == (3, 2)


def test_without_a_connection_there_is_no_third_attempt(waits):
    attempt = failing(Unreachable("no route"), 9)
    with pytest.raises(Unreachable):
        keep_trying(attempt, RetryPolicy(retries=5))
    assert len(attempt.calls) == 2


def test_other_errors_end_it_at_once(waits):
    attempt = failing(ZeroDivisionError(), 9)
    with pytest.raises(ZeroDivisionError):
        keep_trying(attempt, RetryPolicy())
    assert (len(attempt.calls), waits) == (1, [])
