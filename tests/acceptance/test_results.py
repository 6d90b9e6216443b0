"""The sample module results (a distribution's): a failure as a value."""

from __future__ import annotations

from typing import Any

import pytest

from logoscore import Core, LogosResult
from logoscore.errors import StateError


@pytest.fixture(scope="module")
def results(shared_core: Core) -> Any:
    return shared_core.load_plugin("results")


def test_success(results: Any) -> None:
    answer = results.call("success")
    assert type(answer) is LogosResult
    assert answer.success is True
    assert answer.value == "it worked"
    assert answer.error is None
    assert bool(answer) is True


def test_error_is_a_value_not_an_exception(results: Any) -> None:
    answer = results.call("error")
    assert type(answer) is LogosResult
    assert answer.success is False
    assert answer.error == "deliberate error for testing"
    assert bool(answer) is False


def test_value_of_a_failure_raises(results: Any) -> None:
    answer = results.call("error")
    with pytest.raises(StateError, match="deliberate error for testing"):
        _ = answer.value
    assert answer.value_or("instead") == "instead"


def test_with_map(results: Any) -> None:
    assert results.call("with_map").value == {"name": "logos", "count": 3, "nested": {"deep": [1, 2]}}


def test_with_list(results: Any) -> None:
    value = results.call("with_list").value
    assert value == ["a", 1, None, [True]]
    assert value[3][0] is True


def test_with_nothing(results: Any) -> None:
    answer = results.call("with_nothing")
    assert answer.success is True
    assert answer.value is None


@pytest.mark.parametrize(("text", "success"), [("", False), ("something", True), (" ", True)])
def test_validate_input(results: Any, text: str, success: bool) -> None:
    answer = results.call("validate_input", text)
    assert answer.success is success
    if success:
        assert answer.value == f"valid: {text}"
    else:
        assert answer.error == "input must not be empty"


def test_inside_a_container(results: Any) -> None:
    assert results.call("inside_a_list") == [LogosResult.ok(1), LogosResult.fail("second")]


def test_as_an_argument(results: Any) -> None:
    assert results.call("describe", LogosResult.ok([1, 2])) == "ok [1, 2]"
    assert results.call("describe", LogosResult.fail("no luck")) == "failed 'no luck'"
