"""Softmax regression on the bundled digits with plain tensors: the update is written by hand."""

import rgrad as rg

rg.manual_seed(0)
data = rg.datasets.digits()
rows, features = data.train_x.shape
classes = len(data.class_names)

weight = rg.zeros(classes, features, requires_grad=True)
bias = rg.zeros(classes, requires_grad=True)
learning_rate, batch_size = 0.5, 50

for epoch in range(10):
    order = rg.randperm(rows)
    total = 0.0
    for start in range(0, rows, batch_size):
        batch = order[start : start + batch_size]
        logits = data.train_x[batch] @ weight.T + bias
        loss = rg.nn.functional.cross_entropy(logits, data.train_y[batch])
        grad_weight, grad_bias = rg.autograd.grad(loss, [weight, bias])
        with rg.no_grad():
            weight -= learning_rate * grad_weight
            bias -= learning_rate * grad_bias
        total += loss.item() * len(batch)
    print(f"epoch {epoch + 1:2}: training loss {total / rows:.4f}")

with rg.no_grad():
    predicted = (data.test_x @ weight.T + bias).argmax(1)
    errors = (predicted != data.test_y).to(rg.float32)
print(f"test error {100 * errors.mean().item():.2f} %")
