"""A linear layer that comes nearest to given answers, of any number of examples, in one pass."""

import torch
from torch import Tensor


class LeastSquares:
    """Sums from which the best weight and bias follow (normal equations)."""

    def __init__(self, num_inputs: int, num_outputs: int) -> None:
        """Begin without examples."""
        self._num = 0
        self._inputs = torch.zeros(num_inputs, dtype=torch.float64)
        self._outputs = torch.zeros(num_outputs, dtype=torch.float64)
        self._squares = torch.zeros(num_inputs, num_inputs, dtype=torch.float64)
        self._products = torch.zeros(num_inputs, num_outputs, dtype=torch.float64)

    def add(self, inputs: Tensor, outputs: Tensor) -> None:
        """Add examples.

        Args:
            inputs: float32 `[N, I]`.
            outputs: float32 `[N, O]`.
        """
        inputs, outputs = inputs.double().cpu(), outputs.double().cpu()
        self._num += len(inputs)
        self._inputs += inputs.sum(dim=0)
        self._outputs += outputs.sum(dim=0)
        self._squares += inputs.T @ inputs
        self._products += inputs.T @ outputs

    def solve(self, ridge_ratio: float) -> tuple[Tensor, Tensor]:
        """Return the weight, float32 `[O, I]`, and the bias, float32 `[O]`.

        Args:
            ridge_ratio: Added to each input's variance, as a share of their mean: examples may be
                fewer than inputs, or inputs alike.
        """
        mean_in, mean_out = self._inputs / self._num, self._outputs / self._num
        covariance = self._covariance()
        products = self._products / self._num - torch.outer(mean_in, mean_out)  # [I, O]
        ridge = ridge_ratio * covariance.diagonal().mean() + torch.finfo(torch.float32).tiny
        weight = torch.linalg.solve(covariance + ridge * torch.eye(len(mean_in)), products).T
        return weight.float(), (mean_out - weight @ mean_in).float()

    def output_statistics(self, weight: Tensor) -> tuple[Tensor, Tensor]:
        """Return mean and variance, float32 `[O]`, of what a weight makes of the inputs.

        Args:
            weight: float32 `[O, I]`.
        """
        weight = weight.double().cpu()
        variance = (weight @ self._covariance() * weight).sum(dim=1)
        return (weight @ (self._inputs / self._num)).float(), variance.float()

    def _covariance(self) -> Tensor:
        """Return that of the inputs, float64 `[I, I]`."""
        mean = self._inputs / self._num
        return self._squares / self._num - torch.outer(mean, mean)
