"""A multi-layer perceptron on the bundled digits, written as for PyTorch."""

import rgrad as rg
from rgrad import nn, optim
from rgrad.data import DataLoader, TensorDataset

rg.manual_seed(0)
data = rg.datasets.digits()
loader = DataLoader(TensorDataset(data.train_x, data.train_y), batch_size=32, shuffle=True)

model = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10))
loss_fn = nn.CrossEntropyLoss()
optimizer = optim.Adam(model.parameters(), lr=1e-2)

for epoch in range(10):
    for x, y in loader:
        optimizer.zero_grad()
        loss = loss_fn(model(x), y)
        loss.backward()
        optimizer.step()

    with rg.no_grad():
        train_loss = loss_fn(model(data.train_x), data.train_y).item()
        wrong = (model(data.test_x).argmax(1) != data.test_y).to(rg.float32).mean().item()
    print(f"epoch {epoch + 1:2}: training loss {train_loss:.4f}, test error {100 * wrong:.2f} %")
