"""`rgrad.train`: what `fit` computes, and how it ends."""

import numpy as np
import pytest

import rgrad as rg
from rgrad import train


def regression(rows=50, features=3):
    x = rg.randn(rows, features, generator=rg.Generator(1))
    return x, x.sum(1, keepdim=True) + 0.1 * rg.randn(rows, 1, generator=rg.Generator(2))


def network(seed=0, dropout=0.0):
    rg.manual_seed(seed)
    return rg.nn.Sequential(rg.nn.Linear(3, 8), rg.nn.Tanh(), rg.nn.Dropout(dropout), rg.nn.Linear(8, 1))


def adam(model, lr=0.05):
    return rg.optim.Adam(model.parameters(), lr=lr)


def bits(model):
    return {name: tensor.numpy().tobytes() for name, tensor in model.state_dict().items()}


MSE = rg.nn.MSELoss()


@pytest.mark.parametrize("compile", [True, False])
@pytest.mark.parametrize("dropout", [0.0, 0.5])
def test_fit_gives_the_bits_of_the_loop_that_one_would_write(compile, dropout):
    x, y = regression()
    model = network(dropout=dropout)
    history = train.fit(model, (x, y), MSE, adam(model), 3, batch_size=16, compile=compile)
    by_hand = network(dropout=dropout)
    optimizer = adam(by_hand)
    losses = []
    for _ in range(3):
        total = 0.0
        for a, b in rg.data.DataLoader((x, y), 16, shuffle=True):
            optimizer.zero_grad()
            loss = MSE(by_hand(a), b)
            loss.backward()
            optimizer.step()
            total += loss.item() * len(a)
        losses.append(total / 50)
    assert bits(model) == bits(by_hand)
    assert history["train_loss"] == pytest.approx(losses, rel=1e-12)


def test_a_history_has_a_row_for_each_epoch():
    x, y = regression()
    model = network()
    history = train.fit(
        model, (x, y), MSE, adam(model), 5, validation=(x, y), validate_every=2, metrics=[train.mae, train.r2]
    )
    assert len(history) == 5
    assert history["epoch"] == [1, 2, 3, 4, 5]
    assert [value is None for value in history["validation_r2"]] == [False, False, True, False, False]
    assert "train_mae" in history.columns
    assert "train_r2" not in history.columns  # it is no mean over rows
    found = train.evaluate(model, (x, y), MSE, [train.mae, train.r2])
    assert history.rows[-1]["validation_loss"] == found["loss"]
    assert history.rows[-1]["validation_r2"] == found["r2"]
    assert history.best("validation_loss")["validation_loss"] == min(v for v in history["validation_loss"] if v)
    with pytest.raises(KeyError, match="no column 'loss'; it has epoch, train_loss"):
        history["loss"]


def test_validation_sees_no_dropout_and_modes_are_kept():
    x, y = regression()
    model = network(dropout=0.5)
    model.eval()
    seen = []
    history = train.fit(
        model, (x, y), MSE, adam(model), 1, validation=(x, y), callbacks=[lambda run: seen.append(run.model.training)]
    )
    assert seen == [True]
    assert not model.training
    with rg.no_grad():
        assert history["validation_loss"] == [MSE(model(x), y).item()]


def test_early_stopping_keeps_the_best_weights():
    x, y = regression()
    model = network()
    kept = []
    stopping = train.EarlyStopping(patience=3)
    optimizer = adam(model, lr=0.5)
    history = train.fit(
        model,
        (x[:30], y[:30]),
        MSE,
        optimizer,
        500,
        validation=(x[30:], y[30:]),
        callbacks=[stopping, lambda run: kept.append(bits(run.model))],
    )
    assert len(history) == stopping.best_epoch + 3 < 500
    assert history.stopped == f"validation_loss has not improved since epoch {stopping.best_epoch}"
    assert bits(model) == kept[stopping.best_epoch - 1]
    assert min(history["validation_loss"]) == stopping.best == history.best("validation_loss")["validation_loss"]


def test_early_stopping_without_its_column_says_which_there_are():
    model = network()
    with pytest.raises(KeyError, match="no epoch has 'validation_loss'; there are epoch, train_loss, lr, seconds"):
        train.fit(model, regression(), MSE, adam(model), 2, callbacks=[train.EarlyStopping()])


def test_a_callback_may_add_to_the_row_and_stop():
    def score(run):
        run.row["score"] = float(run.epoch % 3)
        if run.epoch == 4:
            run.stop("enough")

    stopping = train.EarlyStopping("score", patience=None, mode="max")
    model = network()
    history = train.fit(model, regression(), MSE, adam(model), 9, callbacks=[score, stopping])
    assert history["score"] == [1.0, 2.0, 0.0, 1.0]
    assert (history.stopped, stopping.best_epoch) == ("enough", 2)


def test_a_logger_gets_each_epoch():
    class Logger:
        def __init__(self):
            self.seen = []

        def log(self, values, step):
            self.seen.append((step, sorted(values)))

    model, logger = network(), Logger()
    train.fit(model, regression(), MSE, adam(model), 2, logger=logger)
    assert logger.seen == [(1, ["lr", "seconds", "train_loss"]), (2, ["lr", "seconds", "train_loss"])]


def test_schedulers_are_stepped_by_epoch_batch_and_loss():
    x, y = regression(64)
    model = network()
    optimizer = rg.optim.SGD(model.parameters(), lr=1e-3)
    schedule = rg.optim.lr_scheduler.ExponentialLR(optimizer, 0.5)
    assert train.fit(model, (x, y), MSE, optimizer, 3, scheduler=schedule)["lr"] == [1e-3, 5e-4, 2.5e-4]
    optimizer = rg.optim.SGD(model.parameters(), lr=1e-3)
    schedule = rg.optim.lr_scheduler.ExponentialLR(optimizer, 0.5)
    history = train.fit(model, (x, y), MSE, optimizer, 2, batch_size=32, scheduler=schedule, schedule_every="batch")
    assert history["lr"] == [1e-3, 2.5e-4]
    optimizer = rg.optim.SGD(model.parameters(), lr=1e-9)
    schedule = rg.optim.lr_scheduler.ReduceLROnPlateau(optimizer, patience=0, threshold=0.5, eps=0)
    history = train.fit(model, (x, y), MSE, optimizer, 4, scheduler=schedule)
    assert history["lr"] == pytest.approx([1e-9, 1e-9, 1e-10, 1e-11])


def test_weights_count_as_repeated_rows():
    x, y = regression(20)
    weights = rg.tensor([1.0, 3.0] * 10)
    repeated = np.repeat(np.arange(20), [1, 3] * 10)
    loss = train.weighted(rg.nn.MSELoss(reduction="none"))
    one, other = network(), network()
    for model, data, function in ((one, (x, y, weights), loss), (other, (x[repeated], y[repeated]), MSE)):
        history = train.fit(model, data, function, rg.optim.SGD(model.parameters(), lr=0.1), 3, batch_size="full",
                            validation=data, metrics=[train.mae, train.r2])  # fmt: skip
        losses = [history[name] for name in ("train_loss", "validation_loss", "train_mae", "validation_r2")]
        if model is one:
            expected = losses
    assert np.allclose(losses, expected, rtol=1e-5)


def test_a_step_that_cannot_be_compiled_runs_as_it_is():
    class Peeking(rg.nn.Module):
        def __init__(self):
            self.linear = rg.nn.Linear(3, 1)

        def forward(self, x):
            y = self.linear(x)
            return y if y.sum().item() > 0 else y * 1.0

    results = []
    for compile in (True, False):
        rg.manual_seed(3)
        model = Peeking()
        if compile:
            with pytest.warns(RuntimeWarning, match="fit: not compiled, and slower: compile: reading its value"):
                train.fit(model, regression(), MSE, adam(model), 2, validation=regression())
        else:
            train.fit(model, regression(), MSE, adam(model), 2, validation=regression(), compile=False)
        results.append(bits(model))
    assert results[0] == results[1]


def test_lbfgs_has_its_closure():
    x, y = regression()
    model = network()
    optimizer = rg.optim.LBFGS(model.parameters(), line_search_fn="strong_wolfe")
    history = train.fit(model, (x, y), MSE, optimizer, 5, batch_size="full", compile=False)
    assert history["train_loss"][-1] < 0.02 < history["train_loss"][0]


def test_loaders_and_lists_of_batches():
    x, y = regression(60)
    models = [network(), network(), network()]
    generators = [rg.Generator(5), rg.Generator(5)]
    train.fit(models[0], (x, y), MSE, adam(models[0]), 2, batch_size=20, generator=generators[0])
    loader = rg.data.DataLoader((x, y), 20, shuffle=True, generator=generators[1])
    train.fit(models[1], loader, MSE, adam(models[1]), 2, validation=(x, y))
    assert bits(models[0]) == bits(models[1])
    batches = [(x[:30].numpy(), y[:30].numpy()), (x[30:], y[30:])]
    assert len(train.fit(models[2], batches, MSE, adam(models[2]), 2)) == 2


def test_gradients_are_clipped():
    x, y = regression()
    model = network()
    before = model.state_dict()["0.weight"].clone()
    train.fit(model, (x, y * 1e6), MSE, rg.optim.SGD(model.parameters(), lr=1.0), 1, batch_size="full",
              max_grad_norm=1e-3)  # fmt: skip
    assert (model.state_dict()["0.weight"] - before).abs().max().item() < 2e-3


def test_a_diverging_loss_is_an_error():
    model = network()
    with pytest.raises(FloatingPointError, match=r"the training diverged: the loss is .* in epoch 1; try a smaller"):
        train.fit(model, regression(), MSE, rg.optim.SGD(model.parameters(), lr=1e30), 2)


def test_the_gradients_norm_ends_training():
    model = network()
    optimizer = rg.optim.SGD(model.parameters(), lr=0.1)
    history = train.fit(model, regression(), MSE, optimizer, 2000, batch_size="full", tolerance=0.05)
    assert len(history) < 2000
    assert history["gradient_norm"][-1] < 0.05 <= history["gradient_norm"][-2]


def test_find_lr_suggests_a_rate_that_trains_and_changes_nothing():
    x, y = regression(200)
    model = network()
    optimizer = rg.optim.SGD(model.parameters(), lr=0.1)
    before, random = bits(model), rg.get_rng_state()
    found = train.find_lr(model, (x, y), MSE, optimizer)
    assert (bits(model), rg.get_rng_state(), optimizer.param_groups[0]["lr"]) == (before, random, 0.1)
    assert found.lrs == sorted(found.lrs)
    assert len(found.lrs) == len(found.losses)
    history = train.fit(model, (x, y), MSE, rg.optim.SGD(model.parameters(), lr=found.suggestion), 5)
    assert history["train_loss"][-1] < 0.2 * history["train_loss"][0]


X, Y = regression()


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"model": rg.nn.Linear}, TypeError, "fit: model must be a Module, not Linear"),
        ({"data": X}, TypeError, r"data must be a tuple \(inputs, targets\) or a loader of such batches, not Tensor"),
        ({"data": (X,)}, ValueError, "inputs and targets, and perhaps weights of the rows; there are 1 parts"),
        ({"data": (X, Y[:3])}, ValueError, "tensor 0 has 50 and tensor 1 has 3"),
        ({"data": (X[:0], Y[:0])}, ValueError, "the data have no rows"),
        ({"data": iter([(X, Y)])}, TypeError, "an iterator is used up after one epoch"),
        ({"data": [(X, Y)], "batch_size": 3}, ValueError, "the batches are those of the loader"),
        ({"data": [X]}, TypeError, r"a batch must be \(inputs, targets\)"),
        ({"data": []}, ValueError, "there are no batches"),
        ({"loss": rg.nn.MSELoss}, TypeError, r"the loss is a class; make one first: MSELoss\(\)"),
        ({"loss": rg.nn.MSELoss(reduction="none")}, ValueError, "the loss gives one number for each row"),
        ({"loss": "mse"}, TypeError, "loss must be a function of outputs and targets, not str"),
        ({"optimizer": rg.optim.SGD}, TypeError, "this is SGD, a class"),
        ({"epochs": 0}, ValueError, "fit: epochs"),
        ({"batch_size": 0}, ValueError, "batch_size must be an integer, at least 1, or 'full', got 0"),
        ({"drop_last": True, "batch_size": 50, "data": (X[:0], Y[:0])}, ValueError, "no rows"),
        ({"metrics": train.mae}, TypeError, "metrics must be a list or a dict"),
        ({"metrics": {"loss": train.mae}}, ValueError, "a metric cannot be called 'loss'"),
        ({"metrics": [train.mae, train.mae]}, ValueError, "two metrics have one name"),
        ({"callbacks": train.EarlyStopping()}, TypeError, r"callbacks must be a list; write \[callback\]"),
        ({"callbacks": [train.EarlyStopping]}, TypeError, "this is EarlyStopping, a class: make one first"),
        ({"callbacks": [3]}, TypeError, "this is 3"),
        ({"logger": print}, TypeError, "logger must have a method log"),
        ({"resume": True}, ValueError, "resume needs the checkpoint"),
        ({"scheduler": 3}, TypeError, "scheduler must be one of optim.lr_scheduler, not int"),
        ({"schedule_every": "step"}, ValueError, "schedule_every must be 'epoch' or 'batch'"),
        ({"max_grad_norm": -1}, ValueError, "max_grad_norm must be a positive number or None, got -1"),
        ({"validation": X}, TypeError, "fit: validation: data must be a tuple"),
    ],
)
def test_what_fit_refuses_leaves_everything_as_it_was(change, error, message):
    model = network()
    before, random = bits(model), rg.get_rng_state()
    arguments = {"model": model, "data": (X, Y), "loss": MSE, "optimizer": adam(model), "epochs": 1} | change
    with pytest.raises(error, match=message):
        train.fit(**arguments)
    assert (bits(model), rg.get_rng_state()) == (before, random)
