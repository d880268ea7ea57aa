"""The list of all settings: what each does, and its default, in one place of the notebook."""

from __future__ import annotations

import pytest

import mephisto_nb as mnb
from mephisto_nb.errors import UnknownTypeError


def test_each_setting_has_a_default_and_says_what_it_does() -> None:
    found = mnb.settings()
    assert len(found) > 100
    assert (found["what_it_does"] != "").all()
    assert (found["default"] != "").all()
    named = found.set_index("setting")
    assert named.loc["mephisto.task.task_reward", "default"] == "required"
    assert named.loc["mephisto.task.minimum_hourly_pay", "default"] == "None"


def test_settings_are_found_by_a_word_of_name_or_description() -> None:
    assert "mephisto.task.minimum_hourly_pay" in set(mnb.settings("HOURLY")["setting"])
    assert "mephisto.task.minimum_hourly_pay" in set(mnb.settings("Prolific asks")["setting"])
    assert mnb.settings("zzz").empty


def test_settings_of_one_blueprint_leave_the_others_out() -> None:
    plugins = set(mnb.settings(blueprint="chat")["plugin"])
    assert {"chat", "gates", "external", "link", "local", "prolific", ""} == plugins
    with pytest.raises(UnknownTypeError, match="Did you mean 'chat'"):
        mnb.settings(blueprint="chatt")


def test_a_list_of_settings_is_shown_whole() -> None:
    shown = mnb.settings("mephisto.task")
    assert "..." not in repr(shown)
    assert "asks of researchers at least" in shown._repr_html_()


def test_settings_within_settings_are_among_them() -> None:
    found = mnb.settings("mephisto.provider.returned").set_index("setting")
    assert found.loc["mephisto.provider.returned.redirect", "plugin"] == "external"
    assert "https" in str(found.loc["mephisto.provider.returned.redirect", "what_it_does"])
