import os
import threading
import time

from attnviz.models.weights.cache import home, locked


def test_the_cache_is_where_the_system_keeps_caches(monkeypatch):
    monkeypatch.delenv("ATTNVIZ_HOME")
    assert "attnviz" in home().name
    assert home().is_absolute()
    monkeypatch.setenv("ATTNVIZ_HOME", "~/elsewhere")
    assert str(home()) == os.path.expanduser("~/elsewhere")


def test_who_has_to_wait_is_told_once(tmp_path):
    told, order = [], []

    def second():
        with locked(tmp_path / "x", lambda: told.append("waiting")):
            order.append("second")

    thread = threading.Thread(target=second)
    with locked(tmp_path / "x", lambda: told.append("nobody has it")):
        thread.start()
        while not told:
            time.sleep(0.01)
        order.append("first")
    thread.join()
    assert (told, order) == (["waiting"], ["first", "second"])
