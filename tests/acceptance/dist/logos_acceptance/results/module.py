"""Results that may be failures, as values."""

from logoscore import LogosResult, PluginInterface, invokable


class Results(PluginInterface):
    @invokable
    def success(self) -> LogosResult:
        return LogosResult.ok("it worked")

    @invokable
    def error(self) -> LogosResult:
        return LogosResult.fail("deliberate error for testing")

    @invokable
    def with_map(self) -> LogosResult:
        return LogosResult.ok({"name": "logos", "count": 3, "nested": {"deep": [1, 2]}})

    @invokable
    def with_list(self) -> LogosResult:
        return LogosResult.ok(["a", 1, None, [True]])

    @invokable
    def with_nothing(self) -> LogosResult:
        return LogosResult.ok()

    @invokable
    def validate_input(self, text: str) -> LogosResult:
        if not text:
            return LogosResult.fail("input must not be empty")
        return LogosResult.ok(f"valid: {text}")

    @invokable
    def inside_a_list(self) -> list[LogosResult]:
        return [LogosResult.ok(1), LogosResult.fail("second")]

    @invokable
    def describe(self, result: LogosResult) -> str:
        return f"ok {result.value!r}" if result.success else f"failed {result.error!r}"
