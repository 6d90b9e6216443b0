"""Who may call whom: asked of the modules, and compared with what their metadata says."""

from __future__ import annotations

import logoscore

_BUILT_IN = ("capability_module", "core_manager")


def ask_everybody(core: logoscore.Core, modules: list[str]) -> dict[tuple[str, str], bool]:
    """For each pair (from, to): whether it gets through. Each module tries for itself, nobody else can for it."""
    answers: dict[tuple[str, str], bool] = {}
    for target in (*modules, *_BUILT_IN):
        core.get_client(target).wait_ready(timeout=5.0)  # the app; would raise PermissionDeniedError
        answers["app", target] = True
        for module in modules:
            answers[module, target] = bool(core.get_client(module).call("may_reach", target))
    return answers


def surprises(core: logoscore.Core, answers: dict[tuple[str, str], bool]) -> list[str]:
    """Answers that differ from the default policy: the app reaches all; a module itself, the built-ins, its list."""
    found = []
    for (module, target), allowed in answers.items():
        expected = module in {"app", target} or target in _BUILT_IN or target in _listed(core, module)
        if allowed != expected:
            found.append(f"{module} {'reaches' if allowed else 'does not reach'} {target}, against its metadata")
    return found


def _listed(core: logoscore.Core, module: str) -> set[str]:
    metadata = core.get_plugin_info(module).metadata
    return {dependency.name for dependency in metadata.dependencies} | set(metadata.calls)


def table(answers: dict[tuple[str, str], bool]) -> list[str]:
    """The answers as lines: who asks on the left, whom on top."""
    targets = list(dict.fromkeys(target for _, target in answers))
    callers = list(dict.fromkeys(module for module, _ in answers))
    lines = [" " * 11 + "  ".join(targets)]
    for caller in callers:
        cells = (("yes" if answers[caller, target] else "-").center(len(target)) for target in targets)
        lines.append(f"  {caller:<9}" + "  ".join(cells).rstrip())
    return lines
