// Causal attention that keeps its weights for the gradient, on the CPU: computing them again, as LibTorch's does, takes longer
// than reading them. Queries go in blocks, so that the half of the square that nobody sees is not computed.
//
// The function returns 0, or 1 with a message in `error` (cut to `capacity` bytes, always ended).

#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/_softmax_backward_data.h>
#include <ATen/ops/bmm.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/softmax.h>
#include <ATen/ops/zeros_like.h>
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <exception>
#include <limits>
#include <torch/csrc/autograd/custom_function.h>

namespace {

using at::Tensor;
using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

constexpr int64_t kBlock = 128;

// Queries [H, n, d] over keys and values [H, n, d], each seeing those up to its own place.
struct Causal : torch::autograd::Function<Causal> {
  static Tensor forward(AutogradContext *ctx, const Tensor &query, const Tensor &key, const Tensor &value) {
    const int64_t heads = query.size(0), count = query.size(1), width = query.size(2);
    const double scale = 1.0 / std::sqrt(static_cast<double>(width));
    const auto unseen = at::ones({kBlock, kBlock}, query.options().dtype(at::kBool).requires_grad(false)).triu(1);
    const auto turned = key.transpose(1, 2);
    auto mixed = at::empty({count, heads, width}, query.options().requires_grad(false));
    variable_list kept = {query, key, value};
    for (int64_t start = 0; start < count; start += kBlock) {
      const int64_t end = std::min(start + kBlock, count), size = end - start;
      auto scores = at::bmm(query.slice(1, start, end), turned.slice(2, 0, end)).mul_(scale);
      scores.slice(2, start, end)
          .masked_fill_(unseen.slice(0, 0, size).slice(1, 0, size), -std::numeric_limits<double>::infinity());
      auto weights = at::softmax(scores, -1);
      mixed.slice(0, start, end).copy_(at::bmm(weights, value.slice(1, 0, end)).transpose(0, 1));
      kept.push_back(std::move(weights));
    }
    ctx->save_for_backward(std::move(kept));
    return mixed;
  }

  static variable_list backward(AutogradContext *ctx, variable_list gradients) {
    const auto kept = ctx->get_saved_variables();
    const auto &query = kept[0], &key = kept[1], &value = kept[2];
    const int64_t count = query.size(1);
    const double scale = 1.0 / std::sqrt(static_cast<double>(query.size(2)));
    const auto gradient = gradients[0].transpose(0, 1);
    const auto turned = value.transpose(1, 2);
    auto to_query = at::empty(query.sizes(), query.options().requires_grad(false));
    auto to_key = at::zeros_like(key, key.options().requires_grad(false), at::MemoryFormat::Contiguous);
    auto to_value = at::zeros_like(to_key);
    for (int64_t start = 0, block = 3; start < count; start += kBlock, ++block) {
      const int64_t end = std::min(start + kBlock, count);
      const auto &weights = kept[block];
      const auto given = gradient.slice(1, start, end);
      to_value.slice(1, 0, end).baddbmm_(weights.transpose(1, 2), given);
      const auto to_weights = at::bmm(given, turned.slice(2, 0, end));
      const auto to_scores = at::_softmax_backward_data(to_weights, weights, -1, query.scalar_type());
      to_query.slice(1, start, end).copy_(at::bmm(to_scores, key.slice(1, 0, end)));
      to_key.slice(1, 0, end).baddbmm_(to_scores.transpose(1, 2), query.slice(1, start, end), 1, scale);
    }
    return {to_query.mul_(scale), to_key, to_value};
  }
};

}  // namespace

// `query`, `key` and `value` are [n, H, d]; what is mixed for each query is [n, H, d].
extern "C" int allround_causal_attention(const Tensor *query, const Tensor *key, const Tensor *value, Tensor **out,
                                         char *error, size_t capacity) {
  try {
    auto heads_first = [](const Tensor &packed) { return packed.transpose(0, 1); };
    *out = new Tensor(Causal::apply(heads_first(*query), heads_first(*key), heads_first(*value)));
    return 0;
  } catch (const std::exception &failure) {
    std::snprintf(error, capacity, "%s", failure.what());
    return 1;
  }
}
