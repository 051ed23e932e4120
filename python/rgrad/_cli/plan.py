"""What is done with each column of a table: input, target or left out; and what the target is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rgrad._cli.csv import UNNAMED
from rgrad._cli.source import MOST_VALUES, Profile, Source, integer
from rgrad._shared.files import shortened

_INDICES = {"", "unnamed: 0", "index", "id", "row", "rowid", "row_id", "row id", "row number", "nr", "no", "#"}
_TARGETS = {"target", "label", "class", "y"}
# More different integers than this are more likely a quantity than classes.
_MANY = 20
CLASSIFICATION, REGRESSION = "classification", "regression"


@dataclass(slots=True)
class Plan:
    """What is done with the columns.

    Attributes:
        kinds: "number" or "text" of each input, in the order of the file.
        target: the column to predict.
        task: `CLASSIFICATION` or `REGRESSION`.
        classes: the classes, in order; none for a regression.
        decisions: what was decided, for the user to read.
    """

    kinds: dict[str, str]
    target: str
    task: str
    classes: list[str]
    decisions: list[str]


def plan(
    source: Source,
    target: str | None = None,
    task: str | None = None,
    features: Sequence[str] | None = None,
    drop: Sequence[str] = (),
) -> Plan:
    """Decide what to do with each column.

    Args:
        source: the table.
        target: the column to predict, by name or number; None for one that is called so, or else the last.
        task: None to decide by the target's values.
        features: the inputs, by name or number; None for all that are of use.
        drop: columns to leave out.

    Raises:
        ValueError: there is no such column, or one cannot be used as it should.
    """
    profiles = {profile.name: profile for profile in source.profiles()}
    decisions: list[str] = []
    goal = _target(source, target, decisions)
    dropped = [column(source.names, name, "--drop") for name in drop]
    if goal in dropped:
        raise ValueError(f"argument --drop: '{goal}' is the column to predict; name another with --target")
    wanted = None if features is None else [column(source.names, name, "--features") for name in features]
    if wanted is not None and len(set(wanted)) < len(wanted):
        raise ValueError(f"argument --features: {','.join(features or ())!r} names a column twice")
    if wanted is not None and goal in wanted:
        raise ValueError(f"argument --features: '{goal}' is the column to predict; name another with --target")
    task, classes = _task(source, profiles[goal], task, decisions)
    kinds: dict[str, str] = {}
    for name in source.names if wanted is None else wanted:
        if name == goal or name in dropped:
            continue
        kind = _kind(source, profiles[name], wanted is not None, decisions)
        if kind is not None:
            kinds[name] = kind
    if not kinds:
        raise ValueError(f"{source.path}: no column is left to predict '{shortened(goal)}' from")
    return Plan(kinds, goal, task, classes, decisions)


def column(names: Sequence[str], text: str, argument: str) -> str:
    """The column that a user means: a name, or a number from 1."""
    text = text.strip()
    if text in names:
        return text
    if text.isdecimal() and 1 <= int(text) <= len(names):
        return names[int(text) - 1]
    shown = ", ".join(shortened(name) for name in names[:30])
    raise ValueError(
        f"argument {argument}: {text!r} is neither a column nor a number from 1 to {len(names)}; there are {shown}"
    )


def _target(source: Source, target: str | None, decisions: list[str]) -> str:
    if target is not None:
        return column(source.names, target, "--target")
    called = [name for name in source.names if name.lower() in _TARGETS]
    goal = called[0] if len(called) == 1 else source.names[-1]
    if len(source.names) > 1 and goal != f"column {len(source.names)}":
        decisions.append(f"the target is {quoted(goal)}")
    return goal


def quoted(name: str) -> str:
    """A column's name in a sentence."""
    return f"'{shortened(name)}'"


def _task(source: Source, goal: Profile, task: str | None, decisions: list[str]) -> tuple[str, list[str]]:
    """The task, and the classes of a classification."""
    present = goal.rows - goal.missing
    if present == 0:
        raise ValueError(f"{source.path}: the target {quoted(goal.name)} has no values")
    if goal.missing:
        decisions.append(f"{goal.missing} rows without {quoted(goal.name)} are left out")
    if task == REGRESSION or (task is None and goal.is_number and _is_quantity(goal)):
        if not goal.is_number:
            text, line = goal.first_text or ("", 0)
            raise ValueError(
                f"{source.place(line, goal.name)}: '{shortened(text)}' is not a number, as a regression's target must "
                "be; add --task classification if these are classes"
            )
        if goal.low == goal.high:
            raise ValueError(f"{source.path}: all values of the target {quoted(goal.name)} are {goal.low:g}")
        if task is None:
            many = f"{len(goal.values)}" if len(goal.values) <= MOST_VALUES else f"more than {MOST_VALUES}"
            what = f"{many} different {'integers' if goal.integers == goal.numbers else 'numbers'}"
            decisions.append(f"a regression, as {quoted(goal.name)} has {what} (else add --task classification)")
        return REGRESSION, []
    if len(goal.values) > MOST_VALUES:
        raise ValueError(
            f"{source.path}: the target {quoted(goal.name)} has more than {MOST_VALUES} different values, too many for "
            "classes; name another column with --target"
        )
    if goal.numbers and goal.texts:
        text, line = goal.first_text or ("", 0)
        decisions.append(f"{quoted(goal.name)} has numbers and names, which are all taken for names of classes")
    return CLASSIFICATION, _classes(source, goal)


def _is_quantity(goal: Profile) -> bool:
    return goal.integers < goal.numbers or len(goal.values) > _MANY


def _classes(source: Source, goal: Profile) -> list[str]:
    """The classes, integers in their order, or names in theirs."""
    are_whole = goal.texts == 0 and goal.integers == goal.numbers
    names = sorted({class_name(text, are_whole) for text in goal.values}, key=int if are_whole else None)
    if len(names) < 2:
        only = f"are '{shortened(names[0])}'"
        raise ValueError(f"{source.path}: all labels {only}; there must be at least two classes")
    if len(names) > max(_MANY, (goal.rows - goal.missing) // 2):
        raise ValueError(
            f"{source.path}: the target {quoted(goal.name)} has {len(names)} different values in "
            f"{goal.rows - goal.missing} rows, which are no classes; name another column with --target"
        )
    return names


def class_name(text: str, are_whole: bool) -> str:
    """A class as it is called: 3.0 among integers is 3."""
    value = integer(text) if are_whole else None
    return text if value is None else str(value)


def _kind(source: Source, profile: Profile, is_asked_for: bool, decisions: list[str]) -> str | None:
    """Of an input: "number", "text", or None if it is left out."""
    name, drop = profile.name, f"leave it out with --drop {profile.name!r}"
    place = f"column {source.names.index(name) + 1}" + ("" if name.startswith("column ") else f" ({shortened(name)})")
    if profile.rows == profile.missing or (profile.is_constant and not is_asked_for):
        what = "has no values" if profile.rows == profile.missing else "is constant"
        if source.names != [name]:
            decisions.append(f"{place} {what} and is left out")
        return None
    if profile.is_number:
        if not is_asked_for and _is_index(profile):
            shown = "column 1, without a name," if name in UNNAMED else place
            decisions.append(f"{shown} numbers the rows and is left out")
            return None
        if profile.missing:
            decisions.append(f"{place} misses {profile.missing} values, which become the median")
        return "number"
    text, line = profile.first_text or ("", 0)
    if profile.numbers >= profile.texts:
        raise ValueError(
            f"{source.place(line, name)}: '{shortened(text)}' is not a number, as others in the column are"
        )
    if profile.dates >= 0.9 * profile.texts:
        raise ValueError(
            f"{source.path}: {place} holds dates, such as '{shortened(text)}', which cannot be learned from; "
            f"{drop}, or write numbers in their place"
        )
    if len(profile.values) > min(MOST_VALUES, max(2, (profile.rows - profile.missing) // 2)):
        many = f"{len(profile.values)}" if len(profile.values) <= MOST_VALUES else f"more than {MOST_VALUES}"
        raise ValueError(
            f"{source.path}: {place} holds free text, {many} different values such as '{shortened(text)}'; {drop}"
        )
    shown = ", ".join(shortened(value) for value in sorted(profile.values)[:4]) + (
        ", …" if len(profile.values) > 4 else ""
    )
    misses = f"; {profile.missing} are missing" if profile.missing else ""
    decisions.append(f"{place} has {len(profile.values)} categories ({shown}){misses}")
    return "text"


def _is_index(profile: Profile) -> bool:
    are_different = all(count == 1 for count in profile.values.values())
    return profile.name.lower() in _INDICES and profile.integers == profile.rows and are_different
