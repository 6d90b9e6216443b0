"""What cannot be called and what raises: each with its own class, and then a valid call works."""

from __future__ import annotations

import traceback
from typing import Any

import pytest

from acceptance.support import raises_remotely
from logoscore import Core
from logoscore.errors import (
    LogosError,
    ModuleNotLoadedError,
    NotInvokableError,
    RemoteError,
    SerializationError,
    StateError,
    UnknownMethodError,
    UnknownModuleError,
)


@pytest.fixture(scope="module")
def basic(shared_core: Core) -> Any:
    return shared_core.load_plugin("test_basic")


@pytest.fixture(scope="module")
def raiser(shared_core: Core) -> Any:
    return shared_core.load_plugin("raiser")


@pytest.mark.parametrize("name", ["no_such_module", "", "test_basic ", "Test_Basic", "../test_basic", "test\0basic"])
def test_unknown_module(shared_core: Core, basic: Any, name: str) -> None:
    with pytest.raises(UnknownModuleError) as caught:
        shared_core.get_client(name).call("return_int")
    assert caught.type is UnknownModuleError
    assert caught.value.module == name
    assert isinstance(caught.value, LookupError)
    assert basic.call("return_int") == 42


def test_load_of_an_unknown_module(shared_core: Core) -> None:
    with pytest.raises(UnknownModuleError, match="no_such_module") as caught:
        shared_core.load_plugin("no_such_module")
    assert caught.type is UnknownModuleError


def test_known_but_unloaded_module(shared_core: Core, basic: Any) -> None:
    with pytest.raises(ModuleNotLoadedError, match="d_top") as caught:
        shared_core.get_client("d_top").call("ping")
    assert isinstance(caught.value, UnknownModuleError)
    assert isinstance(caught.value, StateError)
    assert caught.value.module == "d_top"
    assert "d_top" not in shared_core.get_loaded_plugins()
    assert basic.call("return_int") == 42


@pytest.mark.parametrize("method", ["no_such_method", "", "returnInt", "return_int ", "echo.__class__"])
def test_unknown_method(basic: Any, method: str) -> None:
    with pytest.raises(UnknownMethodError) as caught:
        basic.call(method)
    assert caught.type is UnknownMethodError
    assert "test_basic" in str(caught.value)
    assert (caught.value.module, caught.value.method) == ("test_basic", method)
    assert isinstance(caught.value, AttributeError)
    assert basic.call("return_int") == 42


@pytest.mark.parametrize(
    "method", ["helper", "_secret", "init_logos", "__init__", "__class__", "__reduce__", "__getattribute__"]
)
def test_what_is_not_for_others(basic: Any, method: str) -> None:
    with pytest.raises(NotInvokableError) as caught:
        basic.call(method)
    assert isinstance(caught.value, UnknownMethodError)
    assert "test_basic" in str(caught.value)
    assert method in str(caught.value)
    assert basic.call("return_int") == 42


def test_submit_reports_the_same(basic: Any) -> None:
    with pytest.raises(NotInvokableError, match="helper"):
        basic.submit("helper").result(timeout=15)
    with pytest.raises(UnknownMethodError, match="no_such_method"):
        basic.submit("no_such_method").result(timeout=15)


@pytest.mark.parametrize(
    ("kind", "type_name", "message"),
    [
        ("value", "ValueError", "deliberate"),
        ("custom", "CustomError", "deliberate"),
        ("base", "OutsideError", "deliberate"),
        ("group", "ExceptionGroup", "deliberate"),
        ("stop", "StopIteration", "deliberate"),
        ("logos", "UnknownModuleError", "deliberate"),
        ("unpicklable", "CustomError", "lock"),
        ("bad_str", "BadStrError", "BadStrError"),
        ("bad_repr", "BadReprError", "BadReprError"),
    ],
)
def test_what_a_method_raises(raiser: Any, kind: str, type_name: str, message: str) -> None:
    with raises_remotely(type_name) as caught:
        raiser.call("fail", kind)
    error = caught.value
    assert type(error) is RemoteError
    assert (error.module, error.method) == ("raiser", "fail")
    assert message in str(error.message)
    for word in ("raiser", "fail", type_name, message):
        assert word in str(error)
    assert "raiser.py" in str(error.remote_traceback)
    assert raiser.call("answer") == 42


def test_remote_traceback_is_shown_as_the_cause(raiser: Any) -> None:
    with raises_remotely("ValueError") as caught:
        raiser.call("fail_with_cause")
    remote = str(caught.value.remote_traceback)
    assert "fail_with_cause" in remote
    assert "root of it" in remote
    assert "KeyError" in remote
    assert caught.value.__cause__ is not None
    shown = "".join(traceback.format_exception(caught.value))
    assert "raiser.py" in shown
    assert "root of it" in shown


@pytest.mark.parametrize(("method", "path"), [("return_object", "result"), ("return_nested_object", 'result[1]["k"]')])
def test_result_that_cannot_travel_fails_its_own_call_only(raiser: Any, method: str, path: str) -> None:
    with pytest.raises(SerializationError) as caught:
        raiser.call(method)
    assert caught.value.path == path
    assert caught.value.type_name == "object"
    assert path in str(caught.value)
    assert raiser.call("answer") == 42


@pytest.mark.parametrize("argument", [object(), print, Exception("x"), iter([]), type])
def test_argument_that_cannot_travel(basic: Any, argument: Any) -> None:
    with pytest.raises(SerializationError, match=r"args\[0\]") as caught:
        basic.call("echo", argument)
    assert caught.value.path == "args[0]"
    assert isinstance(caught.value, TypeError)
    assert basic.call("return_int") == 42


def test_argument_that_contains_itself(basic: Any) -> None:
    loop: list[Any] = []
    loop.append(loop)
    with pytest.raises(LogosError, match="args"):
        basic.call("echo", loop)
    assert basic.call("return_int") == 42


def test_all_errors_have_one_base(shared_core: Core, raiser: Any) -> None:
    for provoke in (
        lambda: shared_core.get_client("no_such_module").call("x"),
        lambda: raiser.call("no_such_method"),
        lambda: raiser.call("fail", "value"),
        lambda: raiser.call("fail"),
        lambda: raiser.call("answer", object()),
    ):
        with pytest.raises(LogosError):
            provoke()
