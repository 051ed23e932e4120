"""What the parameters of estimators may be."""

from collections.abc import Callable, Iterable, Mapping
from numbers import Integral, Real
from typing import Any

from rgrad.sklearn._networks import ACTIVATIONS, NORMALIZATIONS

Rule = tuple[Callable[[Any], bool], str]


def keep(estimator: Any, arguments: Mapping[str, Any]) -> None:
    """Sets the parameters that `__init__`, which gives its `locals()`, was called with."""
    for name, value in arguments.items():
        if name not in ("self", "__class__"):
            setattr(estimator, name, value)


def _is_integer(value: Any) -> bool:
    return isinstance(value, Integral) and not isinstance(value, bool)


def _is_real(value: Any) -> bool:
    return isinstance(value, Real) and value is not True and value is not False and float(value) == float(value)


def integer(least: int) -> Rule:
    """An integer of at least that."""
    return lambda v: _is_integer(v) and v >= least, f"an integer of at least {least}"


def real(low: float, high: float = float("inf"), *, above: bool = False, below: bool = False) -> Rule:
    """A number from `low` to `high`, without the first if `above`, without the second if `below`."""
    text = f"a number {'above' if above else 'of at least'} {low:g}"
    if high < float("inf"):
        text += f" and {'below' if below else 'at most'} {high:g}"
    return lambda v: _is_real(v) and (v > low if above else v >= low) and (v < high if below else v <= high), text


def one_of(*names: Any) -> Rule:
    """One of these."""
    return lambda v: isinstance(v, str | None) and v in names, "one of " + ", ".join(map(repr, names))


def either(*rules: Rule) -> Rule:
    """What one of the rules allows."""
    return lambda v: any(rule(v) for rule, _ in rules), " or ".join(text for _, text in rules)


BOOLEAN: Rule = (lambda v: isinstance(v, bool) or type(v).__name__ == "bool_", "True or False")
CALLABLE: Rule = (callable, "a callable")
NONE: Rule = (lambda v: v is None, "None")
SIZES: Rule = (
    lambda v: all(_is_integer(size) and size > 0 for size in sizes(v)),
    "a number of units, or one for each hidden layer, of at least 1",
)
SEVERAL: Rule = (
    lambda v: v is None or (isinstance(v, Iterable) and all(map(callable, v))),
    "None or a list of callables",
)

RULES: dict[str, Rule] = {
    "hidden_layer_sizes": SIZES,
    "activation": either(one_of(*ACTIVATIONS), CALLABLE),
    "alpha": real(0),
    "C": real(0, above=True),
    "fit_intercept": BOOLEAN,
    "batch_size": either(one_of("auto"), integer(1)),
    "learning_rate": one_of("constant", "invscaling", "adaptive"),
    "learning_rate_init": real(0, above=True),
    "power_t": real(0),
    "max_iter": integer(1),
    "max_fun": integer(1),
    "shuffle": BOOLEAN,
    "tol": real(0),
    "warm_start": BOOLEAN,
    "momentum": real(0, 1),
    "nesterovs_momentum": BOOLEAN,
    "validation_fraction": real(0, 1, above=True, below=True),
    "beta_1": real(0, 1, below=True),
    "beta_2": real(0, 1, below=True),
    "epsilon": real(0, above=True),
    "label_smoothing": real(0, 1, below=True),
    "n_iter_no_change": either(integer(1), (lambda v: v == float("inf"), "infinity")),
    "early_stopping": BOOLEAN,
    "dropout": real(0, 1, below=True),
    "normalization": one_of(None, *NORMALIZATIONS),
    "network": either(NONE, CALLABLE),
    "scoring": either((lambda v: isinstance(v, str), "the name of a scorer"), NONE, CALLABLE),
    "callbacks": SEVERAL,
}


def sizes(value: Any) -> list[Any]:
    """The sizes of hidden layers, of which one may be given as a number."""
    return list(value) if isinstance(value, Iterable) else [value]


def check(estimator: Any, rules: Mapping[str, Rule]) -> None:
    """Raises a ValueError for the first parameter that is not what its rule says."""
    for name, value in estimator.get_params(deep=False).items():
        rule = rules.get(name)
        if rule is not None and not rule[0](value):
            raise ValueError(f"{type(estimator).__name__}: {name} must be {rule[1]}, got {value!r}")
