"""What the epochs of a training run gave."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any


class History:
    """The results of the epochs, one dict each, in order.

    `history["train_loss"]` is the list of that column, None where an epoch has no value, `history.rows[-1]` the last
    epoch, and `len(history)` how many there are. Columns are `epoch` (from 1), `train_loss`, `validation_loss`,
    `train_…` and `validation_…` of each metric, `lr`, `gradient_norm` if there is a tolerance, and `seconds`, the time
    since training began. Train losses and metrics are means over the batches of the epoch, each before the update that
    it causes; those of the validation set come after the epoch.

    Attributes:
        rows: the dicts.
        stopped: why training ended before the last epoch; empty if it did not.
    """

    def __init__(self) -> None:
        self.rows: list[dict[str, Any]] = []
        self.stopped = ""

    @property
    def columns(self) -> list[str]:
        """The names of the columns."""
        return list(dict.fromkeys(name for row in self.rows for name in row))

    def best(self, column: str, mode: str = "min") -> dict[str, Any]:
        """The first epoch in which the column was lowest ("min") or highest ("max").

        Raises:
            KeyError: no epoch has the column.
        """
        if mode not in ("min", "max"):
            raise ValueError(f"mode must be 'min' or 'max', got {mode!r}")
        rows = [row for row in self.rows if row.get(column) is not None]
        if not rows:
            raise KeyError(_unknown(column, self.columns))
        return (min if mode == "min" else max)(rows, key=lambda row: row[column])

    def __getitem__(self, column: str) -> list[Any]:
        if column not in self.columns:
            raise KeyError(_unknown(column, self.columns))
        return [row.get(column) for row in self.rows]

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return iter(self.rows)

    def __repr__(self) -> str:
        if not self.rows:
            return "History(no epochs)"
        last = ", ".join(f"{name} {shown(value)}" for name, value in self.rows[-1].items() if name != "epoch")
        return f"History({len(self.rows)} epochs; last: {last})"

    def state_dict(self) -> dict[str, Any]:
        """The rows, and why training ended."""
        return {"rows": [dict(row) for row in self.rows], "stopped": self.stopped}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restores what `state_dict` gave."""
        rows, stopped = state["rows"], state["stopped"]
        self.rows, self.stopped = [dict(row) for row in rows], stopped


def shown(value: Any) -> str:
    """A value of a row as tables show it."""
    return f"{value:.4g}" if isinstance(value, float) else "-" if value is None else str(value)


def _unknown(column: str, columns: list[str]) -> str:
    return f"the history has no column {column!r}; it has {', '.join(columns) or 'none'}"
